"""Everything that runs side by side goes through here: processes, their results in the order of the tasks."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import joblib
from tqdm import tqdm

OVER = 2  # times as many processes as cores, at most, where few long tasks would leave a core idle at the end


def run(
    function: Callable, tasks: Sequence[tuple], *, workers: int = -1, threads: int = 1, name: str = ""
) -> Iterator[Any]:
    """Yield ``function(*task)`` for each task, in their order, with a progress bar.

    Args:
        function: one that can be pickled.
        tasks: its arguments.
        workers: processes; -1: one per core; 1: in this process.
        threads: of each process.
        name: of the progress bar; "" for none, where the tasks draw their own.
    """
    pause = 0.1 if sys.stderr.isatty() else 10  # a log file needs no line per task
    # Before the progress bar, which has a thread of its own: forks are for processes of one thread.
    results = _results(function, tasks, joblib.cpu_count() if workers == -1 else workers, threads)
    yield from tqdm(results, total=len(tasks), desc=name, unit="shard", mininterval=pause, disable=not name)


def _results(function: Callable, tasks: Sequence[tuple], workers: int, threads: int) -> Iterator[Any]:
    if min(workers, len(tasks)) <= 1:
        return (function(*task) for task in tasks)
    if threads == 1 and _may_fork():
        return _forked(function, tasks, min(workers, len(tasks)))
    task_here = joblib.delayed(_here)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", inner_max_num_threads=threads)
    return parallel(task_here(os.getcwd(), os.getpid(), function, task) for task in tasks)


def side_by_side(tasks: int) -> int:
    """Return how many processes run a few long tasks best: all at once, or in waves of equal size.

    More processes than cores share them evenly, so that three tasks on two cores take the time of one and a half.
    """
    waves = -(-tasks // (OVER * joblib.cpu_count()))
    return max(1, -(-tasks // max(waves, 1)))


# Forked workers have imported what this process has: torch and scikit-learn take seconds of each worker otherwise.


def _may_fork() -> bool:
    """Tell whether workers of one thread can be forked: no lock may be held by a thread that they will not have."""
    torch = sys.modules.get("torch")
    cuda = torch is not None and torch.cuda.is_initialized()  # its contexts do not outlive a fork
    return sys.platform == "linux" and threading.active_count() == 1 and not cuda


_tasks: Sequence[tuple] = ()  # of a forked worker, which inherits them: nothing is pickled, memory maps are shared


def _forked(function: Callable, tasks: Sequence[tuple], workers: int) -> Iterator[Any]:
    global _tasks
    _tasks = tasks
    pool = ProcessPoolExecutor(workers, mp_context=get_context("fork"))
    waiting = [pool.submit(_inherited, os.getpid(), function, position) for position in range(len(tasks))]
    _tasks = ()
    return _collected(pool, waiting)


def _collected(pool: ProcessPoolExecutor, waiting: list) -> Iterator[Any]:
    try:
        waiting.reverse()
        while waiting:
            yield waiting.pop().result()  # and forgotten, so that results do not pile up
    finally:
        pool.shutdown(cancel_futures=True)


def _inherited(parent: int, function: Callable, position: int) -> Any:
    return _guarded(parent, function, _tasks[position])


def _here(folder: str, parent: int, function: Callable, task: tuple) -> Any:
    os.chdir(folder)  # a worker may be older than the working folder
    return _guarded(parent, function, task)


def _guarded(parent: int, function: Callable, task: tuple) -> Any:
    _die_with(parent)
    return function(*task)


_watched: set[int] = set()


def _die_with(parent: int) -> None:
    """End this worker soon after its parent was killed: nobody waits for it, and the next run would compete with it."""
    if parent not in _watched:
        _watched.add(parent)
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
