"""Leave-one-out predictions of the ridge classifier beside fits that leave each point out in turn."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import cohen_kappa_score

from audioclust.points import ridge
from audioclust.points.ridge import kappa, loo_predictions


def points(n, d, k, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % k)
    return spread * rng.normal(size=(k, d))[labels] + rng.normal(size=(n, d)) + 5, labels


def brute_force(x, labels, share=0.01):
    """Fit scikit-learn's ridge regression n times, each without one point; the penalty is that of all points."""
    inside = np.flatnonzero(labels >= 0)
    x, own, found = x[inside].astype(float), labels[inside], np.full(len(labels), -1)
    penalty = share * np.square(x - x.mean(0)).sum() or 1.0
    values = np.unique(own)
    y = (own[:, None] == values).astype(float)
    for i, row in enumerate(inside):
        others = np.arange(len(x)) != i
        found[row] = values[Ridge(alpha=penalty).fit(x[others], y[others]).predict(x[i : i + 1]).argmax()]
    return found


@pytest.mark.parametrize(("n", "d", "k"), [(40, 5, 3), (30, 30, 4), (24, 60, 3), (5, 2, 2), (2, 3, 2), (25, 1, 3)])
@pytest.mark.parametrize("share", [0.01, 1e-4])
def test_predictions_are_those_of_fits_without_the_point(n, d, k, share):
    x, labels = points(n, d, k)
    np.testing.assert_array_equal(loo_predictions(x, labels, share), brute_force(x, labels, share))


def test_several_labellings_are_predicted_at_once_each_as_if_alone():
    x, labels = points(50, 6, 4)
    rng = np.random.default_rng(1)
    noisy = np.where(rng.random(50) < 0.2, -1, labels)
    single = np.where(np.arange(50) == 7, 9, labels)
    many = np.stack([labels, rng.integers(0, 7, 50), noisy, single, np.full(50, 3), np.full(50, -1)])
    before = x.copy(), many.copy()
    found = loo_predictions(x, many)
    for one, row in zip(found, many, strict=True):
        np.testing.assert_array_equal(one, loo_predictions(x, row))
    for i in range(4):
        np.testing.assert_array_equal(found[i], brute_force(x, many[i]))
    assert found.shape == many.shape and found.dtype == many.dtype
    np.testing.assert_array_equal(found[2] == -1, noisy == -1)
    assert found[3, 7] != 9
    assert (found[4] == 3).all() and (found[5] == -1).all()
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(many, before[1])


@pytest.mark.parametrize("shape", [(60, 7), (20, 50)])
def test_small_blocks_change_nothing(shape, monkeypatch):
    x, labels = points(*shape, 3)
    many = np.stack([labels, labels[::-1], np.minimum(labels, 1)])
    expected = loo_predictions(x, many)
    monkeypatch.setattr(ridge, "ENTRIES", 30)
    np.testing.assert_array_equal(loo_predictions(x, many), expected)


def test_points_in_float32_far_from_the_origin_are_told_apart():
    x, labels = points(60, 4, 3, spread=6)
    moved = (x + 1e4).astype(np.float32)
    np.testing.assert_array_equal(loo_predictions(moved, labels), brute_force(moved, labels))
    assert kappa(labels, loo_predictions(moved, labels)) > 0.9


def test_equal_points_are_of_the_larger_cluster():
    labels = np.array([0, 0, 0, 0, 1, 1])  # left out, one of the 0s still leaves more of them
    assert (loo_predictions(np.ones((6, 3)), labels) == 0).all()


def test_a_point_alone_has_no_prediction():
    np.testing.assert_array_equal(loo_predictions(np.eye(3), np.array([-1, 2, -1])), [-1, -1, -1])
    assert kappa([-1, 2, -1], [-1, -1, -1]) == 0 and kappa([-1], [-1]) == 0


def test_kappa_is_scikit_learns_without_noise():
    rng = np.random.default_rng(0)
    one, other = rng.integers(-1, 4, (2, 3, 80))
    other = np.where(one < 0, -1, np.maximum(other, 0))
    expected = [cohen_kappa_score(a[a >= 0], b[a >= 0]) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(kappa(one, other), expected)
    assert kappa(one[0], other[0]) == pytest.approx(expected[0]) and isinstance(kappa(one[0], other[0]), float)
    assert kappa(np.arange(4), np.arange(4)) == 1


def test_one_cluster_says_nothing():
    x, _ = points(20, 3, 1)
    labels = np.zeros(20, int)
    assert kappa(labels, loo_predictions(x, labels)) == 0


def test_kappa_tells_a_labelling_of_structure_from_a_random_one():
    x, labels = points(200, 10, 4, spread=2)
    random = np.random.default_rng(2).permutation(labels)
    good, bad = kappa(np.stack([labels, random]), loo_predictions(x, np.stack([labels, random])))
    assert good > 0.9 and abs(bad) < 0.2


@pytest.mark.parametrize(
    ("labels", "share", "rule"),
    [
        (np.zeros(4, int), 0.01, r"labels of shape \(4,\), int64: give integers, one for each of 5 points"),
        (np.zeros(5), 0.01, r"labels of shape \(5,\), float64"),
        (np.zeros(5, int), 0.0, r"ridge=0.0 should be > 0"),
    ],
)
def test_wrong_labels_and_penalties_are_errors(labels, share, rule):
    with pytest.raises(ValueError, match=rule):
        loo_predictions(np.ones((5, 2)), labels, share)
