"""DBSCAN (Ester et al., 1996), with eps found from the data; one pass over the pairs serves all candidates for eps.

A point is core as soon as eps reaches its (min_samples - 1)-th neighbour, and two core points are joined as soon as eps
reaches their distance. So each pair belongs to the first step of a ladder of eps at which both hold, and joins the two
there; what is joined stays joined on the steps above. No list of pairs is kept: the memory is O(n). A point that is not
core has all its neighbours within eps among its min_samples - 2 nearest, so the neighbour graph settles the borders.
"""

from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.clusterers._selection import Distinct, best_scale, distinct, rounded
from audioclust.parameters import Count, Positive, validate
from audioclust.points.checks import by_appearance, points
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import centred

LADDER = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SAMPLE = 2000  # distinct points that eps is judged on: a silhouette is quadratic
LOW = 8  # dimensions up to which a loop over pairs beats matrix products
BLOCK = 1 << 20  # products held at a time
ROWS = 1024  # points whose neighbours are measured at a time


@dataclass(repr=False, eq=False)
class DBSCAN(ClusterMixin, BaseEstimator):
    """Clusters are what is dense; the rest is noise."""

    # "auto" judges (``_selection``) the quantiles ``LADDER`` of the distance to the ``min_samples``-th distinct point,
    # the point itself among them: at quantile q a share q of the points would be dense without copies. Where there are
    # copies, it also judges the radius within which points are copies.
    eps: Positive | Literal["auto"] = "auto"  # radius
    min_samples: Count = 5  # points within eps, the point itself among them, that make it a core point

    stochastic = False
    finds_noise = True

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: the points, with products, neighbours or distances for a silhouette."""
        auto = self.eps == "auto"
        held = n * (8 * d + 16 * self.min_samples + 4 * (len(LADDER) + 1 if auto else 1) + 100)
        products = 4 * n * d + 8 * max(BLOCK, 16 * n) if d > LOW else 0
        if not auto:
            return (held + products) * 5 // 4
        # The neighbours of the distinct points: faiss takes 4096 times 1024 of them at a time.
        search = 12 * n * d + (4096 * min(n, 4096) if d > LOW else 100 * n)
        # Distances to each other point, and to up to a third as many clusters.
        silhouette = min(n, SAMPLE) * (11 * min(n, SAMPLE) + 24 * d)
        return (held + max(products, search, silhouette)) * 5 // 4

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: Neighbours | None = None) -> "DBSCAN":
        """Set ``labels_``, and in ``chosen_`` the eps that was found."""
        validate(self)
        x, _, unit, rounding = centred(points(X, model=self))
        self.chosen_ = {}
        k = min(max(self.min_samples - 1, 1), len(x) - 1)
        near = (neighbours or Neighbours(x)).query(k)[1] if k else np.empty((len(x), 0), np.int32)
        near_squared = _squared(x, near)
        reach = self._reach(near_squared)
        if self.eps == "auto":
            found = distinct(x, rounding)
            ladder = self._ladder(x, near_squared, found, unit)
        else:
            ladder = np.array([self.eps / unit])
        steps, core = ladder**2, np.searchsorted(ladder**2, reach)
        parents = join(x, steps, core)

        def labels_at(eps: float) -> np.ndarray:
            step = int(np.searchsorted(ladder, eps))
            return _labels(parents[step], core <= step, near, near_squared <= steps[step])

        eps = ladder[0]
        if self.eps == "auto":
            rows, copied, _ = found.sample(SAMPLE)
            eps = best_scale(ladder, lambda eps: labels_at(eps)[rows], x[rows], copied)
            self.chosen_ = {"eps": eps * unit}
        self.labels_ = by_appearance(labels_at(eps))
        return self

    def _reach(self, near_squared: np.ndarray) -> np.ndarray:
        """Return the squared eps (n,) from which on each point is core."""
        n, k = near_squared.shape
        if self.min_samples == 1:
            return np.zeros(n)
        return np.full(n, np.inf) if self.min_samples > k + 1 else near_squared.max(axis=1)

    def _ladder(self, x: np.ndarray, near_squared: np.ndarray, found: Distinct, unit: float) -> np.ndarray:
        """Return the candidates for eps, rising and above zero; 1 where all points coincide.

        They are rounded upwards, so that the pair that a candidate was measured on is within it.
        """
        copies, k = len(found.rows) < len(x), min(max(self.min_samples - 1, 1), len(found.rows) - 1)
        if copies and k:
            near = Neighbours(x[found.rows]).query(k)[1]
            near_squared = _squared(x, found.rows[near], found.rows)
        farthest = np.sqrt(near_squared.max(axis=1)) if k else np.zeros(1)
        scales = [*np.quantile(farthest, LADDER), *([found.radius] if copies else [])]
        ladder = np.unique([rounded(scale * (1 + 1e-5), unit) for scale in scales])
        return ladder[ladder > 0] if ladder[-1] > 0 else np.ones(1)


def _squared(x: np.ndarray, near: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return the squared distances (m, k) of ``rows`` (m,) of ``x`` (n, d), or all, to their neighbours ``near``."""
    rows = np.arange(len(x)) if rows is None else rows
    squared = np.empty(near.shape)
    for start in range(0, len(rows), ROWS):
        own, others = x[rows[start : start + ROWS]], near[start : start + ROWS]
        for j in range(near.shape[1]):
            squared[start : start + ROWS, j] = ((own - x[others[:, j]]) ** 2).sum(axis=1)
    return squared


def _labels(parents: np.ndarray, core: np.ndarray, near: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return labels (n,): a core point's first relative, the first one of a border point's core neighbours, or -1."""
    n = len(parents)
    candidates = np.where(within & core[near], parents[near], n).min(axis=1, initial=n)
    labels = np.where(core, parents, candidates)
    return np.where(labels == n, -1, labels)


def join(x: np.ndarray, steps: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Return each point's first relative (s, n) at each of the squared ``steps`` (s,).

    Args:
        x: (n, d) float64, centred.
        steps: rising squares of eps.
        core: (n,) the step from which on a point is core.
    """
    parents = np.tile(np.arange(len(x), dtype=np.int32), (len(steps), 1))
    (_join_pairs if x.shape[1] <= LOW else _join_products)(x, steps, core, parents)
    _rise(parents)
    return parents


def _join_pairs(x: np.ndarray, steps: np.ndarray, core: np.ndarray, parents: np.ndarray) -> None:
    """Join the points of few dimensions: each looks at those that follow it within reach along the first one."""
    order = np.argsort(x[:, 0], kind="stable")
    columns = np.ascontiguousarray(x[order].T)
    last = np.searchsorted(columns[0], columns[0] + np.sqrt(steps[-1]) * (1 + 1e-9), side="right")
    _scan_pairs(columns, order, last, steps, core, parents)


def _join_products(x: np.ndarray, steps: np.ndarray, core: np.ndarray, parents: np.ndarray) -> None:
    """Join the points of many dimensions: float32 products find the pairs within reach, differences measure them."""
    n, d = x.shape
    single, squares = x.astype(np.float32), np.einsum("ij,ij->i", x, x)
    # What rounding may do to a squared distance: d + 4 roundings of float32, of numbers as large as both squares.
    doubt = (d + 4) * 2.0**-23 * 2 * squares.max()
    block = max(16, BLOCK // n)
    for start in range(0, n, block):
        products = single[start : start + block] @ single[start:].T
        _scan_products(products, start, x, squares, steps[-1] + doubt, steps, core, parents)


@numba.njit(nogil=True, cache=True)
def _scan_pairs(columns, order, last, steps, core, parents):
    d, n = columns.shape
    squared = np.empty(n)
    for a in range(n):
        size = last[a] - a
        squared[:size] = 0
        for j in range(d):
            column, centre = columns[j, a : a + size], columns[j, a]
            for b in range(size):
                step = column[b] - centre
                squared[b] += step * step
        for b in range(1, size):
            if squared[b] <= steps[-1]:
                _join(parents, core, steps, order[a], order[a + b], squared[b])


@numba.njit(nogil=True, cache=True)
def _scan_products(products, start, x, squares, limit, steps, core, parents):
    for a in range(len(products)):
        i, product = start + a, products[a]
        half = 0.5 * (squares[i] - limit)
        for b in range(a + 1, len(product)):
            if product[b] >= half + 0.5 * squares[start + b]:
                squared = 0.0
                for j in range(x.shape[1]):
                    step = x[i, j] - x[start + b, j]
                    squared += step * step
                _join(parents, core, steps, i, start + b, squared)


@numba.njit(nogil=True, cache=True)
def _join(parents, core, steps, i, j, squared):
    """Join ``i`` and ``j`` at the first step at which both are core and within eps of each other, if there is one."""
    level = max(core[i], core[j])
    while level < len(steps) and squared > steps[level]:
        level += 1
    if level < len(steps):
        _unite(parents[level], i, j)


@numba.njit(nogil=True, cache=True)
def _unite(parent, i, j):
    """Hang the later of two roots below the earlier one: a root is the first point of its cluster."""
    one, other = _root(parent, i), _root(parent, j)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@numba.njit(nogil=True, cache=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(nogil=True, cache=True)
def _rise(parents):
    """Carry what is joined at each step to the steps above, and point everything at its root."""
    for level in range(len(parents)):
        for i in range(parents.shape[1]):
            if level > 0:
                _unite(parents[level], i, parents[level - 1, i])
        for i in range(parents.shape[1]):
            parents[level, i] = _root(parents[level], i)
