"""Spectral clustering (Ng, Jordan and Weiss, 2001; von Luxburg, 2007) of the shared neighbour graph.

As scikit-learn with nearest-neighbour affinity: the leading eigenvectors of the random walk on the graph, then k-means.
scikit-learn factorises the graph, which fills up in many dimensions; here the eigenvectors come from products alone.
What products alone would miss, the equal eigenvalues of a graph in several parts, is known beforehand and put in.
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.clusterers.kmeans import KMeans
from audioclust.parameters import Count, validate
from audioclust.points.checks import points
from audioclust.points.neighbours import Neighbours

DENSE = 300  # points below which all eigenvectors are computed
TOLERANCE = 1e-7  # of an eigenvalue, relative


@dataclass(repr=False, eq=False)
class Spectral(ClusterMixin, BaseEstimator):
    """k-means on the leading eigenvectors of the random walk on the graph of nearest neighbours."""

    k: Count  # clusters
    neighbours: Count = 10  # points that each point is linked to; the graph is then averaged with its transpose
    _: KW_ONLY
    random_state: int = 0  # seeds the eigensolver's start and k-means

    stochastic = True

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: of the graph with the eigensolver's vectors, or of k-means on them."""
        solver = n * (64 * self.neighbours + 8 * _vectors(self.k) + 24 * self.k + 100) * 5 // 4
        return max(solver, 8 * n * self.k + KMeans(self.k).memory(n, self.k), 2 * n * d)

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: Neighbours | None = None) -> "Spectral":
        """Set ``labels_``."""
        validate(self)
        x = points(X, self.k, self)
        self.chosen_ = {}
        if np.ptp(x, axis=0).max() == 0 or len(x) < 3 or self.k == 1:
            self.labels_ = np.zeros(len(x), np.int32)  # one point, as often as it stands there
            return self
        graph = connect(neighbours or Neighbours(x), min(self.neighbours, len(x) - 1))
        embedding = embed(graph, self.k, self.random_state)
        self.labels_ = KMeans(self.k, random_state=self.random_state).fit(embedding).labels_
        return self


def connect(neighbours: Neighbours, k: int) -> csr_matrix:
    """Return the graph (n, n): 1 between points that are among each other's ``k`` neighbours, 1/2 if only one is."""
    indices = neighbours.query(k)[1]
    n = len(indices)
    graph = csr_matrix((np.ones(n * k), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    return (0.5 * (graph + graph.T)).tocsr()


def embed(graph: csr_matrix, k: int, random_state: int) -> np.ndarray:
    """Return the ``k`` leading eigenvectors (n, k) of the random walk on ``graph`` (n, n)."""
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    walk = diags(1 / root) @ graph @ diags(1 / root)
    parts = _parts(graph, root, k)
    more = k - parts.shape[1]
    vectors = np.hstack([parts, _leading(walk, parts, more, random_state)]) if more else parts
    return vectors / root[:, None]


def _parts(graph: csr_matrix, root: np.ndarray, k: int) -> np.ndarray:
    """Return the eigenvectors of eigenvalue 1, one for each connected part, at most ``k``: of the largest parts."""
    count, part = connected_components(graph, directed=False)
    largest = np.argsort(-np.bincount(part), kind="stable")[: min(count, k)]
    vectors = np.where(part[:, None] == largest, root[:, None], 0)
    return vectors / np.linalg.norm(vectors, axis=0)


def _leading(walk: csr_matrix, known: np.ndarray, k: int, random_state: int) -> np.ndarray:
    """Return the ``k`` leading eigenvectors (n, k) of ``walk`` (n, n) beside the ``known`` ones of eigenvalue 1."""
    n = walk.shape[0]
    if n <= DENSE or _vectors(k) >= n:
        return np.linalg.eigh(walk.toarray() - 2 * known @ known.T)[1][:, : -k - 1 : -1]
    # The known ones are moved to eigenvalue -1, the end that is not asked for.
    deflated = LinearOperator((n, n), lambda v: walk @ v - 2 * known @ (known.T @ v), dtype=np.float64)
    start = np.random.default_rng(random_state).uniform(-1, 1, n)
    return eigsh(deflated, k, which="LA", v0=start, ncv=_vectors(k), tol=TOLERANCE, maxiter=100 * n)[1][:, ::-1]


def _vectors(k: int) -> int:
    """Return how many vectors the eigensolver keeps: the more, the fewer rounds it takes to part close eigenvalues."""
    return max(3 * k, 60)
