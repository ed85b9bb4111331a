"""The spaces that ``reduce`` writes and ``baseline`` reads: points and the neighbour graph that clusterers share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from audioclust.results import archive, files


class Space(NamedTuple):
    """One reducer's spaces, one per seed where it is stochastic (s), else one: x (s, n, d) float32, and the m nearest
    neighbours of each point: distances (s, n, m) float32, indices (s, n, m) int32."""

    x: np.ndarray
    distances: np.ndarray
    indices: np.ndarray


def save(folder: Path, reducer: str, space: Space) -> None:
    """Write ``<reducer>.npy`` and ``<reducer>_neighbours.npz`` into ``folder``."""
    files.write_array(folder / f"{reducer}.npy", space.x)
    archive.save(folder / f"{reducer}_neighbours.npz", distances=space.distances, indices=space.indices)


def load(folder: Path, reducer: str) -> Space:
    """Open what ``save`` wrote; the points by memory map."""
    with np.load(folder / f"{reducer}_neighbours.npz") as graph:
        return Space(np.load(folder / f"{reducer}.npy", mmap_mode="r"), graph["distances"], graph["indices"])
