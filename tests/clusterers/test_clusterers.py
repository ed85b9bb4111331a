"""Every clusterer is held to the contract of ``audioclust.clusterers``; a new file there is tested without an edit."""

from dataclasses import fields

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import check_estimator

from audioclust import registry
from audioclust.parameters import types, values
from audioclust.points.neighbours import Neighbours

KINDS = [registry.get("clusterers", name) for name in registry.names("clusterers")]
every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
with_k = pytest.mark.parametrize("kind", [kind for kind in KINDS if "k" in types(kind)], ids=lambda kind: kind.__name__)
settings = pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in types(kind)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)


def make(kind, k=4, **parameters):
    return kind(**({"k": k} if "k" in types(kind) else {}), **parameters)


def noisy(kind):
    return getattr(kind, "finds_noise", False)


def blobs(n=200, d=5, k=4, std=1.0, box=20.0, seed=0):
    x, truth = make_blobs(n, d, centers=k, cluster_std=std, center_box=(-box, box), random_state=seed)
    return x.astype(np.float32), truth


def overlapping(n, d):
    return blobs(n, d, k=5, box=2.5)[0]


@every
def test_is_a_scikit_learn_estimator(kind):
    """None of scikit-learn's checks is expected to fail; those of the array API skip themselves."""
    check_estimator(make(kind, k=3), on_skip=None)


@settings
def test_a_wrong_value_stops_at_once_and_is_named(kind, name):
    """Also where it was set after the constructor, as ``set_params`` does."""
    model = make(kind)
    setattr(model, name, "no such value")
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{name} = 'no such value'"):
        model.fit(np.full((20, 2), np.nan))


@with_k
@pytest.mark.parametrize("k", [0, -1, 2.5, True, "three", None])
def test_a_number_of_clusters_that_is_none_is_an_error(kind, k):
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.k = {k!r}: "):
        make(kind, k=k).fit(blobs(20)[0])


@every
def test_only_a_stochastic_one_has_a_seed(kind):
    assert ("random_state" in {field.name for field in fields(kind)}) == kind.stochastic
    assert "random_state" not in types(kind)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@every
def test_separated_blobs_are_recovered_at_any_scale(kind, scale):
    x, truth = blobs()
    model = make(kind)
    assert model.fit(x * np.float32(scale)) is model
    assert model.labels_.shape == (200,) and model.labels_.dtype == np.int32
    # The outermost points may be called noise.
    assert adjusted_rand_score(model.labels_, truth) > (0.9 if noisy(kind) else 0.999)


@every
def test_same_seed_same_labels_and_the_input_is_left_alone(kind):
    x = overlapping(250, 6)
    before = x.copy()
    one, two = make(kind).fit(x), make(kind).fit(x)
    np.testing.assert_array_equal(one.labels_, two.labels_)
    assert one.chosen_ == two.chosen_
    np.testing.assert_array_equal(x, before)


@every
def test_a_given_neighbour_graph_changes_nothing(kind):
    x = overlapping(250, 6)
    graph = Neighbours(x, *Neighbours(x).query(30))
    np.testing.assert_array_equal(make(kind).fit(x).labels_, make(kind).fit(x, neighbours=graph).labels_)


@every
def test_clusters_are_numbered_by_first_appearance_and_noise_is_declared(kind):
    labels = make(kind).fit(overlapping(250, 6)).labels_
    found, first = np.unique(labels[labels >= 0], return_index=True)
    np.testing.assert_array_equal(found, np.arange(len(found)))
    assert (np.diff(first) > 0).all()
    assert labels.min() >= (-1 if noisy(kind) else 0)


@every
def test_what_was_chosen_is_what_is_auto_and_gives_the_same_labels(kind):
    x, _ = blobs(std=1.5)
    model = make(kind).fit(x)
    assert set(model.chosen_) == {name for name, value in values(model).items() if value == "auto"}
    np.testing.assert_array_equal(make(kind, **model.chosen_).fit(x).labels_, model.labels_)


@every
def test_points_that_coincide_are_one_cluster_or_an_arbitrary_cut(kind):
    labels = make(kind).fit(np.full((30, 3), 2.5, np.float32)).labels_
    assert labels.min() >= 0 and labels.max() < (4 if "k" in types(kind) else 1)


@every
def test_many_duplicates(kind):
    x = np.repeat(blobs(40)[0], 10, axis=0)
    labels = make(kind).fit(x).labels_.reshape(40, 10)
    assert (labels == labels[:, :1]).all()


@every
def test_few_points(kind):
    for n in (1, 2, 3):
        labels = make(kind, k=1).fit(blobs(n)[0]).labels_
        assert labels.shape == (n,) and labels.dtype == np.int32
    alone = make(kind, k=1).fit(blobs(1)[0]).labels_[0]
    assert alone == 0 or (noisy(kind) and alone == -1)


@with_k
def test_one_cluster_and_as_many_as_points(kind):
    x = blobs(12)[0]
    assert (make(kind, k=1).fit(x).labels_ == 0).all()
    np.testing.assert_array_equal(np.sort(make(kind, k=12).fit(x).labels_), np.arange(12))


@with_k
def test_more_clusters_than_points_is_an_error(kind):
    with pytest.raises(ValueError, match=r"n_samples=3 should be >= k=8"):
        make(kind, k=8).fit(blobs(3)[0])


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_an_error(kind, bad):
    x = blobs(20)[0]
    x[3, 1] = bad
    with pytest.raises(ValueError, match="row 3 of the points is not finite"):
        make(kind).fit(x)


@every
def test_memory_grows_with_the_points(kind):
    model = make(kind)
    assert 0 < model.memory(1000, 50) < model.memory(10000, 50) < 1e9
