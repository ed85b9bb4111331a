"""Tasks in processes of this machine, or in threads of this one."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import joblib

DEATH_SIGNAL = 1  # of prctl(2): PR_SET_PDEATHSIG


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


def results(function: Callable, tasks: Sequence[tuple], workers: int, threads: int, shared: bool) -> Iterator[Any]:
    """Return what ``parallel.run`` yields."""
    # Before the progress bar, which has a thread of its own: forks are for processes of one thread.
    with _no_interrupts():
        return _results(function, tasks, workers, threads, shared)


def _results(function: Callable, tasks: Sequence[tuple], workers: int, threads: int, shared: bool) -> Iterator[Any]:
    if min(workers, len(tasks)) <= 1:
        return (function(*task) for task in tasks)
    if shared:
        threaded = joblib.Parallel(n_jobs=workers, require="sharedmem", return_as="generator")
        return threaded(joblib.delayed(function)(*task) for task in tasks)
    if threads == 1 and _may_fork():
        return _forked(function, tasks, min(workers, len(tasks)))
    task_here = joblib.delayed(here)
    parallel = joblib.Parallel(
        n_jobs=workers, return_as="generator", inner_max_num_threads=threads,
        initializer=_die_with, initargs=(os.getpid(),),
    )  # fmt: skip
    return parallel(task_here(os.getcwd(), function, task) for task in tasks)


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


def here(folder: str, function: Callable, task: tuple) -> Any:
    """Return ``function(*task)``, run in a folder."""
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
