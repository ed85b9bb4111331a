"""Agglomerative clustering: Ward (1963) by nearest-neighbour chains, the other linkages by fastcluster.

Ward's distance needs only centroids and sizes, so the chain (Murtagh, 1983) is exact in O(n d) memory and O(n^2 d)
operations; scikit-learn and scipy hold all n^2 / 2 distances. In many dimensions the distance along the leading
principal axes, which is never the larger one, shows of most pairs that they are not the nearest.
"""

from dataclasses import dataclass
from typing import Literal

import fastcluster
import numba
import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.parameters import Count, validate
from audioclust.points.checks import by_appearance, points
from audioclust.points.principal import axes

LEADING = 16  # principal axes along which all pairs are measured, before those that may still be the nearest
MANY = 2000  # points from which the axes cost little beside the tree
SHARE = 0.3  # of the variance that these axes must hold, to save time
SUMS = {"reassoc", "contract", "nsz"}  # a sum over dimensions may be added up in lanes


@dataclass(repr=False, eq=False)
class Agglomerative(ClusterMixin, BaseEstimator):
    """A tree of merges, cut into ``k`` clusters."""

    k: Count  # clusters
    linkage: Literal["ward", "average", "complete", "single"] = "ward"  # distance between two clusters

    stochastic = False

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: the points in float64 as often as they are copied, and the tree.

        fastcluster holds the n^2 / 2 distances twice.
        """
        copies = 3 if self.linkage == "ward" else 2
        return n * (10 * copies * d + 150) + (33 * n * n // 4 if self.linkage in ("average", "complete") else 0)

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: object = None) -> "Agglomerative":
        """Set ``labels_``."""
        validate(self)
        x = points(X, self.k, self).astype(np.float64)
        self.labels_, self.chosen_ = by_appearance(cut(self._merges(x), len(x), self.k)), {}
        return self

    def _merges(self, x: np.ndarray) -> np.ndarray:
        """Return the merges (n - 1, 3): two members, one of each side, and the height; by rising height."""
        if self.linkage == "ward":
            x = x - x.mean(axis=0)
            merges = ward(x, leading(x))
            return merges[np.argsort(merges[:, 2], kind="stable")]
        linked = (
            fastcluster.linkage_vector(x, "single")
            if self.linkage == "single"
            else fastcluster.linkage(x, self.linkage)
        )
        member = np.concatenate([np.arange(len(x)), np.zeros(len(linked))])
        for i, (a, b, *_) in enumerate(linked):
            member[len(x) + i] = member[int(a)]
            linked[i, 0], linked[i, 1] = member[int(a)], member[int(b)]
        return linked[:, :3]


def leading(x: np.ndarray) -> np.ndarray:
    """Return centred points (n, d) along their leading principal axes (axes, n); none where they would save no time."""
    if len(x) < MANY or x.shape[1] < 4 * LEADING:
        return np.zeros((0, len(x)))
    single = x.astype(np.float32)
    first = (x @ axes(single, LEADING)).T
    worth = np.vdot(first, first) >= SHARE * np.vdot(single, single)
    return np.ascontiguousarray(first) if worth else np.zeros((0, len(x)))


def cut(merges: np.ndarray, n: int, k: int) -> np.ndarray:
    """Return the clusters (n,) after the first n - k merges."""
    parent = np.arange(n)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b, _ in merges[: n - k]:
        parent[root(int(a))] = root(int(b))
    return np.array([root(i) for i in range(n)])


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def ward(x, first):
    """Return Ward's merges of ``x`` (n, d) in the chain's order, (n - 1, 3): a member of each side, the height squared.

    ``first`` (m, n) are the points along m orthogonal axes, which are looked at first; m may be 0.

    Slots 0..left-1 hold the clusters that are left: a merge goes into the first of its two slots, and the last slot
    moves into the second, so that the search runs over contiguous rows.
    """
    n, d = x.shape
    centroids, sizes, members = x.copy(), np.ones(n), np.arange(n)
    first, least = first.copy(), np.zeros(n)
    merges = np.empty((n - 1, 3))
    chain = np.empty(n + 1, np.int64)
    length, left = 0, n
    for merge in range(n - 1):
        if length == 0:
            chain[0], length = 0, 1
        while True:
            a = chain[length - 1]
            # The previous link wins a tie, or the chain would run in a circle.
            b = chain[length - 2] if length > 1 else -1
            best = _height(centroids, sizes, a, b) if b >= 0 else np.inf
            if len(first):
                _least(first, sizes, a, least[:left])
            for c in range(left):
                if least[c] <= best and c != a:
                    value = _height(centroids, sizes, a, c)
                    if value < best:
                        best, b = value, c
            if length > 1 and b == chain[length - 2]:
                break
            chain[length] = b
            length += 1
        length -= 2
        merges[merge, 0], merges[merge, 1], merges[merge, 2] = members[a], members[b], best
        low, high = min(a, b), max(a, b)
        total = sizes[low] + sizes[high]
        for j in range(d):
            centroids[low, j] = (sizes[low] * centroids[low, j] + sizes[high] * centroids[high, j]) / total
        for j in range(len(first)):
            first[j, low] = (sizes[low] * first[j, low] + sizes[high] * first[j, high]) / total
        sizes[low] = total
        left -= 1
        if high != left:
            sizes[high], members[high] = sizes[left], members[left]
            for j in range(d):
                centroids[high, j] = centroids[left, j]
            for j in range(len(first)):
                first[j, high] = first[j, left]
            for i in range(length):
                if chain[i] == left:
                    chain[i] = high
    return merges


@numba.njit(nogil=True, cache=True, fastmath=SUMS)
def _least(first, sizes, a, least):
    """Write to ``least`` what the distances along the axes of ``first`` (axes, n) add to ``_height``, per cluster."""
    for c in range(len(least)):
        least[c] = 0
    for j in range(len(first)):
        at = first[j, a]
        for c in range(len(least)):
            step = first[j, c] - at
            least[c] += step * step
    for c in range(len(least)):
        # A little less: axes are orthogonal to float32's digits, and sums round.
        least[c] *= (2 - 1e-4) * sizes[a] * sizes[c] / (sizes[a] + sizes[c])


@numba.njit(nogil=True, cache=True, fastmath=SUMS, inline="always")
def _height(centroids, sizes, a, b):
    """Return twice the growth of the sum of squares when clusters ``a`` and ``b`` merge."""
    total = 0.0
    for j in range(centroids.shape[1]):
        step = centroids[a, j] - centroids[b, j]
        total += step * step
    return 2 * sizes[a] * sizes[b] / (sizes[a] + sizes[b]) * total
