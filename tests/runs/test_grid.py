"""The grid runs each distinct computation once, keeps it for the next run, and turns what cannot run into a row."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from audioclust import registry
from audioclust.parameters import types
from audioclust.points import neighbours
from audioclust.points.subset import subset
from audioclust.results.pieces import Pieces
from audioclust.results.spaces import load, save
from audioclust.runs.baseline import Baseline
from audioclust.runs.grid import Item, grid
from audioclust.runs.reduce import Reduce

BLOBS = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat(np.arange(3), 20)[:, None] * 12
REDUCERS = {"pca": Item("reducers", "pca", {"dim": 2}), "tsne": Item("reducers", "tsne", {"perplexity": 5.0})}
get = registry.get


class Counting:
    """A clusterer that counts its fits."""

    fits = 0
    stochastic = True

    def __init__(self, k=3, *, random_state=0):
        self.k, self.random_state = k, random_state

    @staticmethod
    def memory(n, d):
        return n * d * 8

    def fit(self, x, neighbours=None):
        type(self).fits += 1
        assert neighbours.query(5)[1].shape == (len(x), 5)
        self.labels_ = (x[:, 0] // 6 + self.random_state).astype(np.int32)
        self.chosen_ = {"seed": self.random_state}
        return self


class Deterministic(Counting):
    stochastic = False

    def __init__(self, k=3):
        super().__init__(k)


@pytest.fixture(params=[Counting, Deterministic])
def kind(request, monkeypatch):
    request.param.fits = 0
    monkeypatch.setattr(registry, "get", lambda room, name: request.param if name == "counting" else get(room, name))
    return request.param


def run(
    folder, clusterer="counting", reducers=REDUCERS, x=BLOBS, seeds=(0, 1), baseline=None, neighbours=10, **section
):
    """Return spaces, cells, labels, costs, and how many pieces were computed."""
    item, pieces = Item("clusterers", clusterer, section), Pieces(folder)
    how = Reduce(neighbours=neighbours), baseline or Baseline(workers=1)
    return *grid(x, reducers, {clusterer: item}, list(seeds), *how, pieces), pieces.computed


def test_one_space_per_seed_only_where_the_reducer_is_stochastic(kind, tmp_path):
    spaces = run(tmp_path)[0]
    assert spaces["pca"].x.shape == (1, 60, 2) and spaces["tsne"].x.shape == (2, 60, 2)
    assert spaces["tsne"].indices.shape == (2, 60, 10)
    assert not np.array_equal(*spaces["tsne"].x)
    x = spaces["pca"].x[0]
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_allclose(spaces["pca"].distances[0], np.sort(distance, axis=1)[:, :10], rtol=1e-3, atol=1e-3)


def test_every_cell_has_a_row_and_each_computation_runs_once(kind, tmp_path):
    _, cells, labels, costs, computed = run(tmp_path)
    assert [(c["reducer"], c["seed"]) for c in cells] == [("pca", 0), ("pca", 1), ("tsne", 0), ("tsne", 1)]
    assert labels.shape == (4, 60)
    assert kind.fits == (4 if kind.stochastic else 3) and len(costs) == computed == kind.fits + 3


def test_an_embedding_per_seed_has_a_space_per_seed(kind, tmp_path):
    spaces, _, labels, _, _ = run(tmp_path, x=np.stack([BLOBS, -BLOBS]))
    assert spaces["pca"].x.shape == (2, 60, 2) and kind.fits == 4
    assert (labels[0] != labels[1]).any()


def test_a_second_run_computes_nothing_and_says_the_same(kind, tmp_path):
    first, again = run(tmp_path), run(tmp_path)
    assert again[4] == 0 and again[3] == [] and again[1] == first[1]
    np.testing.assert_array_equal(again[2], first[2])
    for name in REDUCERS:
        for one, other in zip(first[0][name], again[0][name], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "spaces", "cells"),
    [({"k": 4}, 0, 4), ({"seeds": (0, 2)}, 1, 2), ({"neighbours": 12}, 3, 0), ({"x": BLOBS + 1e-3}, 3, 4)],
    ids=["parameter", "seed", "graph", "embedding"],
)
def test_only_what_changed_is_computed(change, spaces, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "get", lambda room, name: Counting if name == "counting" else get(room, name))
    run(tmp_path)
    Counting.fits = 0
    *_, computed = run(tmp_path, **change)
    assert (computed - Counting.fits, Counting.fits) == (spaces, cells)


def test_other_code_is_computed_again(kind, tmp_path):
    run(tmp_path)
    edited = REDUCERS | {"tsne": Item("reducers", "tsne", {"perplexity": 5.0}, code="edited")}
    *_, computed = run(tmp_path, reducers=edited)
    assert computed == 2  # the maps, which come out the same, so that their cells are known


def test_more_workers_give_the_same_labels(tmp_path):
    one = run(tmp_path / "one", "kmeans", k=3)
    two = run(tmp_path / "two", "kmeans", baseline=Baseline(workers=2), k=3)
    np.testing.assert_array_equal(one[2], two[2])
    assert one[1] == two[1] and one[4] == two[4] > 0


def test_a_killed_run_resumes_where_it_stopped(tmp_path, monkeypatch):
    class Failing(Counting):
        fits = 0

        def fit(self, x, neighbours=None):
            if type(self).fits == 2:
                raise KeyboardInterrupt
            return super().fit(x, neighbours)

    monkeypatch.setattr(registry, "get", lambda room, name: Failing if name == "counting" else get(room, name))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert Failing.fits == 2
    Failing.fits = 10
    _, cells, _, costs, _ = run(tmp_path)
    assert Failing.fits == 12 and len(cells) == 4 and len(costs) == 2


def test_a_cell_that_needs_too_much_memory_is_a_row_with_the_reason(kind, tmp_path):
    _, cells, labels, costs, _ = run(tmp_path, baseline=Baseline(memory_gb=1e-9, workers=1))
    assert kind.fits == 0 and len(costs) == 3  # the spaces'
    assert all("baseline.memory_gb" in cell["reason"] for cell in cells)
    assert (labels == -1).all()


def test_fewer_clips_than_k_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match=r"n_samples=60 .*k=70"):
        run(tmp_path, "kmeans", k=70)


def test_constant_embeddings_do_not_stop_the_grid(tmp_path):
    x = np.ones((30, 6), dtype=np.float32)
    none = {"none": Item("reducers", "none")}
    for name in registry.names("clusterers"):
        section = {"k": 2} if "k" in types(get("clusterers", name)) else {}
        labels = run(tmp_path, name, none, x, [0], neighbours=8, **section)[2]
        assert labels.shape == (1, 30)


def methods(folder, x=BLOBS, workers=1, gamma=(10.0, 0.3)):
    """Return cells, labels and costs of k-means and TURTLE side by side, and how many pieces were computed."""
    items = {
        "kmeans": Item("clusterers", "kmeans", {"k": 3}),
        "turtle": Item("methods", "turtle", {"k": 3, "runs": 2, "epochs": 20, "gamma": list(gamma)}),
    }
    reducers = {"pca": REDUCERS["pca"], "none": Item("reducers", "none")}
    pieces = Pieces(folder)
    _, cells, labels, costs = grid(x, reducers, items, [0, 1], Reduce(neighbours=10), Baseline(workers=workers), pieces)
    return cells, labels, costs, pieces.computed


def test_a_method_on_embeddings_stands_in_one_row_per_seed_and_labelling(tmp_path):
    cells, labels, costs, _ = methods(tmp_path)
    rows = [(c["reducer"], c["clusterer"], c["seed"]) for c in cells if c["clusterer"] != "kmeans"]
    assert rows == [("none", "turtle" + row, seed) for seed in (0, 1) for row in ("", "/gamma-0.3")]
    found = dict(zip(rows, labels[-4:], strict=True))
    model = get("methods", "turtle")(k=3, runs=2, epochs=20, gamma=[10.0, 0.3], random_state=1).fit(BLOBS)
    np.testing.assert_array_equal(found["none", "turtle", 1], model.labels_)
    np.testing.assert_array_equal(found["none", "turtle/gamma-0.3", 1], model.more_labels_["gamma-0.3"])
    assert {(c["reducer"], c["seed"]) for c in costs if c.get("clusterer") == "turtle"} == {("none", 0), ("none", 1)}
    again = methods(tmp_path)
    assert again[3] == 0 and again[0] == cells and np.array_equal(again[1], labels)


def test_methods_in_processes_find_the_same(tmp_path):
    one, two = methods(tmp_path / "one"), methods(tmp_path / "two", workers=2)
    assert one[0] == two[0] and np.array_equal(one[1], two[1])


def test_a_method_gets_the_embedding_of_its_seed(tmp_path):
    several = np.stack([BLOBS, BLOBS[::-1]])
    cells, labels, _, _ = methods(tmp_path, several)
    found = {(c["clusterer"], c["seed"]): each for c, each in zip(cells, labels, strict=True)}
    model = get("methods", "turtle")(k=3, runs=2, epochs=20, gamma=[10.0, 0.3], random_state=1).fit(several[1])
    np.testing.assert_array_equal(found["turtle", 1], model.labels_)


MANY = np.random.default_rng(0).normal(size=(600, 4)) + 12 * np.eye(4)[np.repeat(np.arange(3), 200)]


def of_many(folder):
    reducers = {name: Item("reducers", name) for name in ("none", "pca", "tsne")}
    reducers["laplacian"] = Item("reducers", "laplacian", {"dim": 2})
    clusterers = {name: Item("clusterers", name, {"k": 3}) for name in ("kmeans", "agglomerative", "spectral", "gmm")}
    clusterers |= {name: Item("clusterers", name) for name in ("dbscan", "meanshift", "hdbscan")}
    pieces = Pieces(folder)
    how = Reduce(neighbours=10, most=150), Baseline(workers=2)
    return *grid(MANY, reducers, clusterers, [0], *how, pieces), pieces.computed


def test_of_many_points_what_is_not_linear_is_fitted_to_a_part_and_the_others_follow(tmp_path):
    spaces, cells, labels, _, computed = of_many(tmp_path / "pieces")
    rows, truth = subset(600, 150), np.repeat(np.arange(3), 200)
    for space in spaces.values():
        assert space.x.shape[:2] == (1, 600) and space.indices.shape == (1, 150, 10)
        np.testing.assert_array_equal(space.rows, rows)
    for cell, found in zip(cells, labels, strict=True):
        linear = cell["clusterer"] in ("kmeans", "gmm")
        assert cell["chosen"].get("fitted") == (None if linear else 150)
        clustered = found >= 0
        assert clustered.mean() > 0.9 and adjusted_rand_score(found[clustered], truth[clustered]) > 0.9, cell
        assert found[clustered][0] == 0
    scaled = Reduce().points(MANY).x[rows]
    ward = get("clusterers", "agglomerative")(k=3).fit(scaled).labels_
    there = [(cell["reducer"], cell["clusterer"]) for cell in cells].index(("none", "agglomerative"))
    assert adjusted_rand_score(labels[there][rows], ward) == 1
    again = of_many(tmp_path / "pieces")
    assert computed > 0 and again[4] == 0 and again[1] == cells and np.array_equal(again[2], labels)
    save(tmp_path, "pca", spaces["pca"])
    for one, two in zip(load(tmp_path, "pca"), spaces["pca"], strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_neighbours_of_an_embedding_are_searched_once_for_all_its_spaces(tmp_path, monkeypatch):
    searched, search = [], neighbours._search
    monkeypatch.setattr(neighbours, "_search", lambda x, k, threads: searched.append(k) or search(x, k, threads))
    reducers = {name: Item("reducers", name) for name in ("none", "tsne")}
    kmeans = {"kmeans": Item("clusterers", "kmeans", {"k": 3})}
    how = [0, 1], Reduce(neighbours=10), Baseline(workers=1)
    spaces, *_ = grid(BLOBS, reducers, kmeans, *how, Pieces(tmp_path))
    assert len(searched) == 1 + 2, "of the embedding, and of the map of each seed"
    alone, *_ = grid(BLOBS, {"none": reducers["none"]}, kmeans, *how, Pieces(tmp_path / "other"))
    np.testing.assert_array_equal(spaces["none"].indices, alone["none"].indices)


def test_more_points_than_the_limit_are_other_pieces(kind, tmp_path):
    _, _, _, _, first = run(tmp_path)
    item, pieces = Item("clusterers", "counting"), Pieces(tmp_path)
    grid(BLOBS, REDUCERS, {"counting": item}, [0, 1], Reduce(neighbours=10, most=40), Baseline(workers=1), pieces)
    assert pieces.computed == first


def test_a_cell_that_needs_too_much_memory_is_fitted_to_as_many_points_as_there_is_room_for(tmp_path):
    x, truth = np.tile(MANY, (4, 1)), np.tile(np.repeat(np.arange(3), 200), 4)  # average linkage needs 48 MB
    tight, none = Baseline(memory_gb=0.02, workers=1), {"none": Item("reducers", "none")}
    _, cells, labels, _, _ = run(tmp_path, "agglomerative", none, x, [0], tight, k=3, linkage="average")
    assert cells[0]["chosen"] == {"fitted": 1200} and cells[0]["reason"] == ""
    assert adjusted_rand_score(labels[0], truth) == 1
    _, cells, labels, _, _ = run(tmp_path, "agglomerative", none, x, [0], tight, k=3, linkage="ward")
    assert cells[0]["chosen"] == {} and adjusted_rand_score(labels[0], truth) == 1
