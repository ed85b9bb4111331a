"""Everything that runs side by side goes through here: processes of joblib's, the results in the order of the tasks."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
    results = _results(function, tasks, workers, threads)
    yield from tqdm(results, total=len(tasks), desc=name, unit="shard", mininterval=pause, disable=not name)


def _results(function: Callable, tasks: Sequence[tuple], workers: int, threads: int) -> Iterator[Any]:
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            yield function(*task)
        return
    guarded = joblib.delayed(_guarded)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", inner_max_num_threads=threads)
    yield from parallel(guarded(os.getpid(), function, task) for task in tasks)


def side_by_side(tasks: int) -> int:
    """Return how many processes run a few long tasks best: all at once, or in waves of equal size.

    More processes than cores share them evenly, so that three tasks on two cores take the time of one and a half.
    """
    waves = -(-tasks // (OVER * joblib.cpu_count()))
    return max(1, -(-tasks // max(waves, 1)))


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
