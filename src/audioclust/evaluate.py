"""Score every labelling: against the labels, against the groups, against other seeds, and without any labels.

The only place where true labels meet clusters.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust.metrics import ari, score, score_without_labels
from audioclust.table import KEY

GROUP_SCORES = ("nmi", "ari", "acc")


def evaluate(
    clips: pd.DataFrame,
    cells: list[tuple[dict[str, Any], np.ndarray]],
    embeddings: Mapping[str, Path],
    seeds: Sequence[int] = (0,),
    *,
    sample: Annotated[int, Field(ge=10)] = 2000,
) -> pd.DataFrame:
    """Return one row a cell and seed: what the cell is, then its scores.

    Args:
        clips: ``clips.csv``; clips without a label count only in the label-free scores.
        cells: what each labelling is (encoder, reducer, clusterer, seed, chosen, reason) and its (n,) labels.
        embeddings: encoder -> .npy of its embedding (n, d), or of one a seed (s, n, d) where it was trained here;
            label-free scores of all cells of an encoder and seed are taken in this one space, so that reducers can be
            compared.
        seeds: the order of the s embeddings.
        sample: clips that the label-free scores look at (a silhouette is quadratic).
    """
    known: dict[tuple, dict[str, Any]] = {}
    agreed = _agreements(cells)
    rows = []
    for i, (cell, labels) in enumerate(cells):
        if cell["reason"]:
            rows.append(cell)
            continue
        x = np.load(embeddings[cell["encoder"]], mmap_mode="r")
        position = seeds.index(cell["seed"]) if x.ndim == 3 else None
        key = (cell["encoder"], position, labels.tobytes())
        if key not in known:
            x = x if position is None else x[position]
            known[key] = _scores(clips, labels, x, sample)
        rows.append(cell | known[key] | agreed.get(i, {}))
    return pd.DataFrame(rows)


def _agreements(cells: list[tuple[dict[str, Any], np.ndarray]]) -> dict[int, dict[str, float]]:
    """Return of each labelling, by its place, the mean ARI with those of the same cell's other seeds.

    Whether a method finds the same clusters again, from other random numbers and, where encoders are trained here,
    from another encoder. 1 where nothing depends on the seed.
    """
    same: dict[tuple, list[int]] = {}
    for i, (cell, _) in enumerate(cells):
        if not cell["reason"]:
            same.setdefault(tuple(cell[part] for part in KEY), []).append(i)
    found: dict[int, list[float]] = {}
    for places in same.values():
        for pair in combinations(places, 2):
            value = _alike(*(cells[i][1] for i in pair))
            for i in pair:
                found.setdefault(i, []).append(value)
    return {i: {"agreement": float(np.mean(values))} for i, values in found.items()}


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Return the adjusted Rand index of two labellings, 0 where all clips are in one cluster: that finds nothing."""
    return ari(one, other) if np.ptp(one) and np.ptp(other) else 0.0


def _scores(clips: pd.DataFrame, clusters: np.ndarray, x: np.ndarray, sample: int) -> dict[str, Any]:
    found = _against(clips["label"], clusters)
    groups = _against(clips["group"], clusters)
    found |= {f"group_{name}": groups[name] for name in GROUP_SCORES if name in groups}
    chosen = np.random.default_rng(0).permutation(len(x))[:sample]
    chosen.sort()
    # `sample` rows are read from the file here, so that a large embedding never comes into memory whole.
    found |= score_without_labels(np.asarray(x[chosen]), clusters[chosen], sample=sample)
    found |= {"clusters": len(np.unique(clusters[clusters >= 0])), "noise": float(np.mean(clusters < 0))}
    return found


def _against(truth: pd.Series, clusters: np.ndarray) -> dict[str, float]:
    """Return the scores against one labelling; nothing where it has fewer than two values."""
    present = (truth != "").to_numpy()
    if truth[present].nunique() < 2:
        return {}
    return score(truth[present].to_numpy(), clusters[present])
