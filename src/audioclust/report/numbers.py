"""How many clusters: what is known of each number without labels, as curves and not as a decision.

Few clusters are easy to find again and easy to see, many are not, so that no curve has its maximum at the right number
by itself; a number after which all of them fall is one that the recordings speak for. docs/LOG.md has the curves of
``scenes``.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_score

from audioclust.clusterers.kmeans import KMeans
from audioclust.points.scale import scale
from audioclust.report.choice import kappas, seen
from audioclust.report.metrics import agreement

PARTS, SHARE = 4, 0.8  # random parts of the clips that are clustered again, and how large they are
N_INIT = 3  # of k-means
PER_CLUSTER = 5  # clips on average, at least
MOST = 50  # clusters
SURE = 0.9  # of ``found_again``: clusters that are found again nearly as they were


def candidates(n: int, k: int) -> list[int]:
    """Return the numbers of clusters of a curve for n clips, ``k`` among them: each to 12, then steps of a fifth."""
    found, number = [], 2
    while number <= min(n // PER_CLUSTER, max(MOST, 2 * k)):
        found.append(number)
        number += max(1, number // 6)
    return sorted({*found, k}) if 2 <= k < n else found


def curve(spaces: Mapping[str, np.ndarray], encoder: str, k: int, random_state: int = 0) -> pd.DataFrame:
    """Return one row per number of clusters, of k-means on one encoder's space: ``k``, and three measures.

    * ``found_again``: the mean adjusted Rand index with the clusters of random parts of the clips.
    * ``kappa``: how well the clusters are seen in the spaces of the other encoders, see ``report.choice``.
    * ``silhouette``: the mean over all clips.

    Args:
        spaces: by encoder, (n, d) of the same clips, of any scale.
        encoder: the one whose clusters are counted.
        k: the number that was asked for, in any case a row.
        random_state: of the parts and of k-means.
    """
    x = scale(spaces[encoder], "standardise_l2")
    numbers, random = candidates(len(x), k), np.random.default_rng(random_state)
    parts = [np.sort(random.permutation(len(x))[: int(SHARE * len(x))]) for _ in range(PARTS)]
    rows, labellings = [], []
    for number in numbers:
        labels = _clusters(x, number, random_state)
        again = [agreement(_clusters(x[part], number, random_state), labels[part]) for part in parts]
        several = 1 < len(np.unique(labels)) < len(x)
        rows.append((number, float(np.mean(again)), float(silhouette_score(x, labels)) if several else 0.0))
        labellings.append(labels)
    found = pd.DataFrame(rows, columns=["k", "found_again", "silhouette"])
    kappa = seen(kappas(spaces, np.stack(labellings)), [[encoder]] * len(labellings)) if rows else []
    return found.assign(kappa=kappa)


def _clusters(x: np.ndarray, k: int, random_state: int) -> np.ndarray:
    return KMeans(min(k, len(x)), n_init=N_INIT, random_state=random_state).fit(x).labels_


def said(curve: pd.DataFrame) -> str:
    """Return what the curve says of the number of clusters, in words."""
    sure = curve["found_again"] >= SURE
    if not sure.any():
        return "no number of clusters is found again surely"
    spans = curve.loc[sure, "k"].groupby((sure != sure.shift()).cumsum()).agg(["first", "last"])
    shown = [f"{a} to {b}" if a < b else str(a) for a, b in spans.itertuples(index=False)]
    return f"{', '.join(shown)} clusters are found again surely"
