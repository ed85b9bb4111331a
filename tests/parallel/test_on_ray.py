"""Two machines of a real cluster of Ray, both on this one: the same results in the same order, also where one dies."""

import os
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from audioclust import parallel
from audioclust.clips.logmel import FrontEnd
from audioclust.parallel import Cluster
from audioclust.parallel.on_ray import _named
from audioclust.points.neighbours import Neighbours
from audioclust.results.pieces import Pieces
from audioclust.runs import logmel
from audioclust.runs.baseline import Baseline
from audioclust.runs.grid import Item, grid
from audioclust.runs.reduce import Reduce

cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed: pip install -e '.[ray]'")


@pytest.fixture(scope="module")
def machines():
    """A head and another machine, of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.add_node(num_cpus=1)
    yield found
    parallel.stop()
    found.shutdown()


@pytest.fixture(autouse=True)
def on_ray(machines):
    parallel.use(Cluster("ray", machines.address))
    yield machines
    parallel.use(Cluster())


def slow(number: int, folder: Path) -> int:
    """A task that never ends on the machine that ``folder/doomed`` names, and says there that it has begun."""
    import ray

    if ray.get_runtime_context().get_node_id() == (folder / "doomed").read_text():
        (folder / "begun").touch()
        time.sleep(300)
    time.sleep(1)  # long enough for the scheduler to give that machine one
    return number * number


@contextmanager
def dying(cluster, folder: Path):
    """One more machine, which is killed once it has begun a task."""
    other = cluster.add_node(num_cpus=1)
    (folder / "doomed").write_text(other.node_id)

    def kill():
        while not (folder / "begun").exists():
            time.sleep(0.02)
        cluster.remove_node(other, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    yield
    killer.join(60)
    assert not killer.is_alive(), "the machine was not given a task"


def opened(array: np.ndarray) -> tuple[str, float]:
    return type(array).__name__, float(array.sum())


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


def same(value: np.ndarray, _: int) -> int:
    return value.__array_interface__["data"][0]


def test_results_come_in_the_order_of_the_tasks():
    assert list(parallel.run(pow, [(i, 2) for i in range(30)])) == [i * i for i in range(30)]
    assert list(parallel.run(pow, [])) == []


def test_a_workers_error_is_the_callers():
    with pytest.raises(ValueError, match="invalid literal"):
        list(parallel.run(int, [("1",), ("one",)]))


def test_workers_are_where_their_parent_is_and_have_its_threads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(parallel.run(Path.cwd, [()] * 4)) == {tmp_path}
    assert set(parallel.run(threads, [(i,) for i in range(2)])) == {"1"}


def test_memory_maps_travel_as_the_name_of_their_file(tmp_path):
    whole = np.arange(60, dtype=np.int16).reshape(6, 10)
    np.save(tmp_path / "x.npy", whole)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    parts = [x[:2], x[2:5], x[5:], x[3]]
    for part in parts:
        again = _named(part)[0](*_named(part)[1])
        np.testing.assert_array_equal(again, part)
    found = list(parallel.run(opened, [(part,) for part in parts]))
    assert found == [("memmap", float(part.sum())) for part in parts]
    # What is no part of the file as it lies there travels by its numbers.
    for part in (x[:, ::2], x[[0, 3]], np.load(tmp_path / "x.npy", mmap_mode="c")[:2]):
        assert list(parallel.run(opened, [(part,), (part,)])) == [("ndarray", float(part.sum()))] * 2


def test_what_tasks_have_in_common_is_sent_once():
    shared = np.zeros(1 << 20)
    places = list(parallel.run(same, [(shared, i) for i in range(6)], workers=2))
    assert len(set(places)) <= 2  # one copy per machine, which its tasks share


def test_a_machine_that_dies_at_work_costs_time_alone(on_ray, tmp_path):
    with dying(on_ray, tmp_path):
        assert list(parallel.run(slow, [(i, tmp_path) for i in range(6)])) == [i * i for i in range(6)]


SHARD = logmel._shard


def doomed_shard(folder: Path, *shard) -> tuple:
    slow(0, folder)
    return SHARD(*shard)


def test_log_mels_have_the_same_bytes_with_a_machine_killed_at_work(on_ray, tmp_path):
    audio = np.random.default_rng(0).integers(-9000, 9000, (450, 4000)).astype(np.int16)
    np.save(tmp_path / "audio.npy", audio)
    audio = np.load(tmp_path / "audio.npy", mmap_mode="r")
    for name in ("ray", "local"):
        (tmp_path / name).mkdir()
    with pytest.MonkeyPatch.context() as patch, dying(on_ray, tmp_path):
        patch.setattr(logmel, "_shard", partial(doomed_shard, tmp_path))
        logmel.compute(audio, 16000, tmp_path / "ray/logmel.npy", FrontEnd(), workers=-1)
    parallel.use(Cluster())
    logmel.compute(audio, 16000, tmp_path / "local/logmel.npy", FrontEnd(), workers=-1)
    for path in sorted((tmp_path / "local").iterdir()):
        assert path.read_bytes() == (tmp_path / "ray" / path.name).read_bytes()


def test_the_grid_has_the_same_cells(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4)) + 12 * np.eye(4)[np.repeat(np.arange(3), 20)]
    reducers = {name: Item("reducers", name) for name in ("none", "pca")}
    clusterers = {"kmeans": Item("clusterers", "kmeans", {"k": 3}), "dbscan": Item("clusterers", "dbscan")}
    found = []
    for name in ("ray", "local"):
        how = Reduce(neighbours=10), Baseline(workers=2), Pieces(tmp_path / name)
        spaces, cells, labels, _ = grid(x, reducers, clusterers, [0, 1], *how)
        found.append((spaces, cells, labels))
        parallel.use(Cluster())
    for one, two in zip(*(each[0].values() for each in found), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
    assert found[0][1] == found[1][1] and np.array_equal(found[0][2], found[1][2])


def test_neighbours_travel():
    graph = Neighbours(np.random.default_rng(0).normal(size=(20, 3)))
    assert all(np.array_equal(found, graph.query(4)[1]) for found in parallel.run(_nearest, [(graph, 4)] * 2))


def _nearest(graph: Neighbours, k: int) -> np.ndarray:
    return graph.query(k)[1]


def test_no_more_tasks_run_at_a_time_than_are_asked_for(tmp_path):
    found = list(parallel.run(alone, [(tmp_path,)] * 4, workers=2)) + list(parallel.run(pow, [(1, 1)] * 2, workers=2))
    assert max(found) <= 2


def alone(folder: Path) -> int:
    """Return how many of these run, this one with them."""
    mine = folder / f"{os.getpid()}-{time.monotonic_ns()}"
    mine.touch()
    time.sleep(0.3)
    running = len(list(folder.iterdir()))
    mine.unlink()
    return running


def test_an_address_where_no_cluster_is_is_an_error():
    parallel.stop()
    parallel.use(Cluster("ray", "127.0.0.1:1"))
    with pytest.raises(RuntimeError, match=r"cluster\.address = '127\.0\.0\.1:1': no cluster of Ray is reached"):
        list(parallel.run(pow, [(1, 2), (2, 2)]))
