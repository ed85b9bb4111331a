"""How a scale (DBSCAN's eps, MeanShift's bandwidth) is chosen from the data, without labels.

Every step of a ladder of candidate scales is judged by its silhouette times its coverage: the mean over all points of
the silhouette, where noise and points alone in their cluster count as zero. An answer of one cluster counts as -1.
The best step wins, the smaller one on a tie.
"""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import silhouette_samples

SAMPLE = 2000  # points that a silhouette looks at: it is quadratic


def judge(x: np.ndarray, labels: np.ndarray) -> float:
    """Return the silhouette times the coverage of ``labels`` (n,) on ``x`` (n, d), in [-1, 1]."""
    chosen = np.random.default_rng(0).permutation(len(x))[:SAMPLE]
    x, labels = x[chosen], labels[chosen]
    kept = labels >= 0
    if len(np.unique(labels[kept])) < 2 or len(np.unique(labels[kept])) == kept.sum():
        return -1.0
    return float(silhouette_samples(x[kept], labels[kept]).sum() / len(x))


def best_scale(ladder: Sequence[float], labels_at: Callable[[float], np.ndarray], x: np.ndarray) -> float:
    """Return the candidate of ``ladder`` whose labels are judged best."""
    candidates = sorted({float(value) for value in ladder if value > 0})
    if not candidates:
        return 1.0  # all points coincide: every scale gives one cluster
    return max(candidates, key=lambda value: (judge(x, labels_at(value)), -value))
