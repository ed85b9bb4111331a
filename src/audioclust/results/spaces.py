"""The spaces that ``reduce`` writes and ``baseline`` reads: points and the neighbour graph that clusterers share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from audioclust.results import archive, files


class Space(NamedTuple):
    """One reducer's spaces, one per seed where it is stochastic (s), else one.

    The neighbour graph is that of the points in ``rows``: all of them, or a part of many.
    """

    x: np.ndarray  # (s, n, d) float32
    distances: np.ndarray  # (s, r, m) float32 to the m nearest in rows
    indices: np.ndarray  # (s, r, m) int32, places in rows
    rows: np.ndarray  # (r,) int64, ascending
    nearest: np.ndarray  # (s, n - r, k) int32 of the other points' nearest in rows, places in rows


def save(folder: Path, reducer: str, space: Space) -> None:
    """Write ``<reducer>.npy`` and ``<reducer>_neighbours.npz`` into ``folder``."""
    files.write_array(folder / f"{reducer}.npy", space.x)
    graph = {"distances": space.distances, "indices": space.indices}
    graph |= {} if len(space.rows) == space.x.shape[1] else {"rows": space.rows, "nearest": space.nearest}
    archive.save(folder / f"{reducer}_neighbours.npz", **graph)


def load(folder: Path, reducer: str) -> Space:
    """Open what ``save`` wrote; the points by memory map."""
    with np.load(folder / f"{reducer}_neighbours.npz") as graph:
        x = np.load(folder / f"{reducer}.npy", mmap_mode="r")
        rows = graph["rows"] if "rows" in graph else np.arange(x.shape[1])
        nearest = graph["nearest"] if "nearest" in graph else np.zeros((len(x), 0, 0), np.int32)
        return Space(x, graph["distances"], graph["indices"], rows, nearest)
