"""t-SNE (van der Maaten and Hinton, 2008) through the library that is faster at the size, with exact neighbours.

Measured (``benchmarks/grid.py``): below about 3,000 points scikit-learn's Barnes-Hut wins, above it openTSNE's FFT.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audioclust.parameters import Count, validate
from audioclust.points.neighbours import Neighbours
from audioclust.reducers.pca import PCA

CROSSOVER = 3000


@dataclass(eq=False)
class TSNE:
    """A map that keeps neighbourhoods; for looking and in-sample clustering, not for new clips."""

    dim: Literal[2, 3] = 2  # dimensions of the map
    perplexity: Annotated[float, Field(gt=1)] = 30.0  # effective number of neighbours; at most (n - 1) / 3
    iterations: Annotated[int, Field(ge=250)] = 750  # the first 250 of them with early exaggeration
    jobs: Count = 1  # threads of openTSNE: they change its result, so the number is a parameter and never "all"
    _: KW_ONLY
    random_state: int = 0  # seeds the jitter around the principal components that the map starts from

    stochastic = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return the map (n, dim) float32 of ``X`` (n, d); ``perplexity_`` is the perplexity used.

        Raises:
            ValueError: fewer than four points.
            RuntimeError: the map is not finite.
        """
        validate(self)
        n = len(X)
        if n < 4:
            raise ValueError(f"t-SNE of {n} points: at least 4 are needed")
        self.perplexity_ = min(self.perplexity, (n - 1) / 3)
        if np.ptp(X, axis=0).max() == 0:
            return np.zeros((n, self.dim), np.float32)  # all points are one
        start = self._start(X)
        found = (self._barnes_hut if n < CROSSOVER or self.dim > 2 else self._fft)(X, start)
        if not np.isfinite(found).all():
            raise RuntimeError("t-SNE: the map is not finite; lower tsne.perplexity or set reduce.scale: standardise")
        return found.astype(np.float32)

    def _start(self, x: np.ndarray) -> np.ndarray:
        """Principal components at a standard deviation of 1e-4 (Kobak and Berens, 2019) with a seeded jitter of 1 %."""
        components = PCA(self.dim).fit_transform(x)
        start = np.zeros((len(x), self.dim))
        start[:, : components.shape[1]] = components / max(float(components[:, 0].std()), 1e-30)
        return 1e-4 * (start + np.random.default_rng(self.random_state).normal(0, 0.01, start.shape))

    def _barnes_hut(self, x: np.ndarray, start: np.ndarray) -> np.ndarray:
        from sklearn.manifold import TSNE as BarnesHut

        model = BarnesHut(
            self.dim,
            perplexity=self.perplexity_,
            init=start.astype(np.float32),
            max_iter=self.iterations,
            learning_rate="auto",
            random_state=self.random_state,
            n_jobs=1,
        )
        return model.fit_transform(x)

    def _fft(self, x: np.ndarray, start: np.ndarray) -> np.ndarray:
        from openTSNE import TSNEEmbedding, affinity
        from openTSNE.nearest_neighbors import PrecomputedNeighbors

        distances, indices = Neighbours(x).query(min(len(x) - 1, int(3 * self.perplexity_)))
        graph = PrecomputedNeighbors(indices, distances)
        joint = affinity.PerplexityBasedNN(
            perplexity=self.perplexity_, knn_index=graph, n_jobs=self.jobs, random_state=self.random_state
        )
        map_ = TSNEEmbedding(
            start, joint, negative_gradient_method="fft", n_jobs=self.jobs, random_state=self.random_state
        )
        map_.optimize(n_iter=250, exaggeration=12, momentum=0.5, inplace=True)
        map_.optimize(n_iter=self.iterations - 250, momentum=0.8, inplace=True)
        return np.asarray(map_)
