"""Exact Euclidean nearest neighbours, computed once and shared."""

import faiss
import numpy as np


class Neighbours:
    """The neighbour graph of ``x`` (n, d): the largest k asked for is computed once, smaller ones are slices of it.

    Args:
        x: points; compared in float32.
        distances: (n, m) of an earlier query, ascending, with ``indices`` (n, m); else computed when asked for.
    """

    def __init__(self, x: np.ndarray, distances: np.ndarray | None = None, indices: np.ndarray | None = None):
        self.x = np.ascontiguousarray(x, dtype=np.float32)
        self._distances, self._indices = distances, indices

    def query(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and indices (n, k) of the k nearest other points, nearest first.

        Raises:
            ValueError: k is not below n.
        """
        if not 1 <= k < len(self.x):
            raise ValueError(
                f"k={k} neighbours of {len(self.x)} points: k must be at least 1 and below the number of points"
            )
        if self._distances is None or self._distances.shape[1] < k:
            self._distances, self._indices = _search(self.x, k)
        return self._distances[:, :k], self._indices[:, :k]


def _search(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Search k + 1 and drop the point itself, wherever among its duplicates it stands."""
    # Differences of large squares lose the small distances: centring first keeps them.
    centred = x - x.mean(axis=0)
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(centred)
    squared, found = index.search(centred, k + 1)
    itself = found == np.arange(len(x))[:, None]
    # Among more than k + 1 duplicates a point may not find itself: the last one then makes room.
    itself[~itself.any(axis=1), -1] = True
    keep = ~itself
    shape = (len(x), k)
    indices = found[keep].reshape(shape).astype(np.int32)
    distances = np.sqrt(np.maximum(squared[keep].reshape(shape), 0)).astype(np.float32)
    return distances, indices
