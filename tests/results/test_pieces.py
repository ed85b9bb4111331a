"""Pieces of work: kept under all they depend on, whole or not there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage_fixture import accepted

from audioclust.results import sealed
from audioclust.results.pieces import Pieces

# A run that keeps, reads and prunes pieces, beside others that do.
RUN = """
import sys, numpy as np; from pathlib import Path; from audioclust.results.pieces import Pieces
pieces = Pieces(Path(sys.argv[1]))
for i in range(60):
    pieces.put(f"{i % 7}{i % 3}", x=np.full(99, i % 21))
    kept = pieces.get(f"{i % 5}{i % 3}")
    pieces.prune(4000)
"""


def test_what_is_put_is_got(tmp_path):
    pieces = Pieces(tmp_path)
    key = pieces.key({"a": 1}, np.arange(3), None)
    assert pieces.get(key) is None
    pieces.put(key, x=np.arange(4.0), name=np.array("é"))
    kept = Pieces(tmp_path).get(key)
    np.testing.assert_array_equal(kept["x"], np.arange(4.0))
    assert str(kept["name"]) == "é" and pieces.computed == 1


@pytest.mark.parametrize(
    "other",
    [({"a": 2}, np.arange(3)), ({"a": 1}, np.arange(4)), ({"a": 1}, np.arange(3.0)), ({"a": 1}, np.arange(3)[:, None])],
)
def test_other_inputs_have_another_key(other):
    assert Pieces.key(*other) != Pieces.key({"a": 1}, np.arange(3))


def test_a_damaged_piece_is_not_there(tmp_path):
    pieces = Pieces(tmp_path)
    for at in (0, 40, -1):
        pieces.put("key", x=np.arange(9))
        path = tmp_path / "ke" / "key"
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        assert pieces.get("key") is None and not path.exists()
    pieces.put("key", x=np.arange(9))
    path.write_bytes(path.read_bytes()[:50])
    assert pieces.get("key") is None


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    pieces = Pieces(tmp_path)
    for i, name in enumerate(("aa", "bb", "cc")):
        pieces.put(name, x=np.zeros(1000))
        os.utime(tmp_path / name / name, (i, i))
    pieces.get("aa")
    pieces.prune(2.5 * (tmp_path / "cc/cc").stat().st_size)
    assert [name for name in ("aa", "bb", "cc") if pieces.get(name)] == ["aa", "cc"]


def test_no_damage_is_accepted(tmp_path):
    pieces = Pieces(tmp_path)
    for name in ("aa", "bb", "cc"):
        pieces.put(name, x=np.array(name))
    assert accepted(sorted(tmp_path.glob("*/*")), lambda path: pieces.get(path.name)) == []


def test_a_piece_that_another_run_prunes_is_not_there(tmp_path, monkeypatch):
    pieces = Pieces(tmp_path)
    pieces.put("aa", x=np.arange(3))
    glob, read = Path.glob, sealed.read
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [*glob(self, pattern), self / "no/longer"])
    pieces.prune()

    def pruned(path):
        data = read(path)
        path.unlink()
        return data

    monkeypatch.setattr(sealed, "read", pruned)
    assert pieces.get("aa")["x"].tolist() == [0, 1, 2]


def test_runs_side_by_side_share_and_prune_them(tmp_path):
    runs = [subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)]) for _ in range(3)]
    assert [run.wait() for run in runs] == [0] * 3
    assert all(path.suffix != ".part" for path in tmp_path.glob("*/*"))


def test_what_killed_runs_left_half_written_is_pruned(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "aa").mkdir()
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f"aa/.aa.1.{pid}.part").touch()
    Pieces(tmp_path).prune()
    assert [path.name for path in tmp_path.glob("*/*")] == [f".aa.1.{os.getpid()}.part"]
