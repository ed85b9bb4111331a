"""t-SNE (van der Maaten and Hinton, 2008) in float32: exact neighbours, exact forces of few points, a mesh for many.

Settings are those of openTSNE: exaggeration 12 and momentum 0.5 for 250 steps, then 1 and 0.8, a learning rate of n
over the exaggeration (Belkina et al., 2019), gains of 0.8 and 0.2. ``benchmarks/grid.py`` times it beside others.

Shapes: n points, d dimensions; the map while it moves is (3, n), its third coordinate 0 in a plane.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numba
import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from audioclust.parameters import validate
from audioclust.points.neighbours import Neighbours
from audioclust.reducers.pca import PCA
from audioclust.reducers.tsne.affinities import joint
from audioclust.reducers.tsne.forces import FAST, attraction, forces

EXACT = 1500  # points up to which all pairs cost less than a mesh
EARLY, EXAGGERATION = 250, 12.0
LEAST_RATE = 200.0  # of learning, times the exaggeration


@dataclass(eq=False)
class TSNE:
    """A map that keeps neighbourhoods; for looking and in-sample clustering, not for new clips."""

    dim: Literal[2, 3] = 2  # dimensions of the map
    perplexity: Annotated[float, Field(gt=1)] = 30.0  # effective number of neighbours; at most (n - 1) / 3
    iterations: Annotated[int, Field(ge=250)] = 750  # the first 250 of them with early exaggeration
    _: KW_ONLY
    random_state: int = 0  # seeds the jitter around the principal components that the map starts from

    stochastic = True
    from_neighbours = True

    def fit_transform(self, X: np.ndarray, y: object = None, *, neighbours: Neighbours | None = None) -> np.ndarray:
        """Return the map (n, dim) float32 of ``X`` (n, d); ``perplexity_`` is the perplexity used.

        Args:
            neighbours: of X, shared by the maps of all seeds.

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
        graph = (neighbours or Neighbours(X)).query(self.wanted(n))
        found = descend(joint(*graph, self.perplexity_), self._start(X), self.dim, self.iterations)
        if not np.isfinite(found).all():
            raise RuntimeError("t-SNE: the map is not finite; lower tsne.perplexity or set reduce.scale: standardise")
        return found

    def wanted(self, n: int) -> int:
        """Return how many neighbours of each of n points it asks for."""
        return min(n - 1, max(1, int(3 * self.perplexity)))

    def _start(self, x: np.ndarray) -> np.ndarray:
        """Principal components at a standard deviation of 1e-4 (Kobak and Berens, 2019) with a seeded jitter of 1 %."""
        components = PCA(self.dim).fit_transform(x)
        start = np.zeros((len(x), self.dim))
        start[:, : components.shape[1]] = components / max(float(components[:, 0].std()), 1e-30)
        return 1e-4 * (start + np.random.default_rng(self.random_state).normal(0, 0.01, start.shape))


def descend(p: csr_array, start: np.ndarray, dim: int, iterations: int) -> np.ndarray:
    """Return the map (n, dim) float32 that gradient descent makes of ``start`` (n, dim) for affinities (n, n)."""
    n = len(start)
    y, pull, push = (np.zeros((3, n), np.float32) for _ in range(3))
    y[:dim] = start.T
    repulsion = forces(n, dim, EXACT)
    # Unsigned: of an index that could be negative numba asks so each time, which keeps the loop from SIMD.
    starts, ends = p.indptr.astype(np.uint32), p.indices.astype(np.uint32)
    for step in range(iterations):
        early = step < EARLY
        if step in (0, EARLY):
            gains, velocity = np.ones_like(y), np.zeros_like(y)
        exaggeration, momentum = (EXAGGERATION, 0.5) if early else (1.0, 0.8)
        rate = max(n / exaggeration, LEAST_RATE)
        attraction(starts, ends, p.data, y, pull)
        z = repulsion(y, push)
        scales = (exaggeration, -1 / z, rate, momentum)
        _move(y[:dim], pull, push, gains, velocity, *map(np.float32, scales))
    return np.ascontiguousarray(y[:dim].T)


@numba.njit(**FAST)
def _move(y, pull, push, gains, velocity, attractive, repulsive, rate, momentum):
    """Take one step and centre the map; a quarter of the gradient, whose factor 4 is in the rate."""
    for c in range(len(y)):
        total = 0.0
        for i in range(y.shape[1]):
            slope = attractive * pull[c, i] + repulsive * push[c, i]
            gain = gains[c, i]
            turned = (slope > 0) != (velocity[c, i] > 0)
            gain = max(gain + np.float32(0.2) if turned else gain * np.float32(0.8), np.float32(0.01))
            gains[c, i] = gain
            velocity[c, i] = momentum * velocity[c, i] - rate * gain * slope
            y[c, i] += velocity[c, i]
            total += y[c, i]
        middle = np.float32(total / y.shape[1])
        for i in range(y.shape[1]):
            y[c, i] -= middle
