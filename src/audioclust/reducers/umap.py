"""UMAP (McInnes, Healy and Melville, 2018, arXiv 1802.03426) by umap-learn, an optional library."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from audioclust.parameters import Count, Unit, validate


@dataclass(eq=False)
class UMAP:
    """A map that keeps neighbourhoods, and more of the large-scale structure than t-SNE."""

    dim: Count = 2  # dimensions of the map
    neighbours: Annotated[int, Field(ge=2)] = 15  # per point, the point itself among them; at most n - 1
    min_dist: Unit = 0.1  # between points of the map; small values make dense clusters
    _: KW_ONLY
    random_state: int = 0  # seeds the start and the sampling

    stochastic = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return the map (n, dim) float32 of ``X`` (n, d).

        Raises:
            ImportError: umap-learn is not installed.
            ValueError: fewer than ``dim`` + 2 points.
        """
        validate(self)
        try:
            import umap
        except ImportError as error:
            raise ImportError("the reducer umap needs the library of that name: pip install umap-learn") from error
        x = np.asarray(X, np.float32)
        if len(x) < self.dim + 2:  # the start takes dim + 1 eigenvectors
            raise ValueError(f"UMAP of {len(x)} points in {self.dim} dimensions: at least {self.dim + 2} are needed")
        if np.ptp(x, axis=0).max() == 0:
            return np.zeros((len(x), self.dim), np.float32)  # all points are one
        model = umap.UMAP(
            n_neighbors=min(self.neighbours, len(x) - 1),
            n_components=self.dim,
            min_dist=self.min_dist,
            random_state=self.random_state,
            n_jobs=1,
        )
        return model.fit_transform(x)
