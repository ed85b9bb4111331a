"""Clustering scores, one function a metric, the same ones in every stage and test.

A cluster is one value of ``clusters``; noise (-1) counts as one ordinary cluster in every score against labels.
Label-free scores leave noise out.
"""

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as sk
from sklearn.metrics.cluster import contingency_matrix


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of clips in the best one-to-one match of clusters and classes (rectangular Hungarian)."""
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(-table)].sum() / table.sum())


def score(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """Return every score of ``clusters`` (n,) against ``labels`` (n,).

    ``nmi`` is normalised by the geometric mean of the entropies (as the first report and SPICE do),
    ``nmi_arithmetic`` by the arithmetic one (scikit-learn's default); ``ami`` is adjusted for chance, arithmetic.

    Raises:
        ValueError: the lengths differ or are zero.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if len(labels) != len(clusters) or not len(labels):
        raise ValueError(
            f"{len(labels)} labels and {len(clusters)} clusters: there must be one of each a clip, and some"
        )
    return {
        "nmi": float(sk.normalized_mutual_info_score(labels, clusters, average_method="geometric")),
        "nmi_arithmetic": float(sk.normalized_mutual_info_score(labels, clusters)),
        "ami": float(sk.adjusted_mutual_info_score(labels, clusters)),
        "ari": float(sk.adjusted_rand_score(labels, clusters)),
        "acc": accuracy(labels, clusters),
        "clusters": len(np.unique(clusters[clusters != -1])),
        "noise": float(np.mean(clusters == -1)),
    }


def score_without_labels(
    x: np.ndarray, clusters: np.ndarray, random_state: int = 0, sample: int = 2000
) -> dict[str, float | None]:
    """Return silhouette, Davies-Bouldin and Calinski-Harabasz of ``clusters`` (n,) in the space ``x`` (n, d).

    Noise is left out. None where fewer than two clusters, or as many clusters as clips, make a score meaningless.
    ``sample`` bounds the clips that the quadratic silhouette looks at.
    """
    x, clusters = np.asarray(x)[clusters >= 0], clusters[clusters >= 0]
    if not 2 <= len(np.unique(clusters)) < len(clusters):
        return dict.fromkeys(("silhouette", "davies_bouldin", "calinski_harabasz"))
    chosen = np.random.default_rng(random_state).permutation(len(x))[:sample]
    enough = 2 <= len(np.unique(clusters[chosen])) < len(chosen)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # coinciding centres divide by zero; the value is dropped below
        found = {
            "silhouette": sk.silhouette_score(x[chosen], clusters[chosen]) if enough else np.nan,
            "davies_bouldin": sk.davies_bouldin_score(x, clusters),
            "calinski_harabasz": sk.calinski_harabasz_score(x, clusters),
        }
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}
