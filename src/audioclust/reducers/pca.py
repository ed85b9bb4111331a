"""Principal component analysis."""

from typing import Annotated

import numpy as np
from pydantic import Field
from sklearn.decomposition import PCA as Components


class PCA:
    """Projection on the leading principal axes, by the exact covariance or singular values; signs are fixed.

    Args:
        dim: dimensions kept; fewer (``dim_``) where the data have fewer points or dimensions.
    """

    stochastic = False

    def __init__(self, dim: Annotated[int, Field(ge=1)] = 50, *, random_state: int = 0):
        self.dim, self.random_state = dim, random_state

    def fit_transform(self, x: np.ndarray) -> np.ndarray:
        """Return (n, dim_) float32 of ``x`` (n, d)."""
        n, d = x.shape
        self.dim_ = min(self.dim, max(n - 1, 1), d)
        if np.ptp(x, axis=0).max() == 0:
            return np.zeros((n, self.dim_), np.float32)  # all points are one
        # The covariance is d x d: cheaper than singular values as soon as there are more points than dimensions.
        solver = "covariance_eigh" if n > d else "full"
        return Components(self.dim_, svd_solver=solver).fit_transform(np.asarray(x, np.float64)).astype(np.float32)
