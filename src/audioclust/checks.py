"""What every clusterer checks of its input, in the same words."""

import numpy as np


def points(x: np.ndarray, k: int = 1) -> np.ndarray:
    """Return ``x`` (n, d) as a C-contiguous array.

    Raises:
        ValueError: not two-dimensional, not finite (the first bad row is named), or fewer rows than ``k``.
    """
    x = np.ascontiguousarray(x)
    if x.ndim != 2:
        raise ValueError(f"points of shape {x.shape}: (n, d) is needed")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        raise ValueError(f"row {bad[0]} of the points is not finite ({len(bad)} such rows; a row is a clip)")
    if len(x) < k:
        raise ValueError(f"n_samples={len(x)} should be >= k={k}: lower k or give more clips")
    return x


def by_appearance(labels: np.ndarray) -> np.ndarray:
    """Renumber clusters in the order of their first point; noise (-1) stays. Equal partitions get equal labels."""
    found, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.where(found < 0, -1, first), kind="stable")
    names = np.empty(len(found), np.int32)
    names[order] = np.arange(len(found)) - int(found[0] < 0)
    return names[inverse]
