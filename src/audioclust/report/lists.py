"""The clusters of one cell as lists: of clips, of recordings, and of every cell's labels side by side.

Shapes: n clips, l labellings; noise is -1. Times are seconds, to the sixth digit, which is right at the sample up to
192 kHz: clips begin and end at samples of the clips' rate.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audioclust.report.exports._texts import Recording, Region
from audioclust.report.table import KEY

DIGITS = 6  # of seconds


def column(cell: Mapping[str, Any]) -> str:
    """Return a cell as encoder/reducer/clusterer/seed."""
    return "/".join(str(cell[part]) for part in (*KEY, "seed"))


def clip_list(
    clips: pd.DataFrame,
    labels: np.ndarray,
    names: Mapping[int, str],
    confidence: np.ndarray,
    exemplars: Collection[int],
    rate: int,
) -> pd.DataFrame:
    """Return ``path,start,end,cluster,name,confidence,is_exemplar``, a row per clip in its order.

    Args:
        clips: ``path``, ``start`` and ``duration`` (s).
        labels: (n,) integers.
        names: cluster -> name; others have "".
        confidence: (n,) shares, NaN where there is none.
        exemplars: rows of the clips to listen to first.
        rate: of the clips, Hz.
    """
    start = pd.to_numeric(clips["start"]).to_numpy(np.float64)
    samples = np.rint((start + pd.to_numeric(clips["duration"]).to_numpy(np.float64)) * rate)
    listed = {
        "path": clips["path"].to_numpy(),
        "start": start,
        "end": [round(end, DIGITS) for end in (samples / rate).tolist()],  # as prepare rounds; NumPy differs in halves
        "cluster": labels,
        "name": [names.get(label, "") for label in labels.tolist()],
        "confidence": np.round(confidence, 2),
        "is_exemplar": np.isin(np.arange(len(clips)), list(exemplars)),
    }
    return pd.DataFrame(listed)


def labellings(clips: pd.DataFrame, cells: Sequence[Mapping[str, Any]], labels: Sequence[np.ndarray]) -> pd.DataFrame:
    """Return ``path,start`` and a column per cell and seed that ran, named as ``column`` does.

    Args:
        clips: ``path`` and ``start`` (s).
        cells: what each labelling is, and the ``reason`` why it did not run.
        labels: of each cell (n,).
    """
    found = {column(cell): each for cell, each in zip(cells, labels, strict=True) if not cell["reason"]}
    return pd.DataFrame({"path": clips["path"].to_numpy(), "start": clips["start"].to_numpy(), **found})


def joined(listed: pd.DataFrame, channels: np.ndarray, rate: int) -> pd.DataFrame:
    """Return ``path,channel,start,end,cluster,name``, a row per run of consecutive clips of one cluster.

    Clips are consecutive where the next one begins in or at the end of the one before, to half a sample.

    Args:
        listed: from ``clip_list``.
        channels: (n,) that each clip is of, from 0.
        rate: of the clips, Hz.
    """
    table = listed.assign(channel=channels, order=pd.factorize(listed["path"])[0])
    table = table.sort_values(["order", "channel", "start"], kind="stable", ignore_index=True)
    same = (table[["order", "channel", "cluster"]] == table[["order", "channel", "cluster"]].shift()).all(axis=1)
    near = table["start"] <= table["end"].shift() + 0.5 / rate
    run = (~(same & near)).cumsum()
    columns = {name: "first" for name in ("path", "channel", "start", "cluster", "name")} | {"end": "max"}
    return table.groupby(run, sort=False).agg(columns).reset_index(drop=True)


def file_list(listed: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per recording: how much of it lies in which cluster.

    ``path``, ``clips``, ``seconds`` of them, the ``cluster`` that most of these lie in and its ``name``, ``timeline``
    of a recording with several clips, as ``0-4:3;4-8:1`` (channels one after the other, ``|`` between them), and
    ``share_<cluster>`` of the seconds, ``share_noise`` of those in none.

    Args:
        listed: from ``clip_list``.
        runs: from ``joined``.
    """
    seconds = (listed["end"] - listed["start"]).to_numpy()
    spent = listed.assign(seconds=seconds).pivot_table("seconds", "path", "cluster", "sum", fill_value=0.0, sort=False)
    spent = spent[sorted(spent.columns, key=lambda cluster: (cluster < 0, cluster))]
    counts = listed.groupby("path", sort=False).size()
    dominant = spent.idxmax(axis=1)
    name = dict(zip(listed["cluster"], listed["name"], strict=True))
    long = runs[runs["path"].map(counts) > 1]
    timelines = {path: _timeline(rows) for path, rows in long.groupby("path", sort=False)}
    shares = spent.div(spent.sum(axis=1), axis=0).round(4)
    shares.columns = [f"share_{cluster}" if cluster >= 0 else "share_noise" for cluster in spent.columns]
    head = {
        "clips": counts,
        "seconds": spent.sum(axis=1).round(DIGITS),
        "cluster": dominant,
        "name": dominant.map(name),
        "timeline": [timelines.get(path, "") for path in counts.index],
    }
    return pd.DataFrame(head, index=counts.index).join(shares).reset_index()


def _timeline(rows: pd.DataFrame) -> str:
    """Return the runs of one recording in order."""
    parts = [
        ";".join(f"{_seconds(r.start)}-{_seconds(r.end)}:{r.cluster}" for r in channel.itertuples())
        for _, channel in rows.groupby("channel", sort=True)
    ]
    return "|".join(parts)


def _seconds(value: float) -> str:
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")


def recordings(runs: pd.DataFrame, rates: Mapping[str, int]) -> list[Recording]:
    """Return every recording with its regions, for the exports.

    Args:
        runs: from ``joined``.
        rates: path -> Hz of the recording.
    """
    found = {path: Recording(path, rates[path], []) for path in dict.fromkeys(runs["path"])}
    for row in runs[runs["cluster"] >= 0].sort_values("start", kind="stable").itertuples():
        label = row.name or f"{row.cluster}"
        region = Region(float(row.start), float(row.end), int(row.channel), int(row.cluster), label)
        found[row.path].regions.append(region)
    return list(found.values())
