"""A scale that is found from the data follows the data: their units, and their copies."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from audioclust.clusterers.dbscan import DBSCAN
from audioclust.clusterers.meanshift import MeanShift
from audioclust.points.neighbours import Neighbours

kinds = pytest.mark.parametrize("kind", [DBSCAN, MeanShift])


def sounds(copies, m=5, d=20):
    return np.repeat(np.random.default_rng(0).standard_normal((m, d)), copies, axis=0)


def blobs(n=300, d=6, box=20.0, seed=0):
    return make_blobs(n, d, centers=5, center_box=(-box, box), random_state=seed)[0].astype(np.float32)


DATA = {
    "separated": blobs(),
    "overlapping": blobs(box=3.0, seed=1),
    "many dimensions": blobs(200, 40, 2.0),
    "a map": blobs(300, 2, 6.0),
    "moons": make_moons(300, noise=0.1, random_state=0)[0].astype(np.float32),
    "no structure": np.random.default_rng(0).uniform(size=(250, 3)).astype(np.float32),
    "copies": np.concatenate([blobs(box=4.0), blobs(box=4.0)[:90], np.repeat(blobs(box=4.0)[:1], 60, axis=0)]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise", [0, 1e-7], ids=["exact", "rounded"])
@pytest.mark.parametrize("copies", [3, 40, 1000])
@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 1e6])
@kinds
def test_few_sounds_in_many_copies_are_the_clusters_at_any_scale(kind, scale, copies, noise, dtype):
    if copies == 1000 and scale in (0.1, 1.0):
        pytest.skip("the ends are enough of what takes long")
    x = (sounds(copies) * scale).astype(dtype)
    x[::2] *= dtype(1 + noise)
    # By its definition DBSCAN finds no cluster of fewer points than min_samples.
    model = DBSCAN(min_samples=min(copies, 5)) if kind is DBSCAN else MeanShift()
    np.testing.assert_array_equal(model.fit(x).labels_, np.repeat(np.arange(5), copies))


@pytest.mark.parametrize(("m", "d"), [(5, 2), (12, 64), (40, 20)])
@kinds
def test_other_numbers_of_sounds(kind, m, d):
    np.testing.assert_array_equal(kind().fit(sounds(20, m, d)).labels_, np.repeat(np.arange(m), 20))


@pytest.mark.parametrize("copies", [2, 5, 10])
@pytest.mark.parametrize("n", [40, 150])
@kinds
def test_copies_of_everything_do_not_hide_the_clusters(kind, n, copies):
    x, truth = make_blobs(n, 5, centers=4, center_box=(-20, 20), random_state=0)
    labels = kind().fit(np.repeat(x, copies, axis=0).astype(np.float32)).labels_[::copies]
    assert adjusted_rand_score(labels, truth) > 0.95


def test_copies_count_in_the_density():
    x = np.repeat(np.array([[0.0, 0], [5, 0], [9, 9]]), [5, 4, 1], axis=0)
    np.testing.assert_array_equal(DBSCAN(eps=1.0, min_samples=5).fit(x).labels_, [0] * 5 + [-1] * 5)


def test_one_silence_in_many_copies_leaves_the_scale_alone():
    """The scale is found on distinct points: quantiles over all points would fall on distances of zero."""
    x, truth = make_blobs(150, 5, centers=4, center_box=(-20, 20), random_state=0)
    for kind in (DBSCAN, MeanShift):
        alone = kind().fit(x)
        silent = kind().fit(np.concatenate([x, np.repeat(x[:1], 450, axis=0)]))
        assert list(silent.chosen_.values()) == pytest.approx(list(alone.chosen_.values()), rel=1e-5)
        assert adjusted_rand_score(silent.labels_[:150], truth) > 0.95


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**13, 1e-30, 1e-6, 0.1, 3.0, 1e6, 1e25])
@pytest.mark.parametrize("name", DATA)
@kinds
def test_labels_do_not_depend_on_the_unit(kind, name, factor):
    x = DATA[name]
    model, moved = kind().fit(x), kind().fit(x * np.float32(factor))
    np.testing.assert_array_equal(moved.labels_, model.labels_)
    (scale,), (other,) = model.chosen_.values(), moved.chosen_.values()
    assert other == pytest.approx(np.float32(factor) * scale, rel=2e-5)


@pytest.mark.parametrize("name", DATA)
@kinds
def test_labels_do_not_depend_on_the_origin(kind, name):
    x = DATA[name].astype(np.float64)
    np.testing.assert_array_equal(kind().fit(x + 1000.0).labels_, kind().fit(x).labels_)


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e25])
@pytest.mark.parametrize("d", [3, 20])
def test_neighbours_do_not_depend_on_the_unit(d, factor):
    """Squares of such numbers leave float32."""
    x = np.random.default_rng(0).standard_normal((150, d)).astype(np.float32)
    distances, indices = Neighbours(x).query(7)
    others, found = Neighbours(x * np.float32(factor)).query(7)
    np.testing.assert_array_equal(found, indices)
    np.testing.assert_allclose(others, distances * np.float32(factor), rtol=1e-5)
