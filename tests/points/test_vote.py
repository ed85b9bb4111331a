"""Votes of neighbours, by hand and against all pairs of distances."""

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from audioclust.points.subset import NEIGHBOURS, nearest_of_rest, subset
from audioclust.points.vote import Voters, most, voted


def blobs(n=40, d=5, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return rng.normal(0, 1, (n, d)) + 3 * labels[:, None], labels


def test_confidence_is_the_share_of_the_nearest_others_in_the_same_cluster():
    x, labels = blobs()
    labels = np.where(np.arange(len(x)) % 7, labels, -1)
    apart = pairwise_distances(x)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    share = (labels[nearest] == labels[:, None]).mean(1)
    found = Voters.of(x, labels).own.confidence
    assert np.isnan(found[labels < 0]).all()
    np.testing.assert_array_equal(found[labels >= 0], share[labels >= 0])


def test_of_few_points_all_others_are_asked():
    assert Voters.of(np.array([[0.0], [1], [2]]), np.array([0, 0, 1])).own.confidence.tolist() == [0.5, 0.5, 0]


def test_later_points_have_the_label_of_most_neighbours_and_of_equally_many_that_of_the_nearest():
    assert most(np.array([[1, 0, 0, 1, 0], [2, 1, 1, 2, 0], [1, 2, 2, 1, 0]])).tolist() == [0, 2, 1]
    x, labels = blobs(60)
    found = Voters.of(x, labels)(np.array([[0.0] * 5, [3.0] * 5]))
    assert found.labels.tolist() == [0, 1] and (found.confidence == 1).all()


def test_a_label_that_is_known_from_elsewhere_has_the_share_of_the_neighbours_that_have_it():
    x, labels = blobs(60)
    found = Voters.of(x, labels)(np.zeros((2, 5)), labels=np.array([1, -1]))
    assert found.labels.tolist() == [1, -1] and found.confidence[0] < 0.5 and np.isnan(found.confidence[1])


def test_most_points_of_the_same_kind_lie_within_a_distance_of_1_and_others_nearest_of_rest():
    x, labels = blobs(200)
    voters = Voters.of(x, labels)
    assert np.mean(voters.own.distance <= 1) == pytest.approx(0.9, abs=0.01)
    later, _ = blobs(200, seed=1)
    assert np.mean(voters(later).distance <= 1) > 0.8
    assert (voters(later + 20).distance > 3).all()


def test_distances_are_relative_to_those_around_and_have_no_unit():
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(0, 0.1, (50, 3)), rng.normal(10, 1, (50, 3))]
    beside = np.r_[np.full((1, 3), 0.4), np.full((1, 3), 10.4)]
    dense, loose = Voters.of(x, np.arange(100) // 50)(beside).distance
    assert dense > loose
    scaled = Voters.of(x * 1e-6, np.arange(100) // 50)(beside * 1e-6).distance
    np.testing.assert_allclose(scaled, [dense, loose], rtol=1e-3)


def test_a_row_much_longer_than_all_others_is_far_out():
    x, labels = blobs(100)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    voters = Voters.of(x / length, labels, length)
    at, usual = x[:1] / length[:1], length[:1]
    assert voters(at, usual).distance[0] <= 1 < voters(at, 2 * length.max(keepdims=True)).distance[0]


def test_copies_do_not_make_all_others_far_and_equal_points_have_no_distance():
    x, labels = blobs(100)
    x[:50] = x[0]
    near = Voters.of(x, labels)(x[:1] + 0.01)
    assert near.distance[0] < 1
    voters = Voters.of(np.zeros((5, 2)), np.zeros(5))
    assert voters(np.array([[0.0, 0], [1, 0]])).distance.tolist() == [0, np.inf]
    assert (voters.own.distance == 0).all()


def test_one_label_per_voter():
    with pytest.raises(ValueError, match=r"labels of shape \(2,\) for 3 points: at least two, and one label each"):
        Voters.of(np.zeros((3, 2)), np.array([0, 1]))


def test_voters_with_other_labels_are_those_that_were_fitted_to_them():
    x = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
    lengths = np.linspace(1, 2, 60)[:, None]
    first, other = np.arange(60) % 3, np.arange(60) % 4 - 1
    found, expected = Voters.of(x, first, lengths).relabelled(other), Voters.of(x, other, lengths)
    for one, two in zip(vars(found).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_of_many_points_a_part_votes_on_the_others_too():
    x, labels = blobs(400)
    labels = np.where(np.arange(400) % 9, labels, -1)
    few, later = Voters.of(x, labels, size=100), blobs(50, seed=2)[0]
    rows = subset(400, 100)
    assert few.x.shape == (100, 5) and few.labels.shape == (400,) and np.array_equal(few.rows, rows)
    apart = pairwise_distances(x, x[rows])
    apart[rows, np.arange(100)] = np.inf
    nearest = np.argsort(apart, axis=1)[:, :NEIGHBOURS]
    np.testing.assert_array_equal(few.nearest, nearest)
    share = np.where(labels >= 0, (labels[rows][nearest] == labels[:, None]).mean(1), np.nan)
    np.testing.assert_array_equal(few.own.confidence, share)
    alone = Voters.of(x[rows], labels[rows])
    np.testing.assert_array_equal(few(later).labels, alone(later).labels)
    assert np.mean(few.own.distance <= 1) == pytest.approx(0.9, abs=0.01)
    other = np.arange(400) % 3
    np.testing.assert_array_equal(few.relabelled(other).own.confidence, Voters.of(x, other, size=100).own.confidence)


def test_points_outside_of_a_part_have_the_label_of_most_neighbours_in_it():
    x, labels = blobs(300)
    rows = subset(300, 90)
    found = voted(np.where(rows % 11, labels[rows], -1), rows, nearest_of_rest(x, rows)[2])
    np.testing.assert_array_equal(found[rows], np.where(rows % 11, labels[rows], -1))
    others = np.setdiff1d(np.arange(300), rows)
    near = rows[np.argsort(pairwise_distances(x[others], x[rows]), axis=1)[:, :NEIGHBOURS]]
    np.testing.assert_array_equal(found[others], most(np.where(near % 11, labels[near], -1)))
