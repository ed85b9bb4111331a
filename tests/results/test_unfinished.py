"""Folders of unfinished work: shared by runs of one key, deleted by the last, and after a while by others."""

import os
import subprocess
import sys
import time
from pathlib import Path

from audioclust.results import unfinished
from audioclust.results.unfinished import Unfinished

# Another run: it holds a folder until its standard input ends.
OTHER = "import sys, pathlib; from audioclust.results.unfinished import Unfinished as U; " \
        "u = U(pathlib.Path(sys.argv[1]), sys.argv[2]); print(flush=True); sys.stdin.read(); u.finish()"  # fmt: skip
# One of several runs that come and go.
COMING = (
    "import sys, pathlib; from audioclust.results.unfinished import Unfinished as U\n"
    "for i in range(60):\n"
    "    with U(pathlib.Path(sys.argv[1]), 'key') as folder:\n"
    "        mine = folder / sys.argv[2]\n"
    "        mine.write_text('x')\n"
    "        assert mine.read_text() == 'x'\n"
)


def other(top: Path, key: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(top), key], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


def age(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        os.utime(path, (0, time.time() - unfinished.WAITS - 60))


def test_a_folder_lasts_as_long_as_a_run_needs_it(tmp_path):
    top = tmp_path / "top"
    first = other(top, "key")
    with Unfinished(top, "key") as folder:
        (folder / "work").touch()
    assert (folder / "work").exists()
    first.communicate()
    assert first.returncode == 0 and not top.exists()


def test_after_an_error_it_waits(tmp_path):
    try:
        with Unfinished(tmp_path, "key") as folder:
            raise ValueError
    except ValueError:
        assert folder.exists()
    Unfinished(tmp_path, "key").finish()
    assert not folder.exists()


def test_a_killed_run_holds_nothing(tmp_path):
    killed = other(tmp_path, "key")
    killed.kill()
    killed.wait()
    assert (tmp_path / "key").exists()
    Unfinished(tmp_path, "key").finish()
    assert not (tmp_path / "key").exists()


def test_what_killed_runs_left_goes_after_a_while(tmp_path):
    for key in ("old", "new", "running"):
        Unfinished(tmp_path, key).release()
    running = other(tmp_path, "running")
    age(tmp_path / "old")
    age(tmp_path / "running")
    Unfinished(tmp_path, "key").release()
    assert sorted(os.listdir(tmp_path)) == ["key", "new", "running"]
    running.communicate()


def test_runs_that_come_and_go_do_not_break_each_other(tmp_path):
    runs = [subprocess.Popen([sys.executable, "-c", COMING, str(tmp_path / "top"), str(i)]) for i in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert not (tmp_path / "top").exists()
