"""What stands in the page, but for the sounds: columns of clips, the clusters, labellings, curve and tree."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audioclust.report.page._clock import hours
from audioclust.report.page._packing import UNKNOWN, coded, names, packed, places
from audioclust.report.page._sounds import own_rate
from audioclust.report.plots import COLOURS
from audioclust.report.summary import Cluster

if TYPE_CHECKING:
    from audioclust.report.page import Page

# As many colours as COLOURS has, in their order, for a dark page.
DARK = ["#8B8BF5", "#EBDD96", "#3FA35C", "#F08A99", "#9AD9F7", "#C2527F", "#57CDB9", "#B3B341", "#D77FD7", "#FFFFFF"]
CURVES = {
    "found_again": "found again in parts",
    "by_chance": "silhouette of points without clusters",
    "stable": "clips in clusters found again",
    "agreement": "agreement of runs",
    "silhouette": "silhouette",
    "eigengap": "eigengap",
    "kappa": "seen by other encoders",
}  # measures of report.numbers
STEPS = 65535  # of a coordinate of the map
MANY, FEW_NEIGHBOURS = 20_000, 5  # from so many clips on the page holds that many neighbours of each
NONE = -30_000  # of a whole number: below any level in tenths of a dB and any time in ms
LABELLINGS = 4_000_000  # clusters of clips, in all labellings together


def drawn(page: "Page", most: int) -> np.ndarray:
    """Return the sorted rows that the page shows: all, or of more than ``most`` a part with all that clusters name."""
    n = len(page.clips)
    if n <= most:
        return np.arange(n)
    named = [row for each in page.clusters for row in (*each.nearest, *each.farthest)]
    shuffled = np.random.default_rng(0).permutation(n)
    return np.sort(np.array(list(dict.fromkeys([*named, *shuffled.tolist()]))[:most]))


def content(page: "Page", rows: np.ndarray, sounds: list[int]) -> tuple[dict[str, Any], list[str]]:
    """Return what the page's script reads, and what is left out of it.

    Args:
        page: what is shown.
        rows: the clips that are, sorted.
        sounds: rows of those that can be heard.
    """
    place = np.full(len(page.clips), -1)
    place[rows] = np.arange(len(rows))
    clips, n = page.clips.iloc[rows], len(page.clips)
    labellings, dropped = _labellings(page, rows)
    near = min(page.neighbours.shape[1], FEW_NEIGHBOURS if len(rows) > MANY else page.neighbours.shape[1])
    found = {
        "title": page.title,
        "chosen": page.chosen,
        "why": page.why,
        "map_name": page.map_name,
        "warnings": list(page.warnings),
        "total": n,
        "recordings": int(page.clips["path"].nunique()),
        "noise": int((page.labellings[page.chosen] == -1).sum()),
        "colours": {"light": COLOURS, "dark": DARK},
        "clips": _columns(clips),
        "xy": packed(_square(page.xy)[rows]),
        "labellings": labellings,
        "clusters": [_cluster(each, place) for each in page.clusters],
        "names": _names(page.clips),
        "neighbours": {"m": near, "rows": places(_moved(page.neighbours[rows, :near], place))},
        "numbers": _curve(page.numbers) | {"advice": page.advice},
        "tree": None if page.tree is None or not len(page.tree) else np.round(page.tree, 6).tolist(),
        "rate": own_rate(page.rate),
        "sounds": packed(place[np.array(sounds, int)]),
        "edits": _edits(page.edits),
    }
    thinned = [f"{n - len(rows):,} of {n:,} clips: the map holds {len(rows):,}."] if len(rows) < n else []
    fewer = near < page.neighbours.shape[1]
    thinned += [f"Of each clip all but the {near} nearest other clips, as there are many clips."] if fewer else []
    return _finite(found), thinned + dropped


def _columns(clips: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of the clips; a column of which nothing is known is left out."""
    paths, codes = np.unique(clips["path"].to_numpy(dtype=object).astype(str), return_inverse=True)
    start, end, confidence, level = (_numbers(clips[name]) for name in ("start", "end", "confidence", "level"))
    hour = hours(clips["path"], np.nan_to_num(start))
    columns = {
        "paths": names(paths.tolist()),
        "path": packed(codes),
        "start": packed(_whole(1000 * start)),
        "length": packed(_whole(1000 * (end - start))),
        "confidence": packed(_small(100 * confidence)),
        "level": packed(_whole(10 * level)),
    }
    columns |= {} if hour is None else {"hour": packed(hour)}
    for name in ("label", "group"):
        words = _words(clips[name])
        columns |= {name: coded(words)} if (words != "").any() else {}
    return columns


def _words(column: pd.Series) -> np.ndarray:
    return column.astype(object).where(column.notna(), "").astype(str).to_numpy()


def _numbers(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)


def _whole(values: np.ndarray) -> np.ndarray:
    """Return whole numbers, ``NONE`` where unknown."""
    return np.where(np.isfinite(values), np.round(np.nan_to_num(values)), NONE).astype(np.int64)


def _small(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), UNKNOWN, np.clip(np.round(np.nan_to_num(values)), 0, UNKNOWN - 1)).astype(int)


def _square(xy: np.ndarray) -> np.ndarray:
    """Return the map (n, 2) in steps of one square, whose sides keep their ratio; its middle is the map's."""
    xy = np.asarray(xy, np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    side = float((high - low).max()) or 1.0
    return np.round((xy - (low + high) / 2) / side * STEPS + STEPS / 2).astype(np.int64)


def _labellings(page: "Page", rows: np.ndarray) -> tuple[list[dict[str, Any]], list[str]]:
    found = []
    kept = max(1, LABELLINGS // len(rows))
    for name, labels in list(page.labellings.items())[:kept]:
        ids, codes = np.unique(np.asarray(labels)[rows], return_inverse=True)
        found.append({"name": name, "ids": ids.tolist(), "codes": packed(codes)})
    dropped = list(page.labellings)[kept:]
    return found, [f"{len(dropped)} of {len(page.labellings)} labellings: {', '.join(dropped)}."] if dropped else []


def _cluster(each: Cluster, place: np.ndarray) -> dict[str, Any]:
    """Return a cluster whose clips are named by their places in the page."""
    rows = {name: _moved(np.array(getattr(each, name), int), place) for name in ("nearest", "farthest")}
    return asdict(each) | {name: where[where >= 0].tolist() for name, where in rows.items()}


def _moved(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the places of rows, -1 of those that are not shown or none."""
    rows = np.asarray(rows)
    return np.where(rows >= 0, place[np.maximum(rows, 0)], -1)


def _names(clips: pd.DataFrame) -> dict[str, str]:
    """Return the names that clusters have, by number."""
    named = zip(clips["cluster"], _words(clips["name"]), strict=True)
    return {str(int(cluster)): str(name) for cluster, name in named if name and cluster >= 0}


def _edits(edits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the edits; splits as pairs, whose order counts, and which a JavaScript object would sort."""
    return {key: value for key, value in edits.items() if key != "split"} | {"split": [*edits.get("split", {}).items()]}


def _curve(numbers: pd.DataFrame) -> dict[str, Any]:
    """Return the numbers of clusters and the measures, each with its name."""
    if "k" not in numbers or not len(numbers):
        return {"k": [], "measures": []}
    measures = [name for name in numbers if name != "k" and pd.api.types.is_numeric_dtype(numbers[name])]
    lines = [
        {"name": CURVES.get(name, name), "values": np.round(numbers[name].to_numpy(float), 4).tolist()}
        for name in measures
    ]
    return {"k": numbers["k"].astype(int).tolist(), "measures": lines}


def _finite(value: Any) -> Any:
    """Return plain values in which what is no number is None: JSON has neither NaN nor NumPy's types."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
