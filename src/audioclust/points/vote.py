"""Votes of the nearest neighbours: how sure a cluster is of its points, and the cluster of points that come later.

Shapes: n fitted points, m new ones, d dimensions. Distances are Euclidean, noise is -1.
"""

import numpy as np

from audioclust.points.neighbours import Neighbours

NEIGHBOURS = 10


def confidence(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of each point's ``NEIGHBOURS`` nearest other points that have its label, (n,); NaN of noise.

    Of fewer points all others are asked, and a single one has none: NaN.

    Args:
        x: (n, d), as the distances want it scaled.
        labels: (n,) integers, -1 for noise.

    Raises:
        ValueError: the lengths differ.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(x),):
        raise ValueError(f"labels of shape {labels.shape} for {len(x)} points: there must be one per point")
    if len(x) < 2:
        return np.full(len(x), np.nan)
    _, nearest = Neighbours(x).query(min(NEIGHBOURS, len(x) - 1))
    return np.where(labels >= 0, (labels[nearest] == labels[:, None]).mean(axis=1), np.nan)
