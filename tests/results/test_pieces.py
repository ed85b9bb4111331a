"""Pieces of work: kept under all they depend on, whole or not there."""

import os

import numpy as np
import pytest

from audioclust.results.pieces import Pieces


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
