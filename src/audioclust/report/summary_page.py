"""The page that describes the clusters of one cell: a table of all of them, then a list for each."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from audioclust.report.plots import cluster_name
from audioclust.report.summary import NEIGHBOURS, Cluster, Quartiles
from audioclust.report.table import KEY, grid

ON_PAGE = 40  # clusters that are described, the largest; the table in data/clusters has all of them


def markdown(
    found: list[Cluster], clips: pd.DataFrame, cell: Mapping[str, Any], encoder: str | None, headline: str
) -> str:
    """Return the page.

    Args:
        found: from ``describe``.
        clips: ``path``, ``start`` and ``duration`` (s).
        cell: encoder, reducer, clusterer and seed of the clusters.
        encoder: in whose embedding distances were taken; None: there was none, and they are those of mean log-mels.
        headline: the score that the cell was chosen by, from ``table.headline``.
    """
    several = clips["path"].duplicated(keep=False)
    names = [_clip(*place) for place in zip(clips["path"], clips["start"], several, strict=True)]
    noise = [each for each in found if each.cluster == -1]
    kept = found[: len(found) - len(noise)]
    shown = [*kept[:ON_PAGE], *noise]
    same = clips["duration"].nunique() == 1
    seconds = f" All clips last {float(clips['duration'].iloc[0]):g} s." if same else ""
    lines = [f"# Clusters of {' / '.join(str(cell[part]) for part in KEY)}", ""]
    lines += [f"{_chosen(headline, cell['seed'])} {_legend(encoder)}{seconds}", "", _overview(shown)]
    if len(kept) > ON_PAGE:
        lines += [f"These are the {ON_PAGE} largest of {len(kept)} clusters; `summary.csv` has all.", ""]
    for each in shown:
        lines += [f"## {cluster_name(each.cluster).capitalize()}", "", *_items(each, names, same), ""]
    return "\n".join(lines)


def _chosen(headline: str, seed: int) -> str:
    by = {
        "ami": "AMI, which has seen the labels; nothing below has",
        "choice": "choice, without labels",
    }
    return f"The best cell of `metrics/table.csv` by its {by[headline]}. Labelling of seed {seed}."


def _legend(encoder: str | None) -> str:
    no_encoder = "between mean log-mels, because this method starts from no encoder or from two"
    space = no_encoder if encoder is None else f"in the embedding of {encoder}"
    return (
        f"Distances are Euclidean, {space}. *Purity*: share of the {NEIGHBOURS} nearest neighbours of a cluster's "
        "clips that lie in it (of fewer neighbours where it has fewer clips). *Rest*: the clips of all other clusters. "
        "*Bands*: where a cluster's mean log-mel lies highest above that of the rest, or least below it, and by how "
        "much; frames with signal only."
    )


def _overview(shown: list[Cluster]) -> str:
    spoken = any(each.terms for each in shown)
    head = ["cluster", "clips", "share", "purity", "level, dBFS", "bands", *(["terms"] if spoken else [])]
    lines = [
        [
            "noise" if each.cluster == -1 else str(each.cluster), str(each.clips), _percent(each.share),
            "" if each.purity is None else f"{each.purity:.2f}", _number(each.level.median, ".1f"),
            _ranges(each.bands), *([", ".join(each.terms)] if spoken else []),
        ]
        for each in shown
    ]  # fmt: skip
    return grid(head, lines, range(1, 5))


def _items(each: Cluster, names: list[str], same: bool) -> list[str]:
    """Return the lines of one cluster's list."""
    purity = "" if each.purity is None else f", purity {each.purity:.2f}"
    said = [f"{each.clips} clip{'s' * (each.clips > 1)}, {_percent(each.share)} of all{purity}"]
    for what, rows in (("nearest to the centre", each.nearest), ("at the edge", each.farthest)):
        said += [f"{what}: {', '.join(names[i] for i in rows)}"] if rows else []
    if each.all_bands is not None:
        ranges = _ranges(each.bands) or "none stands out"
        said.append(f"bands against the rest: {ranges}; mean of all bands {each.all_bands:+.1f} dB")
    said += [] if same else _against("duration", each.duration, each.duration_rest, "g", "s")
    said += _against("level", each.level, each.level_rest, ".1f", "dBFS")
    said += [f"terms: {', '.join(f'`{term}`' for term in each.terms)}"] if each.terms else []
    return [f"- {line}" for line in said]


def _against(what: str, of: Quartiles, rest: Quartiles, form: str, unit: str) -> list[str]:
    """Return a line on a cluster's quartiles and those of the rest, none where nothing is known."""
    texts = [
        f"median {each.median:{form}} {unit} (quartiles {each.q1:{form}} and {each.q3:{form}})"
        for each in (of, rest)
        if not np.isnan(each.median)
    ]
    return [] if np.isnan(of.median) else [f"{what}: {'; the rest '.join(texts)}"]


def _clip(path: str, start: object, several: bool) -> str:
    """Return a clip as a span of code, with the second where it starts if its recording has more clips."""
    text = " ".join(path.split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))  # a fence that the name does not hold
    room = " " if "`" in text else ""
    return f"{ticks}{room}{text}{room}{ticks}" + (f" from {float(start):g} s" if several else "")


def _ranges(bands: list[tuple[float, float, float]]) -> str:
    """Return ranges of bands as "130–420 Hz (+6.1 dB), 850 Hz–1.2 kHz (-0.3 dB)"."""
    return ", ".join(f"{_hertz(low, high)} ({decibels:+.1f} dB)" for low, high, decibels in bands)


def _hertz(low: float, high: float) -> str:
    ends = [(f"{hz / 1000:.1f}", "kHz") if hz >= 995 else (f"{round(hz, -1):.0f}", "Hz") for hz in (low, high)]
    (start, unit), (stop, last) = ends
    if ends[0] == ends[1]:
        return f"{start} {unit}"
    return f"{start}–{stop} {last}" if unit == last else f"{start} {unit}–{stop} {last}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _number(value: float, form: str) -> str:
    return "" if np.isnan(value) else f"{value:{form}}"
