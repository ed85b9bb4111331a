"""Exact Euclidean nearest neighbours, by a tree in few dimensions and by faiss in many, computed once and shared.

For cosine neighbours give points of length 1 (``scale(x, "l2")``): their order is the same.
"""

from threading import Lock
from typing import Any

import faiss
import numpy as np
from scipy.spatial import KDTree
from threadpoolctl import threadpool_limits

from audioclust.points.scale import power_of_two

LOW = 8  # dimensions up to which a tree beats matrix products
SPARE = 4  # candidates beyond k: the search rounds in float32, the exact distances may reorder the last ones
ROWS = 1024  # queries measured at a time


class Neighbours:
    """The neighbour graph of ``x`` (n, d): the largest k asked for is computed once, smaller ones are slices of it.

    Args:
        x: points; compared in float32.
        distances: (n, m) of an earlier query, ascending, with ``indices`` (n, m); else computed when asked for.
        threads: of the search.
        least: neighbours that a search finds at least, where a later query will ask for more than an earlier one.
    """

    def __init__(
        self,
        x: np.ndarray,
        distances: np.ndarray | None = None,
        indices: np.ndarray | None = None,
        *,
        threads: int = 1,
        least: int = 1,
    ):
        self.x, self.threads, self.least = np.ascontiguousarray(x, dtype=np.float32), threads, least
        self._distances, self._indices = distances, indices
        self._searching = Lock()  # threads that share it wait for one search

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_searching"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._searching = Lock()

    def query(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances (n, k) float32 and indices (n, k) int32 of the k nearest other points, nearest first.

        Raises:
            ValueError: k is not below n.
        """
        if not 1 <= k < len(self.x):
            raise ValueError(
                f"k={k} neighbours of {len(self.x)} points: k must be at least 1 and below the number of points"
            )
        with self._searching:
            if self._distances is None or self._distances.shape[1] < k:
                with threadpool_limits(self.threads):
                    searched = max(k, min(self.least, len(self.x) - 1))
                    self._distances, self._indices = _search(self.x, searched, self.threads)
            return self._distances[:, :k], self._indices[:, :k]

    def of(self, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances (m, k) float32 and indices (m, k) int32 of the k points nearest to each of ``y`` (m, d).

        Raises:
            ValueError: k is above n.
        """
        if not 1 <= k <= len(self.x):
            raise ValueError(f"k={k} of {len(self.x)} points: k must be at least 1 and at most the number of points")
        with threadpool_limits(self.threads):
            return _search_for(self.x, np.asarray(y, np.float32), k, self.threads)


def _search(x: np.ndarray, k: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Search some more than k, drop the point itself, wherever among its duplicates it stands, and measure the rest."""
    x, _, unit = _moved(x, x[:0])
    found = _candidates(x, x, min(k + 1 + SPARE, len(x)), threads)
    itself = found == np.arange(len(x))[:, None]
    # Among many duplicates a point may not find itself: the last one then makes room.
    itself[~itself.any(axis=1), -1] = True
    found = found[~itself].reshape(len(x), -1)
    distances, indices = _measured(x, x, found, k)
    return distances * unit, indices


def _search_for(x: np.ndarray, y: np.ndarray, k: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Search some more than k of ``x`` for each of ``y``, and measure them."""
    x, y, unit = _moved(x, y)
    distances, indices = _measured(x, y, _candidates(x, y, min(k + SPARE, len(x)), threads), k)
    return distances * unit, indices


def _moved(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.float32]:
    """Return ``x``, and ``y`` alike, about the mean of ``x`` in a unit that suits it, and that unit.

    The search subtracts large squares, which loses small distances: centring keeps more of them. Squares of very small
    or large numbers leave float32; a power of two leaves the digits as they are.
    """
    mean = x.mean(axis=0)
    x = x - mean
    unit = np.float32(power_of_two(x))
    x /= unit
    return x, (y - mean) / unit, unit


def _candidates(x: np.ndarray, y: np.ndarray, k: int, threads: int) -> np.ndarray:
    """Return the indices (m, k) of the points of ``x`` nearest to each of ``y``, itself as a rule among them."""
    if x.shape[1] <= LOW:
        # Ranks as a list: k = 1 keeps its axis. Median splits do not end among duplicates.
        return KDTree(x, balanced_tree=False).query(y, list(range(1, k + 1)), workers=threads)[1]
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return index.search(y, k)[1]


def _measured(x: np.ndarray, y: np.ndarray, found: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return distances (m, k) and indices (m, k) of the k nearest to each of ``y`` among its candidates (m, c)."""
    found = found.astype(np.int32)
    parts = [_nearest(x, y[i : i + ROWS], found[i : i + ROWS], k) for i in range(0, len(y), ROWS)]
    if not parts:
        return np.zeros((0, k), np.float32), np.zeros((0, k), np.int32)
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _nearest(x: np.ndarray, y: np.ndarray, found: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of each row's candidates ``found`` (b, c) and their distances; the lower index on a tie."""
    found = np.sort(found, axis=1)
    squared = np.empty(found.shape, np.float32)
    for j in range(found.shape[1]):
        step = y - x[found[:, j]]
        squared[:, j] = np.einsum("ij,ij->i", step, step)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squared, order, axis=1)), np.take_along_axis(found, order, axis=1)
