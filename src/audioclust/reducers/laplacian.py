"""Laplacian eigenmaps (Belkin and Niyogi, Neural Computation 2003): the slowest changes along the neighbour graph."""

from dataclasses import KW_ONLY, dataclass

import numpy as np

from audioclust.clusterers.spectral import connect, embed
from audioclust.parameters import Count, validate
from audioclust.points.neighbours import Neighbours


@dataclass(eq=False)
class Laplacian:
    """The leading eigenvectors of the random walk on the graph of nearest neighbours, without the constant one."""

    dim: Count = 10  # eigenvectors kept; fewer (``dim_``) where there are fewer points
    neighbours: Count = 10  # points that each point is linked to; the graph is then averaged with its transpose
    _: KW_ONLY
    random_state: int = 0  # without effect

    stochastic = False

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return (n, dim_) float32 of ``X`` (n, d); of a graph in several parts the first tell the parts."""
        validate(self)
        n = len(X)
        self.dim_ = min(self.dim, max(n - 1, 1))
        if n < 3 or np.ptp(X, axis=0).max() == 0:
            return np.zeros((n, self.dim_), np.float32)  # all points are one
        graph = connect(Neighbours(X), min(self.neighbours, n - 1))
        vectors = embed(graph, self.dim_ + 1, 0)
        constant = np.ptp(vectors[:, 0]) < 1e-6 * np.abs(vectors[:, 0]).max()
        found = vectors[:, 1:] if constant else vectors[:, :-1]
        return (found * np.sign(found[np.abs(found).argmax(0), range(self.dim_)])).astype(np.float32)
