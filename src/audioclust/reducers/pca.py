"""Principal component analysis."""

from dataclasses import KW_ONLY, dataclass

import numpy as np

from audioclust.parameters import Count, validate
from audioclust.points.principal import axes
from audioclust.points.scale import power_of_two


@dataclass(eq=False)
class PCA:
    """Projection on the leading principal axes; of each the largest entry is positive."""

    dim: Count = 50  # dimensions kept; fewer (``dim_``) where the data have fewer points or dimensions
    _: KW_ONLY
    random_state: int = 0  # without effect

    stochastic = False
    linear = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return (n, dim_) float32 of ``X`` (n, d); ``mean_`` (d,) and ``axes_`` (dim_, d) reduce other points too."""
        validate(self)
        n, d = X.shape
        self.dim_ = min(self.dim, max(n - 1, 1), d)
        self.mean_, self.axes_ = np.asarray(X[0], np.float64), np.zeros((self.dim_, d))
        if np.equal(X, X[0]).all():
            return np.zeros((n, self.dim_), np.float32)  # all points are one
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        x = np.empty((n, d), np.float32)
        np.subtract(X, self.mean_.astype(X.dtype) if X.dtype == np.float32 else self.mean_, out=x, casting="same_kind")
        unit = np.float32(power_of_two(x))  # squares of very small or large numbers leave float32
        x /= unit
        self.axes_ = _signed(axes(x, self.dim_)).T
        self.dim_ = len(self.axes_)
        return np.ascontiguousarray(x @ self.axes_.T.astype(np.float32)) * unit


def _signed(found: np.ndarray) -> np.ndarray:
    """Return axes (d, k) of which each has its largest entry positive."""
    largest = np.abs(found).argmax(axis=0)
    return found * np.where(np.take_along_axis(found, largest[None], 0) < 0, -1, 1)
