"""Spectral clustering (Ng, Jordan and Weiss, 2001) of the shared neighbour graph, by scikit-learn."""

import warnings
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.sparse import csr_matrix, eye
from sklearn.cluster import SpectralClustering

from audioclust.checks import by_appearance, points
from audioclust.neighbours import Neighbours


class Spectral:
    """k-means on the leading eigenvectors of the normalised Laplacian of a k-nearest-neighbour graph.

    Args:
        k: clusters.
        n_neighbors: neighbours a point is linked to; the graph is made symmetric by averaging with its transpose.
        random_state: seeds the eigensolver's start and k-means.
    """

    stochastic = True

    def __init__(
        self,
        k: Annotated[int, Field(ge=1)],
        n_neighbors: Annotated[int, Field(ge=1)] = 10,
        *,
        random_state: int = 0,
    ):
        self.k, self.n_neighbors, self.random_state = k, n_neighbors, random_state

    @staticmethod
    def memory(n: int, d: int) -> int:
        """Return the estimated peak in bytes: the sparse graph and the eigensolver's vectors."""
        return n * (d * 8 + 2000)

    def fit(self, x: np.ndarray, neighbours: Neighbours | None = None) -> "Spectral":
        """Set ``labels_`` (n,) int32."""
        x = points(x, self.k)
        self.chosen_ = {}
        if np.ptp(x, axis=0).max() == 0 or len(x) < 3 or self.k == 1:
            self.labels_ = np.zeros(len(x), np.int32)  # one point, as often as it stands there
            return self
        graph = _graph(neighbours or Neighbours(x), min(self.n_neighbors, len(x) - 1))
        model = SpectralClustering(
            min(self.k, len(x) - 1), affinity="precomputed", random_state=self.random_state, n_init=10
        )
        with warnings.catch_warnings():
            # A graph in several parts is no mistake here: its parts are clusters.
            warnings.filterwarnings("ignore", "Graph is not fully connected")
            self.labels_ = by_appearance(model.fit(graph).labels_)
        return self


def _graph(neighbours: Neighbours, k: int) -> csr_matrix:
    """Return the symmetric connectivity (n, n), each point linked to itself and its ``k`` neighbours."""
    _, indices = neighbours.query(k)
    n = len(indices)
    graph = csr_matrix((np.ones(n * k), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)) + eye(
        n, format="csr"
    )
    return 0.5 * (graph + graph.T)
