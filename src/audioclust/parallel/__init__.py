"""Everything that runs side by side goes through here: on this machine or on a cluster, results in the order of tasks.

A task is a function and its arguments; the same tasks give the same bytes on any number of processes and machines, as
long as each is computed by one thread, or by as many everywhere.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any, Literal

import joblib
from tqdm import tqdm

from audioclust.parallel import local

tqdm.monitor_interval = 0  # its thread would keep later workers from being forked
OVER = 2  # times as many processes as cores, at most, where few long tasks would leave a core idle at the end


@dataclass
class Cluster:
    """Where the work of a run is done."""

    engine: Literal["local", "ray"] = "local"  # local: processes of this machine; ray: an optional library
    # Of a running cluster of Ray: auto on one of its machines, ray://host:10001 elsewhere; None: one that is started
    # here, for this run
    address: str | None = None


_cluster = Cluster()


def use(cluster: Cluster) -> None:
    """Run what comes on ``cluster``."""
    global _cluster
    _cluster = cluster


def run(
    function: Callable, tasks: Sequence[tuple], *, workers: int = -1, threads: int = 1, name: str = "",
    unit: str = "shard", shared: bool = False,
) -> Iterator[Any]:  # fmt: skip
    """Yield ``function(*task)`` for each task, in their order, with a progress bar.

    Args:
        function: one that can be pickled.
        tasks: its arguments. An array that is a memory map travels as the name of its file.
        workers: tasks at a time; -1: one per core; 1: in this process.
        threads: of each task.
        name: of the progress bar; "" for none, where the tasks draw their own.
        unit: what a task is, in the progress bar.
        shared: in threads of this process, which share what it has, for functions that mostly run outside of the
            interpreter; on a cluster it changes nothing.

    Raises:
        RuntimeError: a worker was killed, or crashed, on a cluster several times.
    """
    pause = 0.1 if sys.stderr.isatty() else 10  # a log file needs no line per task
    if _cluster.engine == "ray" and workers != 1 and len(tasks) > 1:
        from audioclust.parallel import on_ray

        results = on_ray.results(function, tasks, workers, threads, _cluster.address)
    else:
        results = local.results(function, tasks, joblib.cpu_count() if workers == -1 else workers, threads, shared)
    try:
        yield from tqdm(results, total=len(tasks), desc=name, unit=unit, mininterval=pause, disable=not name)
    except BrokenExecutor as error:
        raise RuntimeError(
            "a worker process was killed, as the system does where memory runs out: close other programs or lower the "
            "number of workers (data.workers, embed.workers, baseline.workers, train.workers), and run again to resume"
        ) from error


def stop() -> None:
    """Kill all workers of this process."""
    local.stop()
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def side_by_side(tasks: int) -> int:
    """Return how many processes run a few long tasks best: all at once, or in waves of equal size.

    More processes than cores share them evenly, so that three tasks on two cores take the time of one and a half.
    """
    waves = -(-tasks // (OVER * joblib.cpu_count()))
    return max(1, -(-tasks // max(waves, 1)))
