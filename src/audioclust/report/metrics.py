"""Clustering scores, one function per metric, the same ones in every stage and test.

A cluster is one value of ``clusters``; noise (-1) counts as one ordinary cluster in every score against labels, as in
pt-dec and ClustPy. Label-free scores leave noise out; only ``silhouette_all`` counts it, as 0. Labels are strings or
integers; clips without a label ("") are left out by the caller, since here "" would be one more class.
"""

import warnings
from collections.abc import Iterable

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy, rankdata
from sklearn import metrics as sk
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audioclust.threads import one_thread

LABEL_FREE = ("silhouette_all", "silhouette", "davies_bouldin", "calinski_harabasz")


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
    # Its tables are small: scikit-learn's checks of the arguments take ten times as long.
    one, other = (np.unique(each, return_inverse=True)[1] for each in (labels, clusters))
    table = np.bincount(one * (other.max() + 1) + other, minlength=(one.max() + 1) * (other.max() + 1))
    both, of_one, of_other, of_all = (
        (counts * (counts - 1.0)).sum() / 2
        for counts in (table, np.bincount(one), np.bincount(other), np.array([len(one)]))
    )
    expected, most = of_one * of_other / max(of_all, 1), (of_one + of_other) / 2
    return float((both - expected) / (most - expected)) if most != expected else 1.0


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return the adjusted Rand index of two labellings, 0 where all clips are in one cluster: that finds nothing."""
    return ari(one, other) if np.ptp(one) and np.ptp(other) else 0.0


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of clips in the best one-to-one match of clusters and classes (rectangular Hungarian)."""
    table = contingency_matrix(labels, clusters)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / table.sum())


def explained(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Return the share of the clusters' entropy that ``labels`` explain, Theil's U, adjusted for chance as the AMI is.

    Over 0.5 they say more about the clusters than everything else together; 0 on average for random clusters.
    """
    table = contingency_matrix(labels, clusters, sparse=True)
    chance = expected_mutual_information(table, int(table.sum()))
    information = sk.mutual_info_score(None, None, contingency=table)
    most = entropy(np.unique(clusters, return_counts=True)[1]) - chance
    return float((information - chance) / most) if most > 1e-12 else 0.0


AGAINST = {"nmi": nmi, "nmi_arithmetic": nmi_arithmetic, "ami": ami, "ari": ari, "acc": accuracy,
           "explained": explained}  # fmt: skip


def score(labels: np.ndarray, clusters: np.ndarray, names: Iterable[str] = tuple(AGAINST)) -> dict[str, float]:
    """Return the scores of those ``names`` of ``clusters`` (n,) against ``labels`` (n,).

    Raises:
        ValueError: the lengths differ or are zero, or ``clusters`` holds no integers.
    """
    labels, clusters = np.asarray(labels), _integers(clusters)
    if labels.shape != clusters.shape or not len(labels):
        raise ValueError(
            f"one label and one cluster per clip, at least one clip: got {labels.shape} and {clusters.shape}"
        )
    return {name: AGAINST[name](labels, clusters) for name in names}


def sizes(clusters: np.ndarray) -> dict[str, float]:
    """Return how ``clusters`` (n,) divide the clips; all but the first are shares of the n clips.

    ``clusters``: how many there are, noise not counted. ``noise``. ``largest``: in the largest cluster. ``coverage``:
    in a cluster of two or more clips, so neither noise nor alone. ``balance``: entropy of the clusters' sizes over that
    of equal ones, 1 where all are equally large; 0 of one cluster.
    """
    counts = np.unique(clusters[clusters != -1], return_counts=True)[1]
    return {
        "clusters": len(counts),
        "noise": float(np.mean(clusters == -1)),
        "largest": float(counts.max(initial=0) / len(clusters)),
        "coverage": float(counts[counts > 1].sum() / len(clusters)),
        "balance": float(entropy(counts) / np.log(len(counts))) if len(counts) > 1 else 0.0,
    }


def binned(values: np.ndarray, most: int = 10, least: int = 10) -> np.ndarray:
    """Return the quantile bin (n,) of each of the ``values`` (n,): ``least`` values per bin, at most ``most`` bins.

    Bins are of ranks, equal values at their mean rank: they share a bin, and of ten bins a value that a fifth of the
    clips have fills one alone, as the length to which longer recordings are cut. Few different values are a bin each.
    """
    different, each = np.unique(values, return_inverse=True)
    bins = int(np.clip(len(values) // least, 2, most))
    if len(different) <= bins:
        return each
    return ((rankdata(values) - 0.5) * bins / len(values)).astype(int)


def score_without_labels(
    x: np.ndarray, clusters: np.ndarray, random_state: int = 0, sample: int = 2000
) -> dict[str, float | None]:
    """Return silhouettes, Davies-Bouldin and Calinski-Harabasz of ``clusters`` (n,) in the space ``x`` (n, d).

    ``silhouette_all`` is the mean silhouette of all clips: noise counts 0, as a clip alone in its cluster does in both
    silhouettes. The other scores leave noise out. None where a score means nothing: fewer than two clusters, as many
    clusters as clips, or all clips at one point. ``sample`` bounds the clips that the quadratic silhouette looks at.

    Raises:
        ValueError: the lengths differ, or ``clusters`` holds no integers.
    """
    x, clusters = np.asarray(x), _integers(clusters)
    if len(x) != len(clusters):
        raise ValueError(f"one cluster per row of x: got {len(x)} rows and {len(clusters)} clusters")
    kept = float(np.mean(clusters != -1)) if len(clusters) else 0.0
    x, clusters = x[clusters != -1].astype(np.float64), clusters[clusters != -1]
    spread = x.std() if len(x) else 0.0
    if not _separable(clusters) or spread == 0:
        return dict.fromkeys(LABEL_FREE)
    # All three are free of scale in theory; scikit-learn's Davies-Bouldin takes distances below 1e-8 for zero.
    x /= spread
    some = np.random.default_rng(random_state).permutation(len(x))[:sample]
    silhouette = sk.silhouette_score(x[some], clusters[some]) if _separable(clusters[some]) else np.nan
    found = (
        silhouette * kept,
        silhouette,
        sk.davies_bouldin_score(x, clusters),
        sk.calinski_harabasz_score(x, clusters),
    )
    return {n: float(value) if np.isfinite(value) else None for n, value in zip(LABEL_FREE, found, strict=True)}


def linear_probe(x: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, folds: int = 5) -> float | None:
    """Return the accuracy of logistic regression on standardised ``x`` (n, d), each fold predicted from the others.

    A representation judged by itself: how far a plane parts the classes, whatever a clustering makes of it.

    Args:
        x: embedding.
        labels: (n,) classes; those with fewer clips than ``folds`` are left out.
        groups: (n,) of clips that stay in one fold together; None: there are none.
        folds: with about the same share of each class.

    Returns:
        None with fewer than two classes.
    """
    _, each, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = counts[each] >= folds
    if len(np.unique(each[kept])) < 2:
        return None
    x, y = np.asarray(x)[kept].astype(np.float64), each[kept]
    if groups is not None and len(np.unique(groups[kept])) >= folds:
        parts = StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(x, y, groups[kept])
    else:
        parts = StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y)
    with one_thread():
        right = [_right(x[train], y[train], x[test], y[test]) for train, test in parts]
    return float(np.concatenate(right).mean())


def _right(x: np.ndarray, y: np.ndarray, new: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return which of the ``new`` points are predicted right (bool) from points ``x`` of classes ``y``."""
    if len(np.unique(y)) < 2:  # the folds of groups may leave one
        return truth == y[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near the optimum predictions do not change
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(x, y)
    return model.predict(new) == truth


def _integers(clusters: np.ndarray) -> np.ndarray:
    clusters = np.asarray(clusters)
    if clusters.dtype.kind not in "iu":
        raise ValueError(f"clusters must be integers, -1 for noise: got an array of {clusters.dtype}")
    return clusters


def _separable(clusters: np.ndarray) -> bool:
    """Return whether a silhouette is defined: at least two clusters, and one of them with two clips."""
    return 2 <= len(np.unique(clusters)) < len(clusters)
