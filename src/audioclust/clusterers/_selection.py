"""How a scale (DBSCAN's eps, MeanShift's bandwidth) is chosen from the data, without labels.

Copies count in a density, but they say nothing about its scale: a scale is found and judged on distinct points, each of
them once. Every step of a ladder of candidates is judged by its silhouette times its coverage: the mean over all
distinct points of the silhouette, where noise and points alone in their cluster count as zero. An answer of one cluster
counts as -1. Where every distinct point is alone, those with copies are clusters all the same, which no silhouette
tells: each counts as much as other clusters need for what Kaufman and Rousseeuw (1990, table 4) call a structure;
without any copies the answer counts as -1. The best step wins, the smaller one on a tie.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba
import numpy as np
from sklearn.metrics import silhouette_samples

from audioclust.points.subset import subset

SUBSTANTIAL = 0.25  # a silhouette up to here is no structure
REASONABLE = 0.5  # a silhouette up to here "could be artificial": so it is among few points
FEW = 50  # distinct points below which the nearest ones are farther than MeanShift's lowest quantile looks


class Distinct(NamedTuple):
    """The distinct ones among points (n, d)."""

    rows: np.ndarray  # (m,) one row of each, rising
    copied: np.ndarray  # (m,) bool: there are copies of it
    radius: float  # within which points are copies of each other

    def sample(self, most: int) -> "Distinct":
        """Return at most so many of them."""
        chosen = subset(len(self.rows), most)
        return Distinct(self.rows[chosen], self.copied[chosen], self.radius)


def distinct(x: np.ndarray, rounding: np.ndarray) -> Distinct:
    """Return the distinct ones among centred points ``x`` (n, d), each of them known up to its ``rounding`` (n,)."""
    axis = np.random.default_rng(0).standard_normal(x.shape[1])
    along = x @ (axis / np.linalg.norm(axis))
    first = _first(x, along, np.argsort(along, kind="stable"), rounding)
    rows, counts = np.unique(first, return_counts=True)
    return Distinct(rows, counts > 1, float(rounding.max()))


@numba.njit(nogil=True, cache=True)
def _first(x, along, order, rounding):
    """Return the row (n,) that each point of ``x`` (n, d) is a copy of, itself where it is none.

    Copies are next to each other ``along`` (n,) an axis, with few strangers between.
    """
    first, rows, count = np.arange(len(x)), np.empty(len(x), np.int64), 0
    for i in order:
        k = count - 1
        while k >= 0 and first[i] == i and along[i] - along[rows[k]] <= rounding[i]:
            squared = 0.0
            for j in range(x.shape[1]):
                step = x[i, j] - x[rows[k], j]
                squared += step * step
            if squared <= min(rounding[i], rounding[rows[k]]) ** 2:
                first[i] = rows[k]
            k -= 1
        if first[i] == i:
            rows[count] = i
            count += 1
    return first


def judge(x: np.ndarray, labels: np.ndarray, copied: np.ndarray) -> float:
    """Return what ``labels`` (m,) are worth, in [-1, 1], on distinct points ``x`` (m, d), some ``copied`` (m,)."""
    kept = labels >= 0
    clusters = len(np.unique(labels[kept]))
    if clusters > 1 and clusters == kept.sum() and copied[kept].any():
        return (REASONABLE if len(x) < FEW else SUBSTANTIAL) * float((copied & kept).mean())
    if clusters < 2 or clusters == kept.sum():
        return -1.0
    return float(silhouette_samples(x[kept], labels[kept]).sum() / len(x))


def rounded(scale: float, unit: float) -> float:
    """Return a scale, in multiples of ``unit``, as the table shows it: the number there gives the same labels again."""
    return float(f"{scale * unit:.6g}") / unit


def best_scale(
    ladder: Sequence[float], labels_at: Callable[[float], np.ndarray], x: np.ndarray, copied: np.ndarray
) -> float:
    """Return the candidate of ``ladder`` whose labels (m,) of distinct points ``x`` (m, d) are judged best."""
    candidates = sorted({float(value) for value in ladder if value > 0})
    if not candidates:
        return 1.0  # all points coincide: every scale gives one cluster
    return max(candidates, key=lambda value: (judge(x, labels_at(value), copied), -value))
