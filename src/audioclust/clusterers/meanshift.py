"""MeanShift (Comaniciu and Meer, 2002) with a flat kernel: all seeds move together.

Every point is a seed, as in scikit-learn, whose labels this reproduces. scikit-learn moves one seed at a time through
Python and a tree; here a pass moves all of them, seeds that met are one from then on, and one that stands still stops.
"""

from typing import Annotated, Literal

import numba
import numpy as np
from pydantic import Field

from audioclust.checks import by_appearance, points
from audioclust.selection import best_scale

LADDER = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
SAMPLE = 1000  # points that the bandwidth is chosen on: both the distances and the trial runs are quadratic
LOW = 8  # dimensions up to which a loop over pairs beats matrix products
BLOCK = 512  # seeds a matrix product


class MeanShift:
    """Modes of the density under a flat kernel.

    Args:
        bandwidth: radius of the kernel; "auto" judges (``audioclust.selection``) on a sample the ``LADDER`` of
            scikit-learn's estimate, the mean distance of a point to its (quantile * n)-th neighbour.
        max_iter: moves of a seed at most.
    """

    stochastic = False

    def __init__(
        self,
        bandwidth: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto",
        max_iter: Annotated[int, Field(ge=1)] = 300,
    ):
        self.bandwidth, self.max_iter = bandwidth, max_iter

    @staticmethod
    def memory(n: int, d: int) -> int:
        """Return the estimated peak in bytes."""
        return n * d * 32 + 2 * BLOCK * n * 8

    def fit(self, x: np.ndarray, neighbours: object = None) -> "MeanShift":
        """Set ``labels_`` (n,) int32, ``centres_`` (k, d) and the bandwidth found in ``chosen_``."""
        x = points(x).astype(np.float64)
        origin = x.mean(axis=0)
        x -= origin
        bandwidth, self.chosen_ = self.bandwidth, {}
        if bandwidth == "auto":
            bandwidth = _choose(x, self.max_iter)
            self.chosen_ = {"bandwidth": float(f"{bandwidth:.6g}")}
        centres = _modes(x, bandwidth, self.max_iter)
        self.labels_, self.centres_ = by_appearance(_nearest(x, centres)), centres + origin
        return self


def _choose(x: np.ndarray, max_iter: int) -> float:
    sample = x[np.sort(np.random.default_rng(0).permutation(len(x))[:SAMPLE])]
    distances = np.sqrt(np.maximum(_squared(sample, sample), 0))
    distances.sort(axis=1)
    # At least the nearest other point, at rank 1: rank 0 is the point itself.
    ranks = [min(max(int(q * len(sample)), 1), len(sample) - 1) for q in LADDER]
    ladder = [float(distances[:, rank].mean()) for rank in ranks]
    return best_scale(ladder, lambda value: _nearest(sample, _modes(sample, value, max_iter)), sample)


def _modes(x: np.ndarray, bandwidth: float, max_iter: int) -> np.ndarray:
    """Return the modes (k, d), by falling number of points under the kernel; one within another's radius is dropped."""
    means, counts = _shift(x, bandwidth, max_iter)
    order = np.lexsort((*(means[:, j] for j in reversed(range(means.shape[1]))), counts))[::-1]
    means = means[order]
    kept = np.ones(len(means), bool)
    for i in range(len(means)):
        if kept[i]:
            kept &= ((means - means[i]) ** 2).sum(axis=1) > bandwidth**2
            kept[i] = True
    return means[kept]


def _shift(x: np.ndarray, bandwidth: float, max_iter: int) -> tuple[np.ndarray, np.ndarray]:
    """Move every point uphill until it moves by less than 1e-3 bandwidths; return distinct ends (m, d), their counts."""
    move = _move_pairs if x.shape[1] <= LOW else _move_products
    active, done, weights = np.unique(x, axis=0), [], []
    for step in range(max_iter + 1):
        moved, counts = move(x, active, bandwidth)
        still = ((moved - active) ** 2).sum(axis=1) <= (1e-3 * bandwidth) ** 2
        if step == max_iter:
            still[:] = True
        done.append(moved[still])
        weights.append(counts[still])
        active = np.unique(moved[~still], axis=0)
        if not len(active):
            break
    means, first = np.unique(np.concatenate(done), axis=0, return_index=True)
    return means, np.concatenate(weights)[first]


@numba.njit(nogil=True, cache=True)
def _move_pairs(x, seeds, bandwidth):
    """Return the mean (m, d) of the points within ``bandwidth`` of each seed, and how many they are."""
    n, d = x.shape
    moved, counts = np.zeros_like(seeds), np.zeros(len(seeds), np.int64)
    columns = np.ascontiguousarray(x.T)
    squared = np.empty(n)
    radius = bandwidth * bandwidth
    for s in range(len(seeds)):
        squared[:] = 0
        for j in range(d):
            centre = seeds[s, j]
            for i in range(n):
                step = columns[j, i] - centre
                squared[i] += step * step
        for i in range(n):
            if squared[i] <= radius:
                counts[s] += 1
                for j in range(d):
                    moved[s, j] += x[i, j]
        for j in range(d):
            moved[s, j] /= counts[s]
    return moved, counts


def _move_products(x: np.ndarray, seeds: np.ndarray, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """As ``_move_pairs``, by two matrix products a block of seeds."""
    moved, counts = np.empty_like(seeds), np.empty(len(seeds), np.int64)
    for start in range(0, len(seeds), BLOCK):
        rows = slice(start, start + BLOCK)
        within = (_squared(seeds[rows], x) <= bandwidth**2).astype(np.float64)
        counts[rows] = within.sum(axis=1)
        moved[rows] = within @ x / np.maximum(counts[rows], 1)[:, None]
    return moved, counts


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (len(a), len(b))."""
    products = a @ b.T
    products *= -2
    products += np.einsum("ij,ij->i", a, a)[:, None]
    products += np.einsum("ij,ij->i", b, b)
    return products


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    labels = np.empty(len(x), np.int32)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        labels[rows] = _squared(x[rows], centres).argmin(axis=1)
    return labels
