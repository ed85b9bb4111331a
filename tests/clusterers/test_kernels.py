"""Each of our own kernels beside scikit-learn, and what is peculiar to each clusterer."""

import warnings

import numpy as np
import pytest
from sklearn import cluster
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from audioclust.clusterers import agglomerative, dbscan, meanshift
from audioclust.clusterers.agglomerative import Agglomerative
from audioclust.clusterers.dbscan import DBSCAN
from audioclust.clusterers.hdbscan import HDBSCAN
from audioclust.clusterers.kmeans import KMeans
from audioclust.clusterers.meanshift import MeanShift
from audioclust.clusterers.spectral import Spectral


def blobs(n=200, d=5, k=4, std=1.0, box=20.0, seed=0):
    x, truth = make_blobs(n, d, centers=k, cluster_std=std, center_box=(-box, box), random_state=seed)
    return x.astype(np.float32), truth


def overlapping(n, d, seed=0):
    return blobs(n, d, k=5, std=1.0, box=2.5, seed=seed)[0]


@pytest.mark.parametrize(("n", "d", "bandwidth"), [(300, 2, 1.0), (300, 2, 0.6), (200, 5, 2.0), (200, 10, 4.0)])
@pytest.mark.parametrize("low", [8, 1], ids=["as shipped", "by products"])
def test_meanshift_labels_are_scikit_learns(n, d, bandwidth, low, monkeypatch):
    monkeypatch.setattr(meanshift, "LOW", low)
    x = overlapping(n, d).astype(np.float64)
    mine, theirs = MeanShift(bandwidth).fit(x), cluster.MeanShift(bandwidth=bandwidth).fit(x)
    assert mine.n_iter_ == theirs.n_iter_
    assert len(theirs.cluster_centers_) > 1
    assert adjusted_rand_score(mine.labels_, theirs.labels_) == 1
    ours = mine.centres_[np.lexsort(mine.centres_.T)]
    np.testing.assert_allclose(ours, theirs.cluster_centers_[np.lexsort(theirs.cluster_centers_.T)], atol=1e-9)


@pytest.mark.parametrize("max_iter", [1, 3])
def test_meanshift_stops_where_scikit_learn_does(max_iter):
    x = overlapping(150, 2, seed=3).astype(np.float64)
    theirs = cluster.MeanShift(bandwidth=1.0, max_iter=max_iter).fit(x)
    assert adjusted_rand_score(MeanShift(1.0, max_iter).fit(x).labels_, theirs.labels_) == 1


def test_meanshift_far_from_the_origin_and_in_doubt():
    """Far offsets make float32 products useless: every pair is settled by differences."""
    x = overlapping(150, 12).astype(np.float64)
    x[0] += 1e6
    theirs = cluster.MeanShift(bandwidth=4.0).fit(x)
    assert adjusted_rand_score(MeanShift(4.0).fit(x).labels_, theirs.labels_) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_agglomerative_is_scikit_learns(linkage, d, seed):
    x = overlapping(400, d, seed).astype(np.float64)
    for k in (2, 9, 40):
        theirs = cluster.AgglomerativeClustering(k, linkage=linkage).fit(x).labels_
        assert adjusted_rand_score(Agglomerative(k, linkage).fit(x).labels_, theirs) == 1


@pytest.mark.parametrize("fall", [0.0, 0.3, 1.0], ids=["flat", "falling", "steep"])
def test_ward_by_leading_axes_makes_the_same_merges(fall, monkeypatch):
    x = np.random.default_rng(0).normal(size=(500, 160)) * (1 + np.arange(160)) ** -fall
    x -= x.mean(axis=0)
    monkeypatch.setattr(agglomerative, "MANY", 100)
    first = agglomerative.leading(x)
    assert first.shape == ((0, 500) if fall == 0 else (16, 500))
    assert (np.linalg.norm(first, axis=0) <= np.linalg.norm(x, axis=1) * (1 + 1e-5)).all()
    none = np.zeros((0, len(x)))
    np.testing.assert_array_equal(agglomerative.ward(x, first), agglomerative.ward(x, none))


@pytest.mark.parametrize(("d", "eps"), [(2, 0.3), (2, 0.8), (2, 3.0), (12, 2.5), (12, 4.0)])
@pytest.mark.parametrize("min_samples", [1, 2, 5, 12, 400])
def test_dbscan_is_scikit_learns_at_a_given_eps(d, eps, min_samples):
    x = overlapping(300, d)
    theirs = cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(x).labels_
    mine = DBSCAN(eps, min_samples).fit(x)
    np.testing.assert_array_equal(mine.labels_ == -1, theirs == -1)
    assert adjusted_rand_score(mine.labels_, theirs) == 1
    assert mine.chosen_ == {}


@pytest.mark.parametrize("d", [2, 12])
@pytest.mark.parametrize("min_samples", [1, 3, 5])
def test_dbscan_is_scikit_learns_on_every_step_of_the_ladder(d, min_samples, monkeypatch):
    """One pass over the pairs gives the labels at every eps, border points included."""
    x, seen = overlapping(300, d), {}
    monkeypatch.setattr(
        dbscan, "best_scale", lambda ladder, labels_at, *_: seen.update({e: labels_at(e) for e in ladder}) or ladder[0]
    )
    model = DBSCAN(min_samples=min_samples).fit(x)
    assert len(seen) == len(dbscan.LADDER)
    unit = model.chosen_["eps"] / min(seen)
    for scale, labels in seen.items():
        eps = scale * unit
        theirs = cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(x).labels_
        np.testing.assert_array_equal(labels == -1, theirs == -1)
        assert adjusted_rand_score(labels, theirs) == 1


@pytest.mark.parametrize("n_dimensions", [2, 9])
def test_dbscan_counts_points_at_exactly_eps(n_dimensions):
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1).reshape(-1, 2)
    x = np.pad(grid, ((0, 0), (0, n_dimensions - 2))).astype(np.float32)
    for min_samples in (3, 4, 5):
        theirs = cluster.DBSCAN(eps=1.0, min_samples=min_samples).fit(x).labels_
        np.testing.assert_array_equal(DBSCAN(1.0, min_samples).fit(x).labels_, theirs)


@pytest.mark.parametrize(("n", "d", "k"), [(600, 2, 9), (500, 30, 9), (400, 300, 20)])
def test_kmeans_is_as_good_as_scikit_learn(n, d, k):
    x = overlapping(n, d)
    theirs = np.mean([cluster.KMeans(k, n_init=10, random_state=seed).fit(x).inertia_ for seed in range(3)])
    mine = KMeans(k).fit(x)
    assert mine.inertia_ <= 1.01 * theirs
    assert mine.inertia_ == pytest.approx(((x - mine.centres_[mine.labels_]) ** 2).sum(), rel=1e-3)


def test_kmeans_seeds_differ_where_the_data_leave_room():
    x = np.random.default_rng(0).uniform(size=(300, 3)).astype(np.float32)
    assert adjusted_rand_score(KMeans(12, 1, 2).fit(x).labels_, KMeans(12, 1, 2, random_state=1).fit(x).labels_) < 1


@pytest.mark.parametrize(("n", "d", "box"), [(250, 6, 2.5), (600, 6, 2.5), (600, 2, 4.0), (600, 6, 20.0)])
def test_spectral_is_scikit_learns(n, d, box):
    """With few points, many, and (box 20) a graph in as many parts as there are clusters."""
    x = blobs(n, d, k=5, box=box)[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")
        # scikit-learn counts the point itself as its first neighbour.
        theirs = cluster.SpectralClustering(5, affinity="nearest_neighbors", n_neighbors=11, random_state=0).fit(x)
    assert adjusted_rand_score(Spectral(5).fit(x).labels_, theirs.labels_) > 0.99


def test_spectral_finds_fewer_and_more_clusters_than_the_graph_has_parts():
    x, truth = blobs(700, 3, k=7, box=60.0)
    assert adjusted_rand_score(Spectral(7).fit(x).labels_, truth) == 1
    assert len(np.unique(Spectral(12).fit(x).labels_)) == 12
    few = Spectral(3).fit(x).labels_
    assert len(np.unique(few)) == 3
    assert all(len(np.unique(few[truth == t])) == 1 for t in range(7))


def test_spectral_separates_what_k_means_cannot():
    angle = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.concatenate([ring, 4 * ring]).astype(np.float32)
    truth = np.repeat([0, 1], 150)
    assert adjusted_rand_score(Spectral(2).fit(x).labels_, truth) == 1
    assert adjusted_rand_score(KMeans(2).fit(x).labels_, truth) < 0.1


@pytest.mark.parametrize(("kind", "key"), [(DBSCAN, "eps"), (MeanShift, "bandwidth")])
def test_the_scale_found_grows_with_the_data(kind, key):
    x, _ = blobs(std=1.5)
    model, large = kind().fit(x), kind().fit(x * 1024)
    assert large.chosen_[key] == pytest.approx(1024 * model.chosen_[key], rel=1e-4)
    np.testing.assert_array_equal(model.labels_, large.labels_)


@pytest.mark.parametrize("kind", [DBSCAN, MeanShift])
def test_the_scale_rule_shuns_one_cluster_and_mostly_noise(kind):
    x, _ = blobs(400, 2, k=3, std=1.0, box=12.0, seed=4)
    labels = kind().fit(x).labels_
    assert labels.max() >= 1
    assert (labels == -1).mean() < 0.3


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("min_samples", [None, 3])
def test_hdbscan_is_scikit_learns_by_appearance(method, min_samples):
    x = overlapping(300, 3)
    theirs = cluster.HDBSCAN(8, min_samples, cluster_selection_method=method, copy=True).fit(x).labels_
    mine = HDBSCAN(8, min_samples, method).fit(x).labels_
    np.testing.assert_array_equal(mine == -1, theirs == -1)
    assert mine.max() >= 1 and adjusted_rand_score(mine, theirs) == 1


def test_hdbscan_of_too_few_points_is_noise():
    x = blobs(9)[0]
    assert (HDBSCAN(10).fit(x).labels_ == -1).all()
    assert (HDBSCAN(2, 10).fit(x).labels_ == -1).all()
    assert (HDBSCAN(2).fit(np.ones((2, 3))).labels_ == 0).all()
