"""Cosine neighbours in torch: the official ones at every block size, never the point itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audioclust.points import cosine as module
from audioclust.points.cosine import cosine_neighbours
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import scale

X = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("block", [1, 7, 32, 60, 4096])
def test_neighbours_are_temis(block):
    """``compute_neighbors`` of TEMI's gen_embeds.py, for at most 80,000 points (golden/methods/temi_knn)."""
    golden = np.load(Path(__file__).parents[1] / "golden" / "temi_knn.npz")
    found = cosine_neighbours(torch.from_numpy(golden["x"]), golden["neighbors"].shape[1], block)
    assert found.dtype == torch.int64
    np.testing.assert_array_equal(found, golden["neighbors"])


def test_neighbours_are_those_of_the_grid():
    _, expected = Neighbours(scale(X.numpy(), "l2")).query(6)
    np.testing.assert_array_equal(cosine_neighbours(X, 6), expected)


@pytest.mark.parametrize("block", [7, 4096])
def test_no_point_is_its_own_neighbour_among_duplicates(block):
    x = X[:6].repeat_interleave(10, 0) * torch.rand(60, 1).add(0.5)
    found = cosine_neighbours(x, 9, block)
    assert (found != torch.arange(60)[:, None]).all()
    assert (found // 10 == torch.arange(60)[:, None] // 10).all()
    assert all(len(row.unique()) == 9 for row in found)


def test_all_others_can_be_asked_for():
    found = cosine_neighbours(X, 59, 16)
    assert all(set(row.tolist()) == set(range(60)) - {i} for i, row in enumerate(found))


@pytest.mark.parametrize("k", [0, 60, 100])
def test_k_out_of_range_names_the_rule(k):
    with pytest.raises(ValueError, match=rf"k={k} neighbours of 60 points"):
        cosine_neighbours(X, k)


def test_many_points_on_a_cpu_are_searched_in_cells_and_it_is_said_how_many_are_found(monkeypatch):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3000, 8)).astype(np.float32))
    x[10:14] = x[10]
    exact = cosine_neighbours(x, 5)
    monkeypatch.setattr(module, "EXACT", 1000)
    with pytest.warns(UserWarning, match=r"the 5 neighbours of 3000 points .* of 219 cells: (0\.9[5-9]|1\.0)"):
        found = cosine_neighbours(x, 5)
    assert found.dtype == torch.int64 and found.shape == (3000, 5)
    assert (found != torch.arange(3000)[:, None]).all()
    shared = [len(np.intersect1d(*pair)) for pair in zip(found.numpy(), exact.numpy(), strict=True)]
    assert np.mean(shared) / 5 > 0.93
    with pytest.warns(UserWarning):
        assert torch.equal(cosine_neighbours(x, 5), found)


def test_fewer_rows_at_a_time_of_many_points_find_the_same(monkeypatch):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    whole = cosine_neighbours(x, 5)
    monkeypatch.setattr(module, "ENTRIES", 3000)
    assert torch.equal(cosine_neighbours(x, 5), whole)
