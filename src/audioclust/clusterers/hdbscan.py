"""HDBSCAN (Campello, Moulavi and Sander, 2013) by scikit-learn: DBSCAN at every eps, the lasting clusters are kept.

No radius is needed, and clusters may differ in density.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from sklearn import cluster
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.parameters import Count, validate
from audioclust.points.checks import by_appearance, points


@dataclass(repr=False, eq=False)
class HDBSCAN(ClusterMixin, BaseEstimator):
    """The most persistent clusters of the tree of densities; the rest is noise."""

    min_cluster_size: Annotated[int, Field(ge=2)] = 5  # points that make a cluster
    min_samples: Count | None = None  # points, the point itself among them, that measure density; None: as many
    # "eom" keeps the clusters with the largest excess of mass, "leaf" the leaves of the tree: smaller and more alike.
    cluster_selection_method: Literal["eom", "leaf"] = "eom"

    stochastic = False
    finds_noise = True

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: copies of the points, their neighbours, and the tree."""
        return n * (20 * d + 16 * (self.min_samples or self.min_cluster_size) + 450)

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: object = None) -> "HDBSCAN":
        """Set ``labels_``."""
        validate(self)
        x = points(X, model=self).astype(np.float64)
        needed = max(self.min_cluster_size, self.min_samples or 1)
        self.chosen_ = {}
        if len(x) < needed or np.ptp(x, axis=0).max() == 0:
            # Too few to be dense; or one point, as often as it stands there, which has no tree.
            self.labels_ = np.full(len(x), -1 if len(x) < needed else 0, np.int32)
            return self
        model = cluster.HDBSCAN(
            self.min_cluster_size, self.min_samples, cluster_selection_method=self.cluster_selection_method, copy=True
        )
        self.labels_ = by_appearance(model.fit(x - x.mean(axis=0)).labels_)
        return self
