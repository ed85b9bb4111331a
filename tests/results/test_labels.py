"""The file of cluster labels."""

import numpy as np
import pytest

from audioclust.results import labels

CELLS = [{"encoder": "e", "seed": 0}, {"encoder": "e", "seed": 1}]


def test_what_was_saved_is_loaded(tmp_path):
    rows = np.array([[0, 1, -1], [2, 2, 2]])
    labels.save(tmp_path / "a" / "x.npz", CELLS, rows)
    cells, found = labels.load(tmp_path / "a" / "x.npz")
    assert cells == CELLS
    np.testing.assert_array_equal(found, rows)
    assert found.dtype == np.int32


def test_equal_labels_give_equal_bytes(tmp_path):
    rows = np.arange(6).reshape(2, 3)
    for name in ("a.npz", "b.npz"):
        labels.save(tmp_path / name, CELLS, rows)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_one_row_a_cell(tmp_path):
    with pytest.raises(ValueError, match="3 rows of labels for 2 cells"):
        labels.save(tmp_path / "x.npz", CELLS, np.zeros((3, 4)))


def test_a_missing_file_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="dvc repro"):
        labels.load(tmp_path / "x.npz")
