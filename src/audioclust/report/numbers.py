"""How many clusters: what is known of each number without labels.

Few clusters are easy to find again and easy to see, many are not, so that no curve has its maximum at the right number
by itself. ``advice`` therefore asks five criteria and says how far they agree; where they do not, it gives no number.
docs/LOG.md has how often the true number lay within.

Shapes: n clips, d dimensions.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.metrics import silhouette_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.metrics.pairwise import euclidean_distances

from audioclust.clusterers.kmeans import KMeans, principal
from audioclust.clusterers.spectral import connect
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import scale
from audioclust.report.choice import kappas, seen
from audioclust.report.metrics import agreement
from audioclust.threads import one_thread

PARTS, SHARE = 4, 0.8  # random parts of the clips that are clustered again, and how large they are
SEEDS = 3  # runs that are compared
N_INIT = 3  # of k-means
DIMENSIONS = 64  # principal components that k-means runs on
NEIGHBOURS = 10  # of each clip, in the graph of the eigengap
PER_CLUSTER = 5  # clips on average, at least
MOST = 50  # clusters
DIGITS = 4
FOUND = 0.75  # Jaccard index from which a cluster is found again (Hennig, 2007)
SURE = 0.9  # of the clips: that many are in clusters that are found again
SEEN = 0.05  # of kappa: so much below the best is as good
LOOSE = 0.1  # eigenvalues below are taken for that: parts of the graph that hardly hang together
GAP = 0.2  # between eigenvalues, as a share of the larger one, at least
CHANCE, LEAST = 1.6, 0.01  # silhouettes: so many times that of points without clusters, and so much beyond it
STRONG = 0.5  # a silhouette that clusters alone have (Kaufman and Rousseeuw, 1990)
CLEAR, OPEN = 1.5, 4.0  # from the lowest to the highest number: up to there it is clear, and beyond there open


class Advice(NamedTuple):
    """What the curves speak for; the numbers are None where they speak for none."""

    low: int | None
    best: int | None
    high: int | None
    sentence: str

    @property
    def clear(self) -> bool:
        """Whether the criteria agree well enough to go by them."""
        return self.low is not None and self.high <= CLEAR * self.low


def candidates(n: int, k: int) -> list[int]:
    """Return the numbers of clusters of a curve for n clips, ``k`` among them: each to 12, then steps of a fifth."""
    found, number = [], 2
    while number <= min(n // PER_CLUSTER, max(MOST, 2 * k)):
        found.append(number)
        number += max(1, number // 6)
    return sorted({*found, k}) if 2 <= k < n else found


def curve(spaces: Mapping[str, np.ndarray], encoder: str, k: int, random_state: int = 0) -> pd.DataFrame:
    """Return one row per number of clusters, of k-means on one encoder's space: ``k``, and what is known of it.

    * ``found_again``: the mean adjusted Rand index with the clusters of random parts of the clips.
    * ``stable``: the share of the clips that are in clusters which are found again each for itself, see ``stable``.
    * ``agreement``: the mean adjusted Rand index of runs that differ in their random numbers.
    * ``silhouette``: the mean over all clips, of which one that is alone in its cluster counts 0.
    * ``by_chance``: that of points without clusters, Gaussian with the mean and covariance of the clips.
    * ``eigengap``: see ``eigengaps``.
    * ``kappa``: how well the clusters are seen in the spaces of the other encoders, see ``report.choice``.

    Args:
        spaces: by encoder, (n, d) of the same clips, of any scale.
        encoder: the one whose clusters are counted.
        k: the number that was asked for, in any case a row.
        random_state: of the parts and of k-means.
    """
    x = scale(spaces[encoder], "standardise_l2")
    numbers, random = candidates(len(x), k), np.random.default_rng(random_state)
    parts = [np.sort(random.permutation(len(x))[: int(SHARE * len(x))]) for _ in range(PARTS)]
    with one_thread():
        chance = _without_clusters(x, random)
        points, distances = _principal(x, random_state), _distances(x)
        without, between = _principal(chance, random_state), _distances(chance)
        rows, labellings = [], []
        for number in numbers:
            runs = [_clusters(points, number, random_state + seed) for seed in range(SEEDS)]
            again = [_clusters(points[part], number, random_state) for part in parts]
            rows.append({
                "k": number,
                "found_again": _mean_agreement(again, [runs[0][part] for part in parts]),
                "stable": stable(runs[0], again, parts),
                "agreement": _mean_agreement(runs, [*runs[1:], runs[0]]),
                "silhouette": _silhouette(distances, runs[0]),
                "by_chance": _silhouette(between, _clusters(without, number, random_state)),
            })  # fmt: skip
            labellings.append(runs[0])
        found = pd.DataFrame(rows, columns=["k", "found_again", "stable", "agreement", "silhouette", "by_chance"])
        kappa = seen(kappas(spaces, np.stack(labellings)), [[encoder]] * len(labellings)) if rows else []
        return found.assign(eigengap=eigengaps(x, numbers), kappa=kappa).round(DIGITS)


def _principal(x: np.ndarray, random_state: int) -> np.ndarray:
    """Return ``x`` (n, d) in its ``DIMENSIONS`` leading principal axes, where it has more."""
    centred = x - x.mean(axis=0)
    return principal(centred, DIMENSIONS, np.random.default_rng(random_state)) if x.shape[1] > DIMENSIONS else centred


def _without_clusters(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return points (n, d) of a Gaussian with mean and covariance of ``x`` (n, d), scaled to length 1 as ``x`` is."""
    mean = x.mean(axis=0)
    weights = random.standard_normal((len(x), len(x)), dtype=np.float32)
    return scale(weights @ (x - mean) / np.float32(np.sqrt(max(len(x), 1))) + mean, "l2")


def _distances(x: np.ndarray) -> np.ndarray:
    found = euclidean_distances(x.astype(np.float64))
    np.fill_diagonal(found, 0)
    return found


def _clusters(x: np.ndarray, k: int, random_state: int) -> np.ndarray:
    return KMeans(min(k, len(x)), n_init=N_INIT, random_state=random_state).fit(x).labels_


def _mean_agreement(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return float(np.mean([agreement(one, other) for one, other in zip(some, others, strict=True)]))


def _silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    several = 1 < len(np.unique(labels)) < len(labels)
    return float(silhouette_score(distances, labels, metric="precomputed")) if several else 0.0


def stable(labels: np.ndarray, again: list[np.ndarray], parts: list[np.ndarray]) -> float:
    """Return the share of clips in clusters that parts of the clips find again (Hennig, 2007).

    A cluster's Jaccard index with that cluster of a part which is most like it, mean over the parts, is ``FOUND`` then.

    Args:
        labels: (n,) clusters 0, 1, ...
        again: clusters of each part.
        parts: rows of each part.
    """
    total = np.zeros(labels.max() + 1)
    for found, rows in zip(again, parts, strict=True):
        own = labels[rows]
        both = contingency_matrix(own, found)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
        total[np.unique(own)] += (both / either).max(axis=1)
    return float(np.isin(labels, np.flatnonzero(total >= FOUND * len(parts))).mean())


def eigengaps(x: np.ndarray, numbers: list[int]) -> np.ndarray:
    """Return how far the neighbour graph of ``x`` (n, d) falls into each of the ``numbers`` of parts, from 0 to 1.

    For k it is 1 - a / b of the k-th and the next smallest eigenvalue a and b of the normalised Laplacian (von Luxburg,
    2007). Eigenvalues grow with k, and gaps with them, so that gaps of different k compare as shares of the larger
    eigenvalue; those below ``LOOSE`` count as ``LOOSE``.
    """
    if not numbers or np.ptp(x, axis=0).max() == 0:
        return np.zeros(len(numbers))
    graph = connect(Neighbours(x), min(NEIGHBOURS, len(x) - 1)).toarray()
    root = np.sqrt(graph.sum(axis=1))
    laplacian = np.eye(len(x)) - graph / root / root[:, None]
    values = eigh(laplacian, eigvals_only=True, subset_by_index=(0, min(max(numbers), len(x) - 1)))
    values, at = np.append(values, values[-1]).clip(LOOSE), np.array(numbers)
    return 1 - values[at - 1] / values[at]


def votes(curve: pd.DataFrame) -> dict[str, int]:
    """Return for each criterion, by its column, the number of clusters that it speaks for; none of one that has none.

    ``stable`` and ``kappa``: the largest number that is as good as the best. The others: the best number, unless it is
    the largest that was tried, beyond which there may be better ones. Two clusters are left out of the agreement of
    runs and parts, as they agree easily, and gaps below ``GAP`` are none.
    """
    if curve.empty:
        return {}
    curve = curve.set_index("k")
    last = {"stable": curve["stable"] >= SURE, "kappa": curve["kappa"] >= curve["kappa"].max() - SEEN}
    again = (curve["found_again"] + curve["agreement"]) / 2
    gaps = curve["eigengap"]
    best = {"agreement": again[again.index > 2], "silhouette": curve["silhouette"], "eigengap": gaps[gaps >= GAP]}
    found = {name: int(good.index[good].max()) for name, good in last.items() if good.any()}
    tops = {name: int(values.idxmax()) for name, values in best.items() if len(values) and values.max() > 0}
    return found | {name: number for name, number in tops.items() if number < curve.index.max()}


def advice(curve: pd.DataFrame) -> Advice:
    """Return what the criteria speak for: the lowest, the middle and the highest number, and a sentence for users."""
    named = sorted(votes(curve).values())
    if not named:
        return Advice(None, None, None, "there are too few clips to count clusters")
    if not _parted(curve):
        return Advice(None, None, None, "no number of clusters parts the clips better than points without clusters")
    low, best, high = named[0], named[(len(named) - 1) // 2], named[-1]
    if low == high:
        return Advice(low, best, high, f"everything speaks for {best} clusters")
    if high > OPEN * low:
        text = f"how many clusters there are stays open: criteria speak for {low} to {high}, the middle one for {best}"
        return Advice(low, best, high, text)
    return Advice(low, best, high, f"between {low} and {high} clusters, the middle criterion speaks for {best}")


def _parted(curve: pd.DataFrame) -> bool:
    """Tell whether the clips fall into clusters at all."""
    beyond = curve["silhouette"] - CHANCE * curve["by_chance"].clip(lower=0)
    return bool(beyond.max() > LEAST or curve["silhouette"].max() >= STRONG)
