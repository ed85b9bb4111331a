"""The grid runs each distinct computation once, survives a kill, and turns what cannot run into a row."""

import numpy as np
import pytest

from audioclust import baseline as grid
from audioclust import registry
from audioclust.reduce import reduce
from audioclust.spaces import Space

BLOBS = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat(np.arange(3), 20)[:, None] * 12


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


@pytest.fixture
def spaces():
    return {
        "pca": reduce(BLOBS, "pca", {"dim": 2}, [0, 1], neighbours=10),
        "tsne": reduce(BLOBS, "tsne", {"perplexity": 5.0}, [0, 1], neighbours=10),
    }


@pytest.fixture(params=[Counting, Deterministic])
def kind(request, monkeypatch):
    request.param.fits = 0
    monkeypatch.setattr(registry, "get", lambda *_: request.param)
    return request.param


def test_a_space_a_seed_only_where_the_reducer_is_stochastic(spaces):
    assert spaces["pca"].x.shape == (1, 60, 2) and spaces["tsne"].x.shape == (2, 60, 2)
    assert spaces["tsne"].indices.shape == (2, 60, 10)
    assert not np.array_equal(*spaces["tsne"].x)


def test_neighbours_are_the_nearest_in_the_reduced_space(spaces):
    x = spaces["pca"].x[0]
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    np.testing.assert_allclose(spaces["pca"].distances[0], np.sort(distance, axis=1)[:, :10], rtol=1e-3, atol=1e-3)


def test_every_cell_has_a_row_and_each_computation_runs_once(spaces, kind, tmp_path):
    cells, labels, costs = grid.baseline(spaces, "counting", {}, [0, 1], tmp_path, workers=1)
    assert [(c["reducer"], c["seed"]) for c in cells] == [("pca", 0), ("pca", 1), ("tsne", 0), ("tsne", 1)]
    assert labels.shape == (4, 60)
    assert kind.fits == len(costs) == (4 if kind.stochastic else 3)
    assert list(tmp_path.iterdir()) == []


def test_more_workers_give_the_same_labels(spaces, tmp_path):
    one = grid.baseline(spaces, "kmeans", {"k": 3}, [0, 1], tmp_path, workers=1)
    two = grid.baseline(spaces, "kmeans", {"k": 3}, [0, 1], tmp_path, workers=2)
    np.testing.assert_array_equal(one[1], two[1])
    assert one[0] == two[0]


def test_a_killed_run_goes_on_where_it_stopped(spaces, tmp_path, monkeypatch):
    class Failing(Counting):
        fits = 0

        def fit(self, x, neighbours=None):
            if type(self).fits == 2:
                raise KeyboardInterrupt
            return super().fit(x, neighbours)

    monkeypatch.setattr(registry, "get", lambda *_: Failing)
    with pytest.raises(KeyboardInterrupt):
        grid.baseline(spaces, "counting", {}, [0, 1], tmp_path, workers=1)
    assert Failing.fits == 2 and len(list(tmp_path.glob("*.npz"))) == 2
    Failing.fits = 10
    cells, _, costs = grid.baseline(spaces, "counting", {}, [0, 1], tmp_path, workers=1)
    assert Failing.fits == 12 and len(cells) == 4 and len(costs) == 2


def test_a_changed_parameter_does_not_take_a_finished_cell(spaces, kind, tmp_path):
    run = grid._cell(kind, {"k": 3}, spaces["pca"], "pca", 0, 0, 1e9, tmp_path)
    again = grid._cell(kind, {"k": 3}, spaces["pca"], "pca", 0, 0, 1e9, tmp_path)
    assert kind.fits == 1
    np.testing.assert_array_equal(run.labels, again.labels)
    grid._cell(kind, {"k": 4}, spaces["pca"], "pca", 0, 0, 1e9, tmp_path)
    assert kind.fits == 2


def test_a_damaged_leftover_is_computed_again(spaces, kind, tmp_path):
    grid._cell(kind, {"k": 3}, spaces["pca"], "pca", 0, 0, 1e9, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:20])
    grid._cell(kind, {"k": 3}, spaces["pca"], "pca", 0, 0, 1e9, tmp_path)
    assert kind.fits == 2


def test_a_cell_that_needs_too_much_memory_is_a_row_with_the_reason(spaces, kind, tmp_path):
    cells, labels, costs = grid.baseline(spaces, "counting", {}, [0, 1], tmp_path, memory_gb=1e-9, workers=1)
    assert kind.fits == 0 and costs == []
    assert all("baseline.memory_gb" in cell["reason"] for cell in cells)
    assert (labels == -1).all()


def test_fewer_clips_than_k_is_a_clear_error(spaces, tmp_path):
    with pytest.raises(ValueError, match=r"n_samples=60 .*k=70"):
        grid.baseline(spaces, "kmeans", {"k": 70}, [0], tmp_path, workers=1)


def test_constant_embeddings_do_not_stop_the_grid(tmp_path):
    x = np.ones((30, 6), dtype=np.float32)
    for name in registry.names("reducers"):
        space = reduce(x, name, {"perplexity": 5.0} if name == "tsne" else {}, [0], neighbours=8)
        assert isinstance(space, Space) and np.isfinite(space.x).all()
    for name in registry.names("clusterers"):
        section = {"k": 2} if name in ("kmeans", "agglomerative", "spectral") else {}
        constant = {"none": reduce(x, "none", {}, [0], neighbours=8)}
        _, labels, _ = grid.baseline(constant, name, section, [0], tmp_path, workers=1)
        assert labels.shape == (1, 30)
