"""``make repro`` ends with the table once, ``make cluster`` takes any folder; ``dvc`` and ``python`` are stubs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A run of DVC takes seconds. A stub that ended within one tick of the file system's clock would leave the two files
# that the Makefile compares of the same age.
DVC = """#!/bin/sh
echo "dvc $*"
sleep 0.1
test -z "$EVALUATES" || { echo table; mkdir -p .scratch/costs; echo {} > .scratch/costs/evaluate.json; }
exit ${STATUS:-0}
"""
PYTHON = """#!/bin/sh
test "$*" = stages/table.py && echo table
test "$1" = stages/cluster.py && printf '%s|' "$@"
exit 0
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def make(tmp_path):
    """A folder with the project's Makefile and nothing to install; returns a function that runs ``make``."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in (("dvc", DVC), ("python", PYTHON), (".installed", "")):
        (tmp_path / ".venv/bin" / name).write_text(text)
        (tmp_path / ".venv/bin" / name).chmod(0o755)

    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
        command = ["make", *(arguments or ["repro"])]
        return subprocess.run(
            command, cwd=tmp_path, env=outside | variables, capture_output=True, text=True, timeout=60
        )

    return run


def test_the_table_is_printed_once_whatever_ran(make):
    for variables in ({}, {"EVALUATES": "1"}, {}, {"EVALUATES": "1"}):
        done = make(**variables)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["dvc repro", "dvc repro", "table"]  # make tells its command first


def test_no_table_follows_a_run_that_failed(make):
    done = make(STATUS="3")
    assert done.returncode != 0 and "table" not in done.stdout


@pytest.mark.parametrize("name", ["in", 'a (new), "b" = it\'s', "o$dd $(shell) #é", "-x", "new\nline"])
def test_cluster_takes_a_folder_of_any_name(make, tmp_path, name):
    (tmp_path / name).mkdir()
    done = make("-s", "cluster", f"FOLDER={name}", "K=8", "KIND=words")
    assert done.stdout == f"stages/cluster.py|-k|8|--kind|words|--|{name}|", done.stderr
    assert make("-s", "cluster", FOLDER=name).stdout == f"stages/cluster.py|-k|auto|--kind|any|--|{name}|"


@pytest.mark.parametrize("name", ["nowhere (x)", "", "~/nowhere"])
def test_cluster_stops_before_any_work_where_there_is_no_folder(make, tmp_path, name):
    (tmp_path / ".venv/bin/.installed").unlink()
    done = make("cluster", f"FOLDER={name}", HOME=str(tmp_path))
    assert done.returncode != 0 and "no such folder; make cluster FOLDER=/path" in done.stdout
    assert "pip" not in done.stdout + done.stderr
