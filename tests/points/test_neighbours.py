"""The neighbour graph is exact, leaves the point itself out, and is computed once."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from audioclust.points import neighbours
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import scale

X = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)


def brute(x, k):
    x = x.astype(np.float64)
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distance, order, axis=1), order


@pytest.mark.parametrize("d", [1, 2, 12])
@pytest.mark.parametrize("k", [1, 7, 199])
def test_same_as_brute_force(k, d):
    x = X[:, :d]
    distances, indices = Neighbours(x).query(k)
    expected, order = brute(x, k)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(distances, expected, rtol=1e-5, atol=1e-6)


def test_same_as_scikit_learn_away_from_the_origin():
    far = (X + 1000).astype(np.float32)
    distances, _ = Neighbours(far).query(5)
    np.testing.assert_allclose(distances, NearestNeighbors(n_neighbors=5).fit(far).kneighbors()[0], rtol=1e-5)


@pytest.mark.parametrize("d", [2, 12])
def test_no_point_is_its_own_neighbour_among_duplicates(d):
    x = np.repeat(X[:8, :d], 25, axis=0)
    distances, indices = Neighbours(x).query(10)
    assert (indices != np.arange(len(x))[:, None]).all()
    assert (distances == 0).all()
    assert (indices // 25 == np.arange(len(x))[:, None] // 25).all()
    assert all(len(set(row)) == 10 for row in indices)


def test_smaller_queries_are_slices_and_cost_nothing(monkeypatch):
    calls = []
    search = neighbours._search
    monkeypatch.setattr(neighbours, "_search", lambda x, k, threads: calls.append(k) or search(x, k, threads))
    graph = Neighbours(X)
    large = graph.query(20)
    small = graph.query(5)
    assert calls == [20]
    np.testing.assert_array_equal(small[1], large[1][:, :5])
    graph.query(30)
    assert calls == [20, 30]


def test_a_given_graph_is_used_as_it_is():
    distances, indices = Neighbours(X).query(9)
    again = Neighbours(X, distances, indices)
    assert np.shares_memory(again.query(9)[0], distances) and np.shares_memory(again.query(9)[1], indices)


@pytest.mark.parametrize("d", [2, 12])
def test_threads_do_not_change_the_result(d):
    x = X[:, :d]
    for one, two in zip(Neighbours(x).query(9), Neighbours(x, threads=2).query(9), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("k", [0, 200, 500])
def test_k_out_of_range_names_the_rule(k):
    with pytest.raises(ValueError, match=rf"k={k} neighbours of 200 points"):
        Neighbours(X).query(k)


def test_cosine_neighbours_of_points_of_length_one():
    _, indices = Neighbours(scale(X, "l2")).query(6)
    expected = NearestNeighbors(n_neighbors=6, metric="cosine").fit(X.astype(np.float64)).kneighbors()[1]
    np.testing.assert_array_equal(indices, expected)


@pytest.mark.parametrize("d", [3, 20])
def test_neighbours_of_other_points_are_those_of_all_distances(d):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, d)), rng.normal(size=(17, d))
    apart = np.linalg.norm(y[:, None] - x[None], axis=2)
    distances, indices = Neighbours(x).of(y, 5)
    assert np.array_equal(indices, np.argsort(apart, axis=1)[:, :5]) and indices.dtype == np.int32
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :5], rtol=1e-5)
    assert Neighbours(x).of(y[:0], 5)[0].shape == (0, 5)
    with pytest.raises(ValueError, match="k=61 of 60 points"):
        Neighbours(x).of(y, 61)
