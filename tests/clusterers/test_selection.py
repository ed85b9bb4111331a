"""The rule by which a scale is chosen without labels."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from audioclust.clusterers import meanshift
from audioclust.clusterers._selection import FEW, REASONABLE, SUBSTANTIAL, best_scale, distinct, judge
from audioclust.points.scale import centred

X = np.arange(10.0)[:, None]
HALVES, MIXED, ONE = np.repeat([0, 1], 5), np.tile([0, 1], 5), np.zeros(10, int)
NONE = np.zeros(10, bool)  # no copies


def test_a_partition_is_judged_by_its_silhouette():
    assert judge(X, HALVES, NONE) == pytest.approx(silhouette_score(X, HALVES))


def test_noise_and_points_alone_count_as_zero():
    labels = np.where(np.arange(10) == 4, -1, HALVES)
    kept = labels >= 0
    assert judge(X, labels, NONE) == pytest.approx(0.9 * silhouette_score(X[kept], labels[kept]))
    assert judge(X, np.where(np.arange(10) == 4, 2, HALVES), NONE) < judge(X, HALVES, NONE)


def test_one_cluster_loses_to_clusters_that_are_worse_than_chance():
    """The silhouette of mixed clusters is negative; one cluster, which has none, must not stand above it as zero."""
    assert -1 < judge(X, MIXED, NONE) < 0
    for ladder in ((1.0, 2.0), (1.0, 2.0, 3.0)):
        assert best_scale(ladder, lambda value: MIXED if value == 1 else ONE, X, NONE) == 1


@pytest.mark.parametrize("labels", [ONE, np.full(10, -1), np.arange(10)], ids=["one", "noise", "all alone"])
def test_an_answer_without_two_clusters_is_the_worst(labels):
    assert judge(X, labels, NONE) == -1


def test_the_smaller_scale_wins_a_tie_and_zero_is_no_scale():
    assert best_scale([0.0, 3.0, 2.0], lambda _: HALVES, X, NONE) == 2
    assert best_scale([0.0], lambda _: HALVES, X, NONE) == 1


def test_points_that_are_all_alone_count_by_their_copies():
    """As much as other clusters need to be a structure; more among few points, where chance makes clusters."""
    assert judge(X, np.arange(10), ~NONE) == REASONABLE
    assert judge(X, np.arange(10), np.arange(10) < 4) == pytest.approx(0.4 * REASONABLE)
    assert judge(X, np.where(np.arange(10) < 4, -1, np.arange(10)), ~NONE) == pytest.approx(0.6 * REASONABLE)
    many = np.arange(float(FEW))[:, None]
    assert judge(many, np.arange(FEW), np.ones(FEW, bool)) == SUBSTANTIAL
    assert judge(X, ONE, ~NONE) == -1
    assert judge(X, HALVES, ~NONE) == judge(X, HALVES, NONE)


def test_among_few_points_the_lowest_quantile_has_no_neighbour():
    assert meanshift.LADDER[0] * (FEW - 1) < 1 <= meanshift.LADDER[0] * FEW


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e6])
@pytest.mark.parametrize(("d", "offset"), [(1, 0), (2, 5), (20, 0), (20, 100)])
def test_copies_are_found_also_after_rounding(d, offset, scale):
    rng = np.random.default_rng(0)
    places = (rng.standard_normal((40, d)) + offset).astype(np.float32)
    of = rng.integers(0, 40, 300)
    of[:40] = np.arange(40)
    x = places[of] * (1 + 1e-7 * rng.choice([-1, 0, 1], (300, 1))).astype(np.float32)
    points = centred(x * np.float32(scale))
    found = distinct(points.x, points.rounding)
    np.testing.assert_array_equal(np.sort(of[found.rows]), np.arange(40))
    np.testing.assert_array_equal(found.copied, np.bincount(of)[of[found.rows]] > 1)


def test_points_that_differ_are_all_distinct_wherever_they_are():
    x = np.random.default_rng(0).standard_normal((500, 3))
    x[0] += 1e6  # one far off makes no copies of the others
    for moved in (x, x + 1e5, x.astype(np.float32)):
        points = centred(moved)
        found = distinct(points.x, points.rounding)
        np.testing.assert_array_equal(found.rows, np.arange(500))
        assert not found.copied.any()
        assert len(found.sample(7).rows) == 7
