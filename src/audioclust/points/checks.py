"""What every algorithm on points checks of its input, in the same words."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data


def points(x: np.ndarray, k: int = 1, model: BaseEstimator | None = None) -> np.ndarray:
    """Return ``x`` (n, d) as a C-contiguous array.

    Args:
        x: points.
        k: clusters.
        model: the estimator that is fitted to them; it notes their number of features, as scikit-learn's do.

    Raises:
        TypeError: sparse.
        ValueError: complex, not two-dimensional, empty, not finite (the first bad row is named), or fewer rows than k.
    """
    rules = {"order": "C", "ensure_all_finite": False}
    x = check_array(x, **rules) if model is None else validate_data(model, x, **rules)
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        rows = f"{len(bad)} such rows; a row is a clip"
        raise ValueError(f"row {bad[0]} of the points is not finite: NaN or infinite ({rows})")
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
