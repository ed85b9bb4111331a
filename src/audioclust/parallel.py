"""Everything that runs side by side goes through here: processes, their results in the order of the tasks."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import joblib
from tqdm import tqdm

tqdm.monitor_interval = 0  # its thread would keep later workers from being forked
OVER = 2  # times as many processes as cores, at most, where few long tasks would leave a core idle at the end
DEATH_SIGNAL = 1  # of prctl(2): PR_SET_PDEATHSIG


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

    Raises:
        RuntimeError: a worker was killed, or crashed.
    """
    pause = 0.1 if sys.stderr.isatty() else 10  # a log file needs no line per task
    # Before the progress bar, which has a thread of its own: forks are for processes of one thread.
    with _no_interrupts():
        results = _results(function, tasks, joblib.cpu_count() if workers == -1 else workers, threads)
    try:
        yield from tqdm(results, total=len(tasks), desc=name, unit="shard", mininterval=pause, disable=not name)
    except BrokenExecutor as error:
        raise RuntimeError(
            "a worker process was killed, as the system does where memory runs out: close other programs or lower the "
            "number of workers (data.workers, embed.workers, train.workers), and run again to resume"
        ) from error


def stop() -> None:
    """Kill all workers of this process."""
    for worker in multiprocessing.active_children():
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)  # loky's processes have no kill()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Put off a Ctrl-C until the end of the block; processes that are started in it never see one.

    A terminal sends it to the workers too, each of which would end in a traceback. Their parent ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _results(function: Callable, tasks: Sequence[tuple], workers: int, threads: int) -> Iterator[Any]:
    if min(workers, len(tasks)) <= 1:
        return (function(*task) for task in tasks)
    if threads == 1 and _may_fork():
        return _forked(function, tasks, min(workers, len(tasks)))
    task_here = joblib.delayed(_here)
    parallel = joblib.Parallel(
        n_jobs=workers, return_as="generator", inner_max_num_threads=threads,
        initializer=_die_with, initargs=(os.getpid(),),
    )  # fmt: skip
    return parallel(task_here(os.getcwd(), function, task) for task in tasks)


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
    fork = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, mp_context=fork, initializer=_die_with, initargs=(os.getpid(),))
    waiting = [pool.submit(_inherited, function, position) for position in range(len(tasks))]
    _tasks = ()
    return _collected(pool, waiting)


def _collected(pool: ProcessPoolExecutor, waiting: list) -> Iterator[Any]:
    try:
        waiting.reverse()
        while waiting:
            yield waiting.pop().result()  # and forgotten, so that results do not pile up
    except KeyboardInterrupt:
        stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _inherited(function: Callable, position: int) -> Any:
    return function(*_tasks[position])


def _here(folder: str, function: Callable, task: tuple) -> Any:
    os.chdir(folder)  # a worker may be older than the working folder
    return function(*task)


def _die_with(parent: int) -> None:
    """Have this worker end with its parent: nobody waits for it then, and the next run would compete with it."""
    if sys.platform == "linux":  # whose kernel does it, whatever code the worker is in
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended already
            os._exit(1)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
