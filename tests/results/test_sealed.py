"""Sealed files: whole under their name, or known to be damaged."""

import os

import pytest
from damage_fixture import accepted

from audioclust.results import sealed


def read(path):
    try:
        return sealed.read(path)
    except sealed.Damaged:
        return None


def test_what_was_written_is_read(tmp_path):
    sealed.write(tmp_path / "new/x", b"content")
    assert bytes(sealed.read(tmp_path / "new/x")) == b"content"
    assert sealed.read(tmp_path / "other") is None
    sealed.write(tmp_path / "new/x", b"")
    assert bytes(sealed.read(tmp_path / "new/x")) == b""
    assert os.listdir(tmp_path / "new") == ["x"]


def test_no_damage_is_accepted(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        sealed.write(path, path.name.encode() * 100)
    assert accepted(paths, read) == []
    assert all(read(path) is not None for path in paths)


def test_a_file_under_another_name_is_damaged(tmp_path):
    sealed.write(tmp_path / "a", b"content")
    (tmp_path / "a").rename(tmp_path / "b")
    with pytest.raises(sealed.Damaged, match="b is damaged"):
        sealed.read(tmp_path / "b")
