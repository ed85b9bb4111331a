"""Clustering scores, one function a metric, the same ones in every stage and test.

A cluster is one value of ``clusters``; noise (-1) counts as one ordinary cluster in every score against labels, as in
pt-dec and ClustPy. Label-free scores leave noise out. Labels are strings or integers; clips without a label ("") are
left out by the caller, since here "" would be one more class.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as sk
from sklearn.metrics.cluster import contingency_matrix

LABEL_FREE = ("silhouette", "davies_bouldin", "calinski_harabasz")


def nmi(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the mutual information over the geometric mean of the entropies, as the first report and SPICE do."""
    return float(sk.normalized_mutual_info_score(labels, clusters, average_method="geometric"))


def nmi_arithmetic(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the mutual information over the arithmetic mean of the entropies, scikit-learn's default since 0.22."""
    return float(sk.normalized_mutual_info_score(labels, clusters, average_method="arithmetic"))


def ami(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the mutual information adjusted for chance: 0 on average for random clusters, however many."""
    return float(sk.adjusted_mutual_info_score(labels, clusters))


def ari(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the adjusted Rand index: pairs of clips on which both partitions agree, adjusted for chance."""
    return float(sk.adjusted_rand_score(labels, clusters))


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of clips in the best one-to-one match of clusters and classes (rectangular Hungarian)."""
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def score(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Return every score of ``clusters`` (n,) against ``labels`` (n,).

    ``clusters`` is the number found, noise not counted; ``noise`` the share of clips that are noise.

    Raises:
        ValueError: the lengths differ or are zero, or ``clusters`` holds no integers.
    """
    labels, clusters = np.asarray(labels), _integers(clusters)
    if labels.shape != clusters.shape or not len(labels):
        raise ValueError(
            f"one label and one cluster per clip, at least one clip: got {labels.shape} and {clusters.shape}"
        )
    return {
        "nmi": nmi(labels, clusters),
        "nmi_arithmetic": nmi_arithmetic(labels, clusters),
        "ami": ami(labels, clusters),
        "ari": ari(labels, clusters),
        "acc": accuracy(labels, clusters),
        "clusters": len(np.unique(clusters[clusters != -1])),
        "noise": float(np.mean(clusters == -1)),
    }


def score_without_labels(
    x: np.ndarray, clusters: np.ndarray, random_state: int = 0, sample: int = 2000
) -> dict[str, float | None]:
    """Return silhouette, Davies-Bouldin and Calinski-Harabasz of ``clusters`` (n,) in the space ``x`` (n, d).

    Noise is left out. None where a score means nothing: fewer than two clusters, as many clusters as clips, or all
    clips at one point. ``sample`` bounds the clips that the quadratic silhouette looks at.

    Raises:
        ValueError: the lengths differ, or ``clusters`` holds no integers.
    """
    x, clusters = np.asarray(x), _integers(clusters)
    if len(x) != len(clusters):
        raise ValueError(f"one cluster a row of x: got {len(x)} rows and {len(clusters)} clusters")
    x, clusters = x[clusters != -1].astype(np.float64), clusters[clusters != -1]
    spread = x.std() if len(x) else 0.0
    if not _separable(clusters) or spread == 0:
        return dict.fromkeys(LABEL_FREE)
    # All three are free of scale in theory; scikit-learn's Davies-Bouldin takes distances below 1e-8 for zero.
    x /= spread
    some = np.random.default_rng(random_state).permutation(len(x))[:sample]
    silhouette = sk.silhouette_score(x[some], clusters[some]) if _separable(clusters[some]) else np.nan
    found = (silhouette, sk.davies_bouldin_score(x, clusters), sk.calinski_harabasz_score(x, clusters))
    return {n: float(value) if np.isfinite(value) else None for n, value in zip(LABEL_FREE, found, strict=True)}


def _integers(clusters: np.ndarray) -> np.ndarray:
    clusters = np.asarray(clusters)
    if clusters.dtype.kind not in "iu":
        raise ValueError(f"clusters must be integers, -1 for noise: got an array of {clusters.dtype}")
    return clusters


def _separable(clusters: np.ndarray) -> bool:
    """Return whether a silhouette is defined: at least two clusters, and one of them with two clips."""
    return 2 <= len(np.unique(clusters)) < len(clusters)
