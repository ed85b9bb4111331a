"""A part of many points: which it is, and where the others go."""

import numpy as np
from sklearn.metrics import pairwise_distances

from audioclust.points import subset as module
from audioclust.points.subset import NEIGHBOURS, nearest_of_rest, placed, subset

X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def test_a_part_is_ascending_the_same_each_time_and_all_of_few():
    rows = subset(200, 50)
    assert len(rows) == 50 and (np.diff(rows) > 0).all() and np.array_equal(rows, subset(200, 50))
    np.testing.assert_array_equal(subset(40, 50), np.arange(40))


def test_others_are_compared_with_the_part_block_by_block(monkeypatch):
    rows = subset(200, 60)
    whole = nearest_of_rest(X, rows, 4)
    monkeypatch.setattr(module, "BLOCK", 21)
    for one, two in zip(nearest_of_rest(X, rows, 4), whole, strict=True):
        np.testing.assert_array_equal(one, two)
    others, distances, nearest = whole
    apart = pairwise_distances(X[others], X[rows])
    np.testing.assert_array_equal(nearest, np.argsort(apart, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :4], rtol=1e-5)


def test_others_are_placed_at_the_median_of_their_neighbours():
    rows, islands = subset(200, 60), np.zeros((60, 2), np.float32)
    islands[:, 0] = np.where(X[rows, 0] > 0, 10, -10)
    found = placed(islands, rows, nearest_of_rest(X, rows)[2])
    np.testing.assert_array_equal(found[rows], islands)
    others = np.setdiff1d(np.arange(200), rows)
    near = np.argsort(pairwise_distances(X[others], X[rows]), axis=1)[:, :NEIGHBOURS]
    np.testing.assert_allclose(found[others], np.median(islands[near], axis=1))
