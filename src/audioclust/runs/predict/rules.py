"""How a cell's clusterer or method gives other clips its labels, where the neighbours' vote does not.

Shapes: m clips, d dimensions, k clusters.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from audioclust import registry
from audioclust.devices import pick_device
from audioclust.reducers.pca import PCA
from audioclust.runs.predict.hearing import Heard

LOGMELS = "logmel"  # what a method sees besides embeddings


@dataclass
class Centroids:
    """k-means: the nearest centroid, in the space that the clips were clustered in."""

    centres: np.ndarray  # (k, d) float32
    clusters: np.ndarray  # (k,) int32, their labels
    mean: np.ndarray  # (d',) of the scaled embedding
    axes: np.ndarray | None  # (d, d'), the principal ones; None: the scaled embedding is the space

    name: ClassVar[str] = "centroids"

    @classmethod
    def of(cls, x: np.ndarray, labels: np.ndarray, pca: PCA | None) -> "Centroids":
        """Return the centroids of clusters.

        Args:
            x: (n, d') scaled embedding.
            labels: (n,) integers.
            pca: that reduced it, fitted; None: nothing did.
        """
        found = cls(np.zeros((0, 0)), np.unique(labels), np.zeros(x.shape[1]), None)
        if pca is not None:
            found.mean, found.axes = pca.mean_, pca.axes_
        space = found._space(x)
        found.centres = np.stack([space[labels == cluster].mean(axis=0) for cluster in found.clusters])
        return found

    def labels(self, heard: Heard, x: np.ndarray) -> np.ndarray:
        """Return labels (m,) int32; ``x`` (m, d') is the scaled embedding."""
        return self.clusters[cdist(self._space(x), self.centres).argmin(axis=1)].astype(np.int32)

    def _space(self, x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float64) - self.mean
        return x if self.axes is None else x @ self.axes.T


@dataclass
class Fitted:
    """A deep method: its own ``predict``.

    Args:
        method: a file of ``audioclust/methods``.
        folder: where its model is saved.
        sees: what it was fitted to: "logmel", or the place of an encoder, one after the other.
    """

    method: str
    folder: Path
    sees: list[str | int]

    name: ClassVar[str] = "method"

    @property
    def on_logmels(self) -> bool:
        return LOGMELS in self.sees

    def labels(self, heard: Heard, x: np.ndarray) -> np.ndarray:
        """Return labels (m,) int32."""
        kind = registry.get("methods", self.method)
        seen: list[Any] = [heard.logmels if what == LOGMELS else heard.embeddings[what] for what in self.sees]
        model = kind.load(self.folder, pick_device("auto"))
        return model.predict(seen if len(seen) > 1 else seen[0]).astype(np.int32)


Rule = Centroids | Fitted
