"""Tasks on a cluster of Ray: other machines, and other tasks where one of them fails.

The machines share the project's folder under one path, and have one environment. Memory maps and paths in the
arguments then name files, and only what is in memory travels. What several tasks have in common is sent once. A task
whose machine dies runs again on another.
"""

import copyreg
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from audioclust.parallel.local import here

PASSED_ON = ("PYTHONPATH", "OMP_WAIT_POLICY", "AUDIOCLUST_")  # of the environment
AHEAD = 2  # times as many tasks are sent as run: a worker that is done has the next one at hand
AGAIN = 5  # times a task is run again whose machine or process died
PATIENCE = 10.0  # seconds for the cluster to answer
PASSED = (str, bytes, int, float, bool, type(None))  # sent with each task
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def results(
    function: Callable, tasks: Sequence[tuple], workers: int, threads: int, address: str | None
) -> Iterator[Any]:
    """Yield ``function(*task)`` for each task, in their order; arguments as of ``parallel.run``.

    Raises:
        RuntimeError: there is no Ray, no cluster at ``address``, or a task's process died ``AGAIN`` times.
    """
    ray = _joined(address)
    env = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    env |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    remote = ray.remote(here).options(num_cpus=threads, max_retries=AGAIN, runtime_env={"env_vars": env})
    times = Counter(id(value) for task in tasks for value in task if not isinstance(value, PASSED))
    kept = {}  # references of what several tasks have

    def sent(value: Any) -> Any:
        if times[id(value)] < 2:
            return value
        if id(value) not in kept:
            kept[id(value)] = ray.put(value)
        return kept[id(value)]

    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    if threads > max(cores, default=0):
        raise RuntimeError(f"tasks of {threads} threads, on machines of {cores} cores: lower train.threads")
    ahead = AHEAD * max(1, sum(cores) // threads) if workers == -1 else workers
    waiting, following = deque(), iter(tasks)
    try:
        while True:
            for task in following:
                waiting.append(remote.remote(os.getcwd(), partial(_called, function), [*map(sent, task)]))
                if len(waiting) >= ahead:
                    break
            if not waiting:
                return
            yield _of(ray, waiting.popleft())
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)


def _called(function: Callable, *arguments: Any) -> Any:
    """Return ``function(*arguments)``, with references in the place of arguments looked up."""
    import ray

    return function(*(ray.get(each) if isinstance(each, ray.ObjectRef) else each for each in arguments))


def _of(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        again = "its machines were killed, or ran out of memory; lower the number of workers, and run again to resume"
        died = isinstance(error, (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError))
        said = again if died or isinstance(error, ray.exceptions.OutOfMemoryError) else str(error).splitlines()[0]
        raise RuntimeError(f"a task on the cluster failed ({type(error).__name__}): {said}") from error


def _joined(address: str | None) -> Any:
    """Return the library, joined to a cluster."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise RuntimeError(
            "cluster.engine = ray: the library is not installed: pip install -e '.[ray]', or -S cluster.engine=local"
        ) from error
    if not ray.is_initialized():
        copyreg.pickle(np.memmap, _named)
        try:
            _answers(address)
            # Of "local" Ray starts a cluster; of None it would join one that RAY_ADDRESS names.
            quiet = {"log_to_driver": False, "logging_level": "ERROR"} | (
                {} if address else {"include_dashboard": False}
            )
            ray.init(address=address or "local", **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeError(
                f"cluster.address = {address!r}: no cluster of Ray is reached ({error}): start one with `ray start "
                "--head` here and `ray start --address=HOST:6379` on the other machines"
            ) from error
    return ray


def _answers(address: str | None) -> None:
    """Try to reach host:port: Ray itself would wait for minutes.

    Raises:
        OSError: nobody answers there.
    """
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), PATIENCE).close()


# Memory maps


def _named(array: np.memmap) -> tuple:
    """Return how an array is made again: from its file where it is a part of it, else from its numbers."""
    whole = array
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    if array._mmap is None or array.mode != "r" or not array.flags.c_contiguous or array.filename is None:
        return np.asarray(array).__reduce__()
    offset = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0] + whole.offset
    return _opened, (str(array.filename), array.dtype, offset, array.shape)


def _opened(name: str, dtype: np.dtype, offset: int, shape: tuple) -> np.ndarray:
    return np.memmap(name, dtype, "r", offset, shape)
