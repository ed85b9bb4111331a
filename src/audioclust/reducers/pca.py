"""Principal component analysis."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from sklearn.decomposition import PCA as Components

from audioclust.parameters import Count, validate


@dataclass(eq=False)
class PCA:
    """Projection on the leading principal axes, by the exact covariance or singular values; signs are fixed."""

    dim: Count = 50  # dimensions kept; fewer (``dim_``) where the data have fewer points or dimensions
    _: KW_ONLY
    random_state: int = 0  # without effect

    stochastic = False

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return (n, dim_) float32 of ``X`` (n, d)."""
        validate(self)
        n, d = X.shape
        self.dim_ = min(self.dim, max(n - 1, 1), d)
        if np.ptp(X, axis=0).max() == 0:
            return np.zeros((n, self.dim_), np.float32)  # all points are one
        # The covariance is d x d: cheaper than singular values as soon as there are more points than dimensions.
        solver = "covariance_eigh" if n > d else "full"
        return Components(self.dim_, svd_solver=solver).fit_transform(np.asarray(X, np.float64)).astype(np.float32)
