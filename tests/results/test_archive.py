"""Archives: numpy reads them, and their bytes depend on the arrays alone."""

import time

import numpy as np
import pytest

from audioclust.results import archive


def test_numpy_reads_what_was_written(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "words": np.array("é"), "none": np.zeros((0, 4), np.float32)}
    archive.save(tmp_path / "new/x.npz", **arrays)
    with np.load(tmp_path / "new/x.npz") as file:
        assert set(file.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(file[name], array)
            assert file[name].dtype == array.dtype
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.npz"]


def test_the_bytes_hold_no_time_and_no_release_of_python(tmp_path, monkeypatch):
    archive.save(tmp_path / "one.npz", a=np.arange(5))
    monkeypatch.setattr(time, "time", lambda: 2e9)
    archive.save(tmp_path / "two.npz", a=np.arange(5))
    one = (tmp_path / "one.npz").read_bytes()
    assert one == (tmp_path / "two.npz").read_bytes()
    # Version 2.0 of the format, of which every reader knows; 4.5 is what numpy asks for.
    assert one[4:6] == b"\x14\x00"


def test_objects_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        archive.save(tmp_path / "x.npz", a=np.array([object()]))
    assert not (tmp_path / "x.npz").exists()
