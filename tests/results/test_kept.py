"""Rows of outputs: kept under all they depend on, checked on use, in no more room than they may take."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from damage_fixture import accepted

from audioclust.results import kept as module
from audioclust.results import sealed
from audioclust.results.kept import Kept, checksum, digest, fill, link, prune, row_keys

# A run that keeps, finds and prunes, beside others that do.
RUN = """
import sys, numpy as np; from pathlib import Path; from audioclust.results.kept import *
kept = Kept(Path(sys.argv[1]), "code")
for i in range(40):
    x = np.full((3, 50), i % 7)
    keys = [bytes([j, i % 7, 1]) for j in range(3)]
    kept.keep(x, keys, [checksum(row) for row in x])
    for rows in kept.find(keys):
        one = None if rows is None else rows.one(checksum)
        assert one is None or (one == i % 7).all()
    prune(Path(sys.argv[1]), 3000)
"""


def keys(*names: str) -> list[bytes]:
    return [digest(name.encode()) for name in names]


def keep(tmp_path, x, *names, file="x.npy", inputs=("code",), **more) -> Kept:
    """Write ``x`` and keep its rows."""
    np.save(tmp_path / file, x)
    kept = Kept(tmp_path / "kept", *inputs)
    kept.keep(tmp_path / file, keys(*names), [checksum(row) for row in x], **more)
    return kept


def found(kept, *names, check=checksum):
    return [None if rows is None else rows.one(check) for rows in kept.find(keys(*names))]


def test_rows_are_found_by_their_keys(tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float16)
    kept = keep(tmp_path, x, "a", "b", "c")
    got = found(Kept(tmp_path / "kept", "code"), "c", "x", "a", "c")
    assert got[1] is None and got[0].dtype == np.float16
    for row, expected in zip((got[0], got[2], got[3]), x[[2, 0, 2]], strict=True):
        np.testing.assert_array_equal(row, expected)
    assert next((tmp_path / "kept").glob("*/*.npy")).samefile(tmp_path / "x.npy")
    assert found(kept.also("more"), "a") == [None]


@pytest.mark.parametrize("inputs", [("other code",), ("code", 1), ()])
def test_other_inputs_find_nothing(tmp_path, inputs):
    keep(tmp_path, np.zeros((1, 4)), "a")
    assert found(Kept(tmp_path / "kept", *inputs), "a") == [None]


def test_another_processor_finds_nothing(tmp_path, monkeypatch):
    keep(tmp_path, np.zeros((1, 4)), "a")
    monkeypatch.setattr(module, "processor", lambda: "another")
    assert found(Kept(tmp_path / "kept", "code"), "a") == [None]


def test_an_entry_may_have_several_rows_or_none_and_something_to_be_known(tmp_path):
    x = np.arange(20).reshape(5, 4)
    kept = keep(tmp_path, x, "a", "b", "c", spans=[(3, 2), (0, 0), (1, 1)], about=[{"n": 1}, None, [2]])
    two, none, one = kept.find(keys("a", "b", "c"))
    assert [np.frombuffer(row, x.dtype).tolist() for row in two.read(checksum)] == x[3:].tolist()
    assert list(none.read(checksum)) == [] and np.array_equal(one.one(checksum), x[1])
    assert (two.about, none.about, one.about) == ({"n": 1}, None, [2])


def test_an_array_that_is_no_file_is_written(tmp_path):
    kept = Kept(tmp_path, "code")
    kept.keep(
        np.arange(6).reshape(3, 2), keys("a", "b", "c"), [checksum(np.arange(2 * i, 2 * i + 2)) for i in range(3)]
    )
    assert found(kept, "b")[0].tolist() == [2, 3]


def test_a_generation_replaces_those_that_it_holds(tmp_path):
    x = np.arange(12).reshape(4, 3)
    keep(tmp_path, x[:2], "a", "b", file="one.npy")
    keep(tmp_path, x[1:3], "b", "c", file="two.npy")
    assert len(list((tmp_path / "kept").glob("*/*.npy"))) == 2
    kept = keep(tmp_path, x, "a", "b", "c", "d", file="three.npy")
    assert len(list((tmp_path / "kept").glob("*/*"))) == 2
    assert [row.tolist() for row in found(kept, "a", "d")] == [x[0].tolist(), x[3].tolist()]


@pytest.mark.parametrize("suffix", [".npy", ".index"])
def test_no_damage_is_accepted(tmp_path, suffix):
    x = np.random.default_rng(0).normal(size=(6, 5))
    kept = keep(tmp_path, x[:3], *"abc", file="one.npy")
    keep(tmp_path, x[3:], *"def", file="two.npy")
    whole = {path: path.read_bytes() for path in kept.folder.iterdir()}
    assert len(whole) == 4 and all(row is not None for row in found(kept, *"abcdef"))

    def wrong(path):
        rows = zip(found(kept, *"abcdef"), x, strict=True)
        taken = [row is not None and not np.array_equal(row, expected) for row, expected in rows]
        for file in whole.keys() - {path}:  # with a damaged index its array is deleted
            if not file.exists():
                file.write_bytes(whole[file])
        return True if any(taken) else None

    assert accepted([path for path in whole if path.suffix == suffix], wrong) == []


def test_what_is_damaged_or_absent_is_filled_in(tmp_path):
    x = np.arange(12.0).reshape(4, 3)
    kept = keep(tmp_path, x, "a", "b", "c", "d")
    damaged = np.load(tmp_path / "x.npy", mmap_mode="r+")
    damaged[1, 2] = 7
    damaged.flush()
    asked = []

    def compute(new):
        asked.extend(new)
        return np.stack([np.full(3, -1.0 - position) for position in new])

    rows, checks, computed = fill(kept.find(keys("a", "x", "b", "d")), checksum, compute)
    assert asked == [1, 2] and computed == 2
    assert rows.tolist() == [x[0].tolist(), [-2.0] * 3, [-3.0] * 3, x[3].tolist()]
    assert checks == [checksum(row) for row in rows]
    rows, _, computed = fill(kept.find(keys("a", "d")), checksum, compute)
    assert computed == 0 and rows.tolist() == x[[0, 3]].tolist() and rows.dtype == x.dtype


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    for time_, name in enumerate("abc"):
        kept = keep(tmp_path, np.zeros((1, 1000)), name, file=f"{name}.npy")
        (tmp_path / f"{name}.npy").unlink()  # nothing else holds it
        for path in (tmp_path / "kept").glob("*/*.index"):
            os.utime(path, (path.stat().st_mtime, min(path.stat().st_mtime, time_)))
    found(kept, "a")
    prune(tmp_path / "kept", 20_000)
    assert [row is None for row in found(kept, "a", "b", "c")] == [False, True, False]


def test_what_an_output_holds_takes_no_room(tmp_path):
    kept = keep(tmp_path, np.zeros((1, 100_000)), "a")
    prune(tmp_path / "kept", 5_000)
    assert found(kept, "a")[0] is not None
    (tmp_path / "x.npy").unlink()
    prune(tmp_path / "kept", 5_000)
    assert found(kept, "a") == [None] and not list((tmp_path / "kept").glob("*/*"))


def test_room_is_shared_with_a_copy_in_a_cache(tmp_path):
    x = np.random.default_rng(0).normal(size=(200, 30))
    names = [str(i) for i in range(200)]
    keep(tmp_path, x, *names)
    (array,) = (tmp_path / "kept").glob("*/*.npy")
    other = x.copy()
    other[::7] = 0
    np.save(tmp_path / "other.npy", other)
    np.save(tmp_path / "longer.npy", np.concatenate([x, x]))
    (tmp_path / "x.npy").rename(tmp_path / "moved.npy")
    np.save(tmp_path / "cached.npy", x)  # as DVC does
    copies = [tmp_path / f"{name}.npy" for name in ("absent", "longer", "other", "cached")]
    module.share(tmp_path / "kept", copies)
    assert array.samefile(tmp_path / "moved.npy"), "something holds it"
    (tmp_path / "moved.npy").unlink()
    module.share(tmp_path / "kept", copies[:3])
    assert array.stat().st_nlink == 1
    module.share(tmp_path / "kept", copies)
    assert array.samefile(tmp_path / "cached.npy")
    assert np.array_equal(found(Kept(tmp_path / "kept", "code"), "199")[0], x[199])


def test_what_killed_runs_left_is_pruned(tmp_path, monkeypatch):
    keep(tmp_path, np.zeros((1, 4)), "a")
    (folder,) = (tmp_path / "kept").iterdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".a.npy.1.{dead.pid}.part", f".b.npy.1.{os.getpid()}.part", "c.npy"):
        (folder / name).touch()
    prune(tmp_path / "kept")
    assert {path.name for path in folder.iterdir() if len(path.stem) < 30} == {f".b.npy.1.{os.getpid()}.part", "c.npy"}
    monkeypatch.setattr(time, "time", lambda: (folder / "c.npy").stat().st_ctime + module.ORPHAN + 1)
    prune(tmp_path / "kept")
    assert not (folder / "c.npy").exists() and len(list(folder.glob("*.npy"))) == 1


def test_a_second_name_of_one_file_leaves_no_part(tmp_path):
    (tmp_path / "a").write_text("x")
    for _ in range(2):
        link(tmp_path / "a", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_where_there_is_no_room_nothing_is_kept(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed, "write", full)
    assert found(keep(tmp_path, np.zeros((1, 4)), "a"), "a") == [None]


def test_runs_side_by_side_share_and_prune_them(tmp_path):
    runs = [subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)]) for _ in range(3)]
    assert [run.wait() for run in runs] == [0] * 3


def test_row_keys_tell_every_number(tmp_path):
    digests = np.random.default_rng(0).integers(0, 256, (3, 16)).astype(np.uint8)
    numbers = np.array([1, 1, 2])
    one = row_keys(digests, numbers)
    changed = digests.copy()
    changed[1, 15] ^= 1
    assert len({*one, *row_keys(digests), *row_keys(digests, numbers + 1), row_keys(changed, numbers)[1]}) == 10
