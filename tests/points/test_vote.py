"""Votes of neighbours, by hand and against all pairs of distances."""

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from audioclust.points.vote import NEIGHBOURS, confidence


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
    found = confidence(x, labels)
    assert np.isnan(found[labels < 0]).all()
    np.testing.assert_array_equal(found[labels >= 0], share[labels >= 0])


def test_of_few_points_all_others_are_asked():
    assert confidence(np.array([[0.0], [1], [2]]), np.array([0, 0, 1])).tolist() == [0.5, 0.5, 0]
    assert np.isnan(confidence(np.zeros((1, 2)), np.array([0]))).all()


def test_one_label_a_point():
    with pytest.raises(ValueError, match=r"labels of shape \(2,\) for 3 points: there must be one per point"):
        confidence(np.zeros((3, 2)), np.array([0, 1]))
