"""MeanShift (Comaniciu and Meer, 2002) with a flat kernel: all seeds move together.

Every point is a seed, as in scikit-learn, whose labels this reproduces. scikit-learn moves one seed at a time through
Python and a tree; here a pass moves all of them, seeds that met are one from then on, and one that stands still stops.
"""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.clusterers._selection import FEW, Distinct, best_scale, distinct, rounded
from audioclust.parameters import Count, Positive, validate
from audioclust.points.checks import by_appearance, points
from audioclust.points.scale import centred

LADDER = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
SAMPLE = 1000  # distinct points that the bandwidth is chosen on: both the distances and the trial runs are quadratic
LOW = 8  # dimensions up to which a loop over pairs beats matrix products
BLOCK = 1 << 20  # products held at a time


@dataclass(repr=False, eq=False)
class MeanShift(ClusterMixin, BaseEstimator):
    """Modes of the density under a flat kernel."""

    # "auto" judges (``_selection``) on a sample of the m distinct points the quantiles ``LADDER`` of scikit-learn's
    # estimate, the mean distance of a point to its (quantile * m)-th neighbour. Where ``FEW`` points have copies, it
    # also judges the radius within which points are copies.
    bandwidth: Positive | Literal["auto"] = "auto"  # radius of the kernel
    max_iter: Count = 300  # moves of a seed at most

    stochastic = False

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: of the moves and the assignment, or of the distances in the sample."""
        moves = n * (56 * d + 120) + 5 * max(BLOCK, 16 * n)
        sample = 8 * n * (d + 8) + min(n, SAMPLE) * (16 * min(n, SAMPLE) + 56 * d + 120)
        return (max(moves, sample) if self.bandwidth == "auto" else moves) * 5 // 4

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: object = None) -> "MeanShift":
        """Set ``labels_``, ``centres_`` (k, d) in their order, ``n_iter_``, and in ``chosen_`` the bandwidth found."""
        validate(self)
        x, origin, unit, rounding = centred(points(X, model=self))
        self.chosen_ = {}
        if self.bandwidth == "auto":
            bandwidth = _choose(x, unit, distinct(x, rounding), self.max_iter)
            self.chosen_ = {"bandwidth": bandwidth * unit}
        else:
            bandwidth = self.bandwidth / unit
        centres, self.n_iter_ = _modes(x, bandwidth, self.max_iter)
        nearest = _nearest(x, centres)
        self.labels_ = by_appearance(nearest)
        first = np.unique(self.labels_, return_index=True)[1]
        self.centres_ = centres[nearest[first]] * unit + origin
        return self


def _choose(x: np.ndarray, unit: float, found: Distinct, max_iter: int) -> float:
    rows, copied, radius = found.sample(SAMPLE)
    sample = x[rows]
    scales = _estimates(sample)
    if copied.any() and len(sample) < FEW:
        scales.append(radius)
    ladder = [rounded(scale, unit) for scale in scales]
    return best_scale(ladder, lambda value: _nearest(sample, _modes(sample, value, max_iter)[0]), sample, copied)


def _estimates(x: np.ndarray) -> list[float]:
    """Return scikit-learn's estimate of the bandwidth of ``x`` (m, d) at each quantile of ``LADDER``."""
    distances = np.sqrt(np.maximum(_squared(x, x), 0))
    distances.sort(axis=1)
    # At least the nearest other point, at rank 1: rank 0 is the point itself.
    return [float(distances[:, min(max(int(q * len(x)), 1), len(x) - 1)].mean()) for q in LADDER]


def _modes(x: np.ndarray, bandwidth: float, max_iter: int) -> tuple[np.ndarray, int]:
    """Return the modes (k, d), by falling number of points under the kernel, and the moves that the slowest seed took.

    A mode within the radius of an earlier one is dropped.
    """
    means, counts, moves = _shift(x, bandwidth, max_iter)
    order = np.lexsort((*(means[:, j] for j in reversed(range(means.shape[1]))), counts))[::-1]
    means = means[order]
    return means[_apart(means, bandwidth**2)], moves


@numba.njit(nogil=True, cache=True)
def _apart(means, radius):
    """Return the rows of ``means`` (m, d) that have no earlier such row within the squared radius."""
    rows, count = np.empty(len(means), np.int64), 0
    for i in range(len(means)):
        alone = True
        for k in range(count):
            squared = 0.0
            for j in range(means.shape[1]):
                step = means[rows[k], j] - means[i, j]
                squared += step * step
            if squared <= radius:
                alone = False
                break
        if alone:
            rows[count] = i
            count += 1
    return rows[:count]


def _shift(x: np.ndarray, bandwidth: float, max_iter: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Move every point until it moves by less than 1e-3 bandwidths; return distinct ends (m, d), counts and moves."""
    move = (_Pairs if x.shape[1] <= LOW else _Products)(x, bandwidth)
    active, done, weights = _distinct(x), [], []
    for step in range(max_iter + 1):
        moved, counts = move(active)
        still = ((moved - active) ** 2).sum(axis=1) <= (1e-3 * bandwidth) ** 2
        if step == max_iter:
            still[:] = True
        done.append(moved[still])
        weights.append(counts[still])
        active = _distinct(moved[~still])
        if not len(active):
            break
    means, first = np.unique(np.concatenate(done), axis=0, return_index=True)
    return means, np.concatenate(weights)[first], step


def _distinct(seeds: np.ndarray) -> np.ndarray:
    """Drop seeds (m, d) that met another; one missed, because a stranger stands between, costs only time."""
    ordered = seeds[np.argsort(seeds[:, 0], kind="stable")]
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[fresh]


def _whole(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return ``x`` in whole multiples of a unit so small that a sum of all of them just fits 64 bits, and the unit.

    Sums of whole numbers are exact in any order: seeds with the same points below them stand on the same bits, and the
    points outside may be taken from the total where they are fewer.
    """
    unit = 2.0 ** (int(np.frexp(max(float(np.abs(x).max()), 1e-300) * len(x))[1]) - 62)
    return np.rint(x / unit).astype(np.int64), unit


class _Pairs:
    """A move in few dimensions: each seed looks at the points of a strip of its own width, by a loop over pairs."""

    def __init__(self, x: np.ndarray, bandwidth: float):
        x = x[np.argsort(x[:, 0], kind="stable")]
        self.columns, self.bandwidth = np.ascontiguousarray(x.T), bandwidth
        whole, self.unit = _whole(x)
        self.whole = np.ascontiguousarray(whole.T)

    def __call__(self, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (m, d) of the points within the bandwidth of each seed, and how many they are."""
        reach = self.bandwidth * (1 + 1e-9)
        first = np.searchsorted(self.columns[0], seeds[:, 0] - reach)
        last = np.searchsorted(self.columns[0], seeds[:, 0] + reach, side="right")
        sums, counts = _sum_pairs(self.columns, self.whole, seeds, first, last, self.bandwidth**2)
        return sums * self.unit / counts[:, None], counts


@numba.njit(nogil=True, cache=True)
def _sum_pairs(columns, whole, seeds, first, last, radius):
    """Return the sums (m, d) of ``whole`` (d, n) over the points within each seed's squared radius, and the counts."""
    d, n = columns.shape
    sums, counts = np.zeros(seeds.shape, np.int64), np.zeros(len(seeds), np.int64)
    squared, inside = np.empty(n), np.empty(n, np.int64)
    for s in range(len(seeds)):
        low, size = first[s], last[s] - first[s]
        squared[:size] = 0
        for j in range(d):
            # Views that start at zero: an index that might be negative would keep the loop from using vectors.
            column, centre = columns[j, low : low + size], seeds[s, j]
            for i in range(size):
                step = column[i] - centre
                squared[i] += step * step
        count = 0
        for i in range(size):
            inside[i] = -1 if squared[i] <= radius else 0
            count -= inside[i]
        counts[s] = count
        for j in range(d):
            total, values = 0, whole[j, low : low + size]
            for i in range(size):
                total += values[i] & inside[i]
            sums[s, j] = total
    return sums, counts


class _Products:
    """A move in many dimensions: float32 products find the points within reach, differences settle the close calls."""

    def __init__(self, x: np.ndarray, bandwidth: float):
        self.x, self.bandwidth = x, bandwidth
        self.single = np.ascontiguousarray(x.T, dtype=np.float32)
        self.squares = np.einsum("ij,ij->i", x, x)
        self.half = (0.5 * self.squares).astype(np.float32)
        self.whole, self.unit = _whole(x)

    def __call__(self, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean (m, d) of the points within the bandwidth of each seed, and how many they are."""
        n, d = self.x.shape
        sums, counts = np.empty(seeds.shape, np.int64), np.empty(len(seeds), np.int64)
        squares = np.einsum("ij,ij->i", seeds, seeds)
        # With half the squares, within reach means: half_square - product <= limit. What rounding may do to that:
        # d + 4 roundings of float32, of numbers as large as both squares.
        limits = 0.5 * (self.bandwidth**2 - squares)
        doubt = (d + 4) * 2.0**-24 * (squares + self.squares.max() + self.bandwidth**2)
        total = self.whole.sum(axis=0)
        block = max(16, BLOCK // n)
        for start in range(0, len(seeds), block):
            rows = slice(start, start + block)
            gaps = seeds[rows].astype(np.float32) @ self.single
            np.subtract(self.half, gaps, out=gaps)
            bounds = np.stack([limits[rows] - doubt[rows], limits[rows], limits[rows] + doubt[rows]], axis=1)
            bounds = bounds.astype(np.float32)
            _settle(gaps, self.x, seeds[rows], bounds, self.bandwidth**2)
            _sum_within(gaps, bounds, self.whole, total, sums[rows], counts[rows])
        return sums * self.unit / counts[:, None], counts


@numba.njit(nogil=True, cache=True)
def _settle(gaps, x, seeds, bounds, radius):
    """Replace the gaps (b, n) between the outer ``bounds`` (b, 3) by one that the middle one tells right."""
    for s in range(len(seeds)):
        row, low, high = gaps[s], bounds[s, 0], bounds[s, 2]
        close = 0
        for i in range(len(row)):
            close += (row[i] >= low) & (row[i] <= high)
        if close == 0:
            continue
        for i in range(len(row)):
            if low <= row[i] <= high:
                squared = 0.0
                for j in range(x.shape[1]):
                    step = x[i, j] - seeds[s, j]
                    squared += step * step
                row[i] = -np.inf if squared <= radius else np.inf


@numba.njit(nogil=True, cache=True)
def _sum_within(gaps, bounds, whole, total, sums, counts):
    """Fill ``sums`` (b, d) of ``whole`` (n, d) over the points whose gap is within the bound, and ``counts`` (b,)."""
    n = gaps.shape[1]
    rows = np.empty(n + 1, np.int32)
    for s in range(len(gaps)):
        row, limit = gaps[s], bounds[s, 1]
        count = 0
        for i in range(n):
            count += row[i] <= limit
        counts[s] = count
        fewer, listed = 2 * count <= n, 0
        for i in range(n):
            # Written always, counted where it belongs: no branch to guess.
            rows[listed] = i
            listed += (row[i] <= limit) == fewer
        # In loops: numba takes seconds to compile what checks the shapes of arrays.
        out, sign = sums[s], 1 if fewer else -1
        for j in range(len(total)):
            out[j] = 0 if fewer else total[j]
        for k in range(listed):
            point = whole[rows[k]]
            for j in range(len(total)):
                out[j] += sign * point[j]


def _squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (len(a), len(b))."""
    products = a @ b.T
    products *= -2
    products += np.einsum("ij,ij->i", a, a)[:, None]
    products += np.einsum("ij,ij->i", b, b)
    return products


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    labels = np.empty(len(x), np.int32)
    block = max(16, BLOCK // (2 * len(centres)))  # in float64
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        labels[rows] = _squared(x[rows], centres).argmin(axis=1)
    return labels
