"""``make repro`` ends with the table once, whether stage ``evaluate`` ran or not; ``dvc`` and ``python`` are stubs."""

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
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def make(tmp_path):
    """A folder with the project's Makefile and nothing to install; returns a function that runs ``make repro``."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in (("dvc", DVC), ("python", PYTHON), (".installed", "")):
        (tmp_path / ".venv/bin" / name).write_text(text)
        (tmp_path / ".venv/bin" / name).chmod(0o755)

    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`

    def repro(**variables: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["make", "repro"], cwd=tmp_path, env=outside | variables, capture_output=True, text=True, timeout=60
        )

    return repro


def test_the_table_is_printed_once_whatever_ran(make):
    for variables in ({}, {"EVALUATES": "1"}, {}, {"EVALUATES": "1"}):
        done = make(**variables)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["dvc repro", "dvc repro", "table"]  # make tells its command first


def test_no_table_follows_a_run_that_failed(make):
    done = make(STATUS="3")
    assert done.returncode != 0 and "table" not in done.stdout
