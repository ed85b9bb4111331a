"""Scaling, and every reducer held to the contract of ``audioclust.reducers``; then what is peculiar to each.

A new file there is tested without an edit here.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.decomposition import PCA as Reference
from sklearn.manifold import TSNE as BarnesHut
from sklearn.manifold import _t_sne
from sklearn.preprocessing import StandardScaler, normalize

from audioclust import registry
from audioclust.parameters import types
from audioclust.points import principal
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import scale
from audioclust.reducers.pca import PCA
from audioclust.reducers.tsne import TSNE, tsne
from audioclust.reducers.tsne.affinities import joint
from audioclust.reducers.tsne.forces import Mesh, pairs
from audioclust.reducers.umap import UMAP

RNG = np.random.default_rng(0)
SPREAD = np.diag(np.linspace(3, 0.2, 20))
X = (RNG.normal(size=(150, 20)) @ SPREAD + RNG.normal(size=20)).astype(np.float32)


def blobs(n, d=10):
    rng = np.random.default_rng(1)
    return (rng.normal(size=(4, d))[np.arange(n) % 4] * 6 + rng.normal(size=(n, d))).astype(np.float32)


def kept(x, found, k=10):
    """Return the share of each point's k neighbours in ``x`` that are among its k in ``found``."""
    before, after = Neighbours(x).query(k)[1], Neighbours(found).query(k)[1]
    return (before[:, :, None] == after[:, None, :]).any(axis=2).mean()


def test_standardise_is_scikit_learns():
    np.testing.assert_allclose(scale(X, "standardise"), StandardScaler().fit_transform(X), atol=1e-5)


def test_l2_is_scikit_learns():
    np.testing.assert_allclose(scale(X, "l2"), normalize(X), rtol=1e-6)


def test_none_leaves_the_points_alone():
    np.testing.assert_array_equal(scale(X, "none"), X)


def test_standardised_dimensions_then_rows_of_length_1():
    np.testing.assert_array_equal(scale(X, "standardise_l2"), scale(scale(X, "standardise"), "l2"))


@pytest.mark.parametrize("how", ["standardise", "l2", "standardise_l2"])
def test_dead_dimensions_and_silent_rows_stay_finite(how):
    x = X.copy()
    x[:, 3], x[:, 4], x[7] = 0, 0.1, 0
    found = scale(x, how)
    assert np.isfinite(found).all() and (found[:, 3] == 0).all()
    constant = np.full((40, 3), 0.1, np.float32)
    assert (scale(constant, "standardise") == 0).all()


KINDS = [registry.get("reducers", name) for name in registry.names("reducers")]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
settings = pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in types(kind)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)


QUICK = {"layer_epochs": 2, "epochs": 20}  # of what is trained, for what does not depend on how well it is


def reduced(kind, x, seed=3, **parameters):
    """Return what a reducer makes of ``x``; skip the test where its library is not installed."""
    try:
        return kind(random_state=seed, **parameters).fit_transform(x)
    except ImportError as error:
        pytest.skip(str(error))


def quick(kind, x, seed=3):
    return reduced(kind, x, seed, **{key: value for key, value in QUICK.items() if key in types(kind)})


@every
def test_same_seed_same_bytes_and_the_input_is_left_alone(kind):
    x, before = X[:60].copy(), X[:60]
    one, two, other = quick(kind, x), quick(kind, x), quick(kind, x, seed=4)
    assert one.dtype == np.float32 and one.ndim == 2 and len(one) == len(x) and one.shape[1] <= x.shape[1]
    np.testing.assert_array_equal(one, two)
    assert np.array_equal(one, other) != kind.stochastic
    np.testing.assert_array_equal(x, before)


@every
def test_neighbourhoods_are_kept_better_than_by_chance(kind):
    assert kept(X, reduced(kind, X)) > 3 * 10 / len(X)


@every
@pytest.mark.parametrize("n", [4, 20])
def test_points_that_coincide_stay_one_point_and_few_are_enough(kind, n):
    found = quick(kind, np.full((n, 5), 0.1, np.float32))
    assert len(found) == n and (found == found[0]).all()
    assert np.isfinite(quick(kind, X[:n])).all()


@every
def test_duplicates(kind):
    assert np.isfinite(quick(kind, np.repeat(X[:12], 10, axis=0))).all()


@settings
def test_a_wrong_value_stops_at_once_and_is_named(kind, name):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{name} = 'no such value'"):
        kind(**{name: "no such value"}).fit_transform(X)


@pytest.mark.parametrize("shape", [(150, 20), (15, 20)])
def test_pca_is_scikit_learns_up_to_sign(shape):
    x = X[: shape[0], : shape[1]]
    found = PCA(5).fit_transform(x)
    expected = Reference(5, svd_solver="full").fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)
    np.testing.assert_array_equal(np.sign((found * expected).sum(axis=0)), np.sign(found[0] * expected[0]))


def test_pca_of_many_dimensions_keeps_the_same_variance(monkeypatch):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 200)) * (1 + np.arange(200)) ** -0.7 @ rng.normal(size=(200, 200))).astype(np.float32)
    kept = []
    for direct in (principal.DIRECT, 10):
        monkeypatch.setattr(principal, "DIRECT", direct)
        kept.append(PCA(20).fit_transform(x))
    expected = Reference(20, svd_solver="full").fit_transform(x.astype(np.float64)).var(axis=0).sum()
    assert [each.var(axis=0).sum() for each in kept] == pytest.approx([expected, expected], rel=1e-5)
    np.testing.assert_allclose(kept[0][:, :5], kept[1][:, :5], atol=1e-2 * kept[0].std())


@pytest.mark.parametrize("rank", [1, 5, 12])
def test_axes_are_orthogonal_where_the_points_span_little(rank, monkeypatch):
    monkeypatch.setattr(principal, "DIRECT", 100)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(600, rank)) @ rng.normal(size=(rank, 200))).astype(np.float32)
    found = principal.axes(x - x.mean(axis=0), 16)
    np.testing.assert_allclose(found.T @ found, np.eye(16), atol=1e-5)


def test_pca_of_large_and_of_small_numbers_is_that_of_ordinary_ones():
    expected = PCA(5).fit_transform(X)
    for factor in (1e25, 1e-25):
        np.testing.assert_allclose(
            PCA(5).fit_transform(X * np.float32(factor)) / factor, expected, rtol=1e-3, atol=1e-3
        )


def test_pca_of_few_distinct_points_in_many_dimensions(monkeypatch):
    monkeypatch.setattr(principal, "DIRECT", 2)
    x = np.repeat(RNG.normal(size=(3, 40)), 10, axis=0).astype(np.float32)
    found = PCA(5).fit_transform(x)
    expected = ((x[:, None] - x[None]) ** 2).sum(2)
    np.testing.assert_allclose(((found[:, None] - found[None]) ** 2).sum(2), expected, rtol=1e-3, atol=1e-3)


def test_pca_has_as_many_dimensions_as_the_data_allow():
    assert PCA(50).fit_transform(X).shape == (150, 20)
    reducer = PCA(50)
    assert reducer.fit_transform(X[:9]).shape == (9, 8) and reducer.dim_ == 8


def test_affinities_are_scikit_learns():
    distances, indices = Neighbours(X).query(90)
    graph = csr_array((distances.ravel().astype(np.float64) ** 2, indices.ravel(), np.arange(0, 90 * 151, 90)))
    expected = _t_sne._joint_probabilities_nn(graph.tocsr(), 30.0, 0)
    np.testing.assert_allclose(joint(distances, indices, 30.0).toarray(), expected.toarray(), rtol=1e-3, atol=1e-9)


def brute_force(y):
    """Return the repulsion (3, n) and Z in float64, as their formulae stand."""
    difference = y[:, :, None].astype(np.float64) - y[:, None]
    q = 1 / (1 + (difference**2).sum(0))
    np.fill_diagonal(q, 0)
    return (q**2 * difference).sum(2), q.sum()


@pytest.mark.parametrize("reach", [1e-4, 1.0, 40.0])
@pytest.mark.parametrize(("repulsion", "error"), [(pairs, 1e-4), (Mesh(), 0.03)], ids=["pairs", "mesh"])
def test_repulsion(repulsion, error, reach):
    y = np.zeros((3, 400), np.float32)
    y[:2] = reach * np.random.default_rng(0).uniform(-1, 1, (2, 400))
    expected, z = brute_force(y)
    force = np.full_like(y, np.nan)
    assert repulsion(y, force) == pytest.approx(z, rel=1e-3)
    assert np.linalg.norm(force - expected) < error * np.linalg.norm(expected)


def test_repulsion_in_space():
    y = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    force = np.empty_like(y)
    expected, z = brute_force(y)
    assert pairs(y, force) == pytest.approx(z, rel=1e-5)
    np.testing.assert_allclose(force, expected, rtol=1e-3, atol=1e-3)


def divergence(p, found):
    """Return the Kullback-Leibler divergence of a map from affinities (n, n)."""
    q = 1 / (1 + ((found[:, None].astype(np.float64) - found[None]) ** 2).sum(2))
    np.fill_diagonal(q, 0)
    there = p > 0
    return float((p[there] * np.log(p[there] / (q / q.sum())[there])).sum())


EXACT = pytest.mark.parametrize("exact", [1500, 0], ids=["pairs", "mesh"])


@EXACT
def test_tsne_reaches_what_scikit_learns_does(exact, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT", exact)
    x = blobs(300)
    p = joint(*Neighbours(x).query(90), 30.0).toarray()
    start = TSNE()._start(x).astype(np.float32)
    peer = BarnesHut(2, init=start, max_iter=750, learning_rate="auto", random_state=0).fit_transform(x)
    found = TSNE().fit_transform(x)
    assert found.shape == (300, 2)
    assert divergence(p, found) < 1.02 * divergence(p, peer)


@EXACT
def test_tsne_keeps_neighbours_better_than_its_start(exact, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT", exact)
    x = blobs(300)
    assert kept(x, TSNE(iterations=300).fit_transform(x)) > max(kept(x, PCA(2).fit_transform(x)) + 0.1, 0.35)


@EXACT
def test_tsne_seeds_give_different_maps(exact, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT", exact)
    x, model = blobs(120), TSNE(perplexity=10.0, iterations=260)
    maps = [replace(model, random_state=seed).fit_transform(x) for seed in (0, 1, 0)]
    assert not np.array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_tsne_of_shared_neighbours_is_that_of_its_own():
    shared = Neighbours(X)
    maps = [TSNE(perplexity=10.0, iterations=250).fit_transform(X, neighbours=each) for each in (shared, None)]
    np.testing.assert_array_equal(*maps)


def test_tsne_lowers_a_perplexity_that_is_too_large_and_says_so():
    model = TSNE(perplexity=30.0, iterations=250)
    assert model.fit_transform(X[:31]).shape == (31, 2)
    assert model.perplexity_ == 10 and model.perplexity == 30


@EXACT
def test_tsne_takes_duplicates(exact, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT", exact)
    found = TSNE(perplexity=5.0, iterations=250).fit_transform(np.repeat(X[:12], 10, axis=0))
    assert np.isfinite(found).all()


def test_tsne_of_points_that_coincide_is_one_point():
    assert (TSNE().fit_transform(np.ones((20, 4), np.float32)) == 0).all()


def test_tsne_refuses_three_points_and_a_map_that_is_not_finite(monkeypatch):
    with pytest.raises(ValueError, match="at least 4"):
        TSNE().fit_transform(X[:3])
    monkeypatch.setattr(tsne, "descend", lambda p, start, *more: np.full_like(start, np.nan))
    with pytest.raises(RuntimeError, match="not finite"):
        TSNE().fit_transform(X)


def test_umap_keeps_neighbours_better_than_principal_components():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    x = blobs(300)
    found = UMAP().fit_transform(x)
    assert found.shape == (300, 2)
    assert kept(x, found) > max(kept(x, PCA(2).fit_transform(x)) + 0.1, 0.25)


def test_umap_takes_fewer_points_than_neighbours_but_not_fewer_than_its_start():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    assert UMAP(dim=3, neighbours=15).fit_transform(X[:5]).shape == (5, 3)
    with pytest.raises(ValueError, match="4 points in 3 dimensions: at least 5"):
        UMAP(dim=3).fit_transform(X[:4])


def test_umap_says_how_to_install_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)  # what import takes for "not there"
    with pytest.raises(ImportError, match="pip install umap-learn"):
        UMAP().fit_transform(X)
