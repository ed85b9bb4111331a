"""The rule by which a scale is chosen without labels."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from audioclust.clusterers._selection import best_scale, judge

X = np.arange(10.0)[:, None]
HALVES, MIXED, ONE = np.repeat([0, 1], 5), np.tile([0, 1], 5), np.zeros(10, int)


def test_a_partition_is_judged_by_its_silhouette():
    assert judge(X, HALVES) == pytest.approx(silhouette_score(X, HALVES))


def test_noise_and_points_alone_count_as_zero():
    labels = np.where(np.arange(10) == 4, -1, HALVES)
    kept = labels >= 0
    assert judge(X, labels) == pytest.approx(0.9 * silhouette_score(X[kept], labels[kept]))
    assert judge(X, np.where(np.arange(10) == 4, 2, HALVES)) < judge(X, HALVES)


def test_one_cluster_loses_to_clusters_that_are_worse_than_chance():
    """The silhouette of mixed clusters is negative; one cluster, which has none, must not stand above it as zero."""
    assert -1 < judge(X, MIXED) < 0
    for ladder in ((1.0, 2.0), (1.0, 2.0, 3.0)):
        assert best_scale(ladder, lambda value: MIXED if value == 1 else ONE, X) == 1


@pytest.mark.parametrize("labels", [ONE, np.full(10, -1), np.arange(10)], ids=["one", "noise", "all alone"])
def test_an_answer_without_two_clusters_is_the_worst(labels):
    assert judge(X, labels) == -1


def test_the_smaller_scale_wins_a_tie_and_zero_is_no_scale():
    assert best_scale([0.0, 3.0, 2.0], lambda _: HALVES, X) == 2
    assert best_scale([0.0], lambda _: HALVES, X) == 1
