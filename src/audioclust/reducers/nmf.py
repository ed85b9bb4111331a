"""Non-negative matrix factorisation (Lee and Seung, Nature 1999): parts that add up to a point."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from sklearn.decomposition import NMF as Factorisation

from audioclust.parameters import Count, validate


@dataclass(eq=False)
class NMF:
    """How much of each part is in a point. As parts cannot be negative, each dimension's minimum is subtracted."""

    dim: Count = 50  # parts; fewer (``dim_``) where the data have fewer points or dimensions
    iterations: Count = 400  # at most
    _: KW_ONLY
    random_state: int = 0  # without effect: the start is NNDSVDa's

    stochastic = False
    linear = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return (n, dim_) float32 of ``X`` (n, d)."""
        validate(self)
        x = np.asarray(X, np.float64)
        x = x - x.min(axis=0)
        self.dim_ = min(self.dim, *x.shape)
        if not x.any():
            return np.zeros((len(x), self.dim_), np.float32)  # all points are one
        model = Factorisation(self.dim_, init="nndsvda", random_state=0, max_iter=self.iterations, tol=1e-4)
        return model.fit_transform(x).astype(np.float32)
