"""Later points are scaled like those that a scaling was made of."""

from typing import get_args

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler, normalize

from audioclust.points.scale import Scale, Scaling, scale

X = np.random.default_rng(0).normal(3, [1, 2, 0.1], (50, 3)).astype(np.float32)


@pytest.mark.parametrize("how", get_args(Scale))
def test_each_point_is_scaled_as_among_the_fitted_ones(how):
    scaling, whole = Scaling.of(X, how), scale(X, how)
    assert np.array_equal(np.concatenate([scaling(X[:7]), scaling(X[7:])]), whole)
    assert whole.dtype == np.float32


def test_later_points_have_the_mean_and_the_deviation_of_the_fitted_ones():
    later, scaling = X[:9] * 2, Scaling.of(X, "standardise_l2")
    standardised = StandardScaler().fit(X).transform(later)
    np.testing.assert_allclose(scaling(later), normalize(standardised), atol=1e-5)
    np.testing.assert_allclose(scaling.lengths(later), np.linalg.norm(standardised, axis=1), rtol=1e-5)


def test_a_dimension_without_variance_stays_zero_whatever_comes_later():
    x = np.c_[X, np.full(len(X), 7, np.float32)]
    assert not Scaling.of(x, "standardise")(x + 1)[:, 3].any()
