"""DBSCAN (Ester et al., 1996) by scikit-learn, with eps found from the data."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from sklearn.cluster import DBSCAN as Reference

from audioclust.checks import by_appearance, points
from audioclust.neighbours import Neighbours
from audioclust.selection import best_scale

LADDER = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class DBSCAN:
    """Density clusters; noise is -1.

    Args:
        eps: radius; "auto" judges (``audioclust.selection``) the quantiles ``LADDER`` of the distance to the
            ``min_samples``-th neighbour: at quantile q a share q of the points is dense.
        min_samples: points within eps, the point itself among them, that make it a core point.
    """

    stochastic = False

    def __init__(
        self,
        eps: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto",
        min_samples: Annotated[int, Field(ge=1)] = 5,
    ):
        self.eps, self.min_samples = eps, min_samples

    @staticmethod
    def memory(n: int, d: int) -> int:
        """Return the estimated peak in bytes: the neighbours within eps, some hundreds a point."""
        return n * (d * 8 + 8 * min(n, 1000))

    def fit(self, x: np.ndarray, neighbours: Neighbours | None = None) -> "DBSCAN":
        """Set ``labels_`` (n,) int32, -1 for noise, and the eps found in ``chosen_``."""
        x = points(x)
        eps, self.chosen_ = self.eps, {}
        if eps == "auto":
            k = min(max(self.min_samples - 1, 1), len(x) - 1)
            distances = (neighbours or Neighbours(x)).query(k)[0][:, -1] if len(x) > 1 else np.ones(1)
            eps = best_scale(np.quantile(distances, LADDER), lambda value: self._labels(x, value), x)
            self.chosen_ = {"eps": float(f"{eps:.6g}")}
        self.labels_ = by_appearance(self._labels(x, eps))
        return self

    def _labels(self, x: np.ndarray, eps: float) -> np.ndarray:
        return Reference(eps=eps, min_samples=self.min_samples).fit(x).labels_
