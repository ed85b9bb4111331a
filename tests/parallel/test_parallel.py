"""Work side by side: in order, with the errors of the workers, and not after their parent's death."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pytest

from audioclust import parallel


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    assert list(parallel.run(pow, [(i, 2) for i in range(5)], workers=workers)) == [0, 1, 4, 9, 16]
    assert list(parallel.run(pow, [], workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_workers_error_is_the_callers(workers):
    with pytest.raises(ValueError, match="invalid literal"):
        list(parallel.run(int, [("1",), ("one",)], workers=workers))


@pytest.mark.parametrize(("tasks", "cores", "processes"), [(3, 2, 3), (4, 2, 4), (5, 2, 3), (10, 2, 4), (3, 8, 3)])
def test_few_long_tasks_leave_no_core_idle(tasks, cores, processes, monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    assert parallel.side_by_side(tasks) == processes


def test_workers_are_where_their_parent_is(tmp_path, monkeypatch):
    for name in ("one", "two"):  # the second time they are those of the first
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert set(parallel.run(Path.cwd, [()] * 4, workers=2)) == {tmp_path / name}


STATE = "imported"  # what a worker finds that imported this module by itself


def state(_: int) -> tuple[str, int]:
    time.sleep(0.1)  # long enough for the other worker to take a task
    return STATE, os.getpid()


@pytest.mark.parametrize(("threads", "other", "expected"), [(1, 0, "set"), (2, 0, "imported"), (1, 1, "imported")])
def test_workers_are_forked_where_neither_they_nor_their_parent_have_other_threads(threads, other, expected):
    code = (
        f"import sys, threading, time; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_parallel as t; "
        f"t.STATE = 'set'; {other} and threading.Thread(target=time.sleep, args=(30,), daemon=True).start(); "
        f"found = list(t.parallel.run(t.state, [(i,) for i in range(6)], workers=2, threads={threads}, name='x')); "
        "print({state for state, _ in found}, len({pid for _, pid in found}), t.os.getpid() in dict(found).values())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == f"{ {expected} } 2 False\n"


def wait(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(60)


def compute(folder: Path) -> None:
    """Stay in C code that lets no other thread of the process run."""
    (folder / str(os.getpid())).touch()
    sum(range(10**10))


def started(folder: Path, work: str, threads: int) -> tuple[subprocess.Popen, list[int]]:
    """Start a process whose two workers run a function of this module; return it and the workers, once both do.

    It takes interrupts, also where the tests run in a shell's background, whose processes ignore them.
    """
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_parallel as t; "
        f"from pathlib import Path; tasks = [(Path({str(folder)!r}),)] * 4; "
        f"list(t.parallel.run(t.{work}, tasks, workers=2, threads={threads}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, process_group=0)
    for _ in range(600):
        if len(list(folder.iterdir())) == 2:
            break
        time.sleep(0.1)
    workers = [int(path.name) for path in folder.iterdir()]
    assert len(workers) == 2
    return process, workers


def end(workers: list[int]) -> bool:
    """Tell whether all workers end within seconds."""
    for _ in range(100):
        if not any(map(alive, workers)):
            return True
        time.sleep(0.1)
    return False


FORKED_AND_NOT = pytest.mark.parametrize("threads", [1, 2], ids=["forked", "not forked"])


@FORKED_AND_NOT
@pytest.mark.parametrize("work", ["wait", "compute"])
def test_workers_end_with_their_parent(tmp_path, work, threads):
    process, workers = started(tmp_path, work, threads)
    process.send_signal(signal.SIGKILL)
    assert end(workers)
    process.communicate()


@FORKED_AND_NOT
@pytest.mark.parametrize("send", [os.killpg, os.kill], ids=["terminal", "parent alone"])
def test_an_interrupt_ends_the_workers_and_only_the_parent_says_so(tmp_path, send, threads):
    process, workers = started(tmp_path, "compute", threads)
    send(process.pid, signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert end(workers)
    assert said.count("KeyboardInterrupt") == said.count("Traceback") == 1


@FORKED_AND_NOT
def test_a_worker_that_is_killed_is_an_error_in_one_line(tmp_path, threads):
    process, workers = started(tmp_path, "wait", threads)
    os.kill(workers[0], signal.SIGKILL)
    said = process.communicate(timeout=20)[1].splitlines()
    assert said[-1].startswith("RuntimeError: a worker process was killed") and "run again to resume" in said[-1]
    assert end(workers)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
