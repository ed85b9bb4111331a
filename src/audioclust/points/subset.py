"""A part of many points: what grows faster than their number is fitted to it, and the other points follow it.

Shapes: n points, r of them in the part, d and d' dimensions, k neighbours.
"""

import numpy as np

from audioclust.points.neighbours import Neighbours

SIZE = 50_000  # points of a part
NEIGHBOURS = 10  # of the part that another point follows
BLOCK = 1 << 25  # entries of the points that are compared with the part at a time


def subset(n: int, size: int = SIZE) -> np.ndarray:
    """Return the rows (r,) int64 of at most so many of n points, ascending, the same in each run."""
    return np.sort(np.random.default_rng(0).permutation(n)[:size])


def nearest_of_rest(
    x: np.ndarray, rows: np.ndarray, k: int = NEIGHBOURS, threads: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points outside of a part, and their neighbours in it.

    Args:
        x: (n, d); Euclidean distances.
        rows: (r,) of the part, ascending.
        k: neighbours of each, at most r.
        threads: of the search.

    Returns:
        Rows (n - r,) of the other points, distances (n - r, k) float32, and places in ``rows`` (n - r, k) int32.
    """
    others = rest(len(x), rows)
    k = min(k, len(rows))
    distances, nearest = np.empty((len(others), k), np.float32), np.empty((len(others), k), np.int32)
    inside, size = Neighbours(x[rows], threads=threads), max(1, BLOCK // x.shape[1])
    for start in range(0, len(others), size):
        some = slice(start, start + size)
        distances[some], nearest[some] = inside.of(x[others[some]], k)
    return others, distances, nearest


def rest(n: int, rows: np.ndarray) -> np.ndarray:
    """Return which of n points are not among ``rows`` (r,), ascending, (n - r,)."""
    return np.setdiff1d(np.arange(n), rows, assume_unique=True)


def placed(places: np.ndarray, rows: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Return places (n, d') float32 of all points: of the part as they are, of others the median of their neighbours'.

    The median puts a point whose neighbours lie on two islands of a map onto one of them; so openTSNE starts what it
    adds to a map (Policar, Strazar and Zupan, 2019).

    Args:
        places: (r, d') of the part.
        rows: (r,) of the part, ascending.
        nearest: (n - r, k) of the others, from ``nearest_of_rest``.
    """
    found = np.empty((len(rows) + len(nearest), places.shape[1]), np.float32)
    found[rows] = places
    found[rest(len(found), rows)] = np.median(places[nearest], axis=1)
    return found
