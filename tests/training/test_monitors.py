"""Monitors: closed forms, and that they tell a collapsed embedding from one that spreads."""

import math

import pytest
import torch
from torch.nn import functional as F

from audioclust.training.monitors import monitors


def values(z1, z2):
    return {name: value.item() for name, value in monitors(z1, z2, z1).items()}


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-6])
def test_collapse_is_seen_through_rounding(noise):
    torch.manual_seed(0)
    z = torch.randn(1, 32) + noise * torch.randn(64, 32)
    found = values(z, z.roll(1, 0))
    assert found["spread"] < 1e-4 and found["rank"] < 1.1
    assert abs(found["alignment"]) < 1e-8 and abs(found["uniformity"]) < 1e-6


def test_an_embedding_that_spreads():
    torch.manual_seed(0)
    z = torch.randn(256, 16)
    found = values(z, z)
    assert found["alignment"] == 0
    assert found["spread"] == pytest.approx(1, abs=0.02) and 15 < found["rank"] <= 16
    assert -4 < found["uniformity"] < -3


def test_a_collapse_to_a_line_shows_in_the_rank():
    torch.manual_seed(0)
    z = torch.randn(64, 1) * torch.randn(1, 32)
    assert values(z, z)["rank"] == pytest.approx(1, abs=0.01)


def test_closed_forms():
    basis = torch.eye(8)
    found = values(3 * basis, -basis)  # lengths do not count
    assert found["alignment"] == pytest.approx(4) and found["uniformity"] == pytest.approx(-4)
    assert found["rank"] == pytest.approx(7, rel=1e-4)  # orthonormal but for the mean
    assert found["spread"] == pytest.approx(math.sqrt(8 * (1 / 8 - 1 / 64)))
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert values(opposite, opposite)["uniformity"] == pytest.approx(-8)


def test_uniformity_is_that_of_all_pairs():
    torch.manual_seed(0)
    z = F.normalize(torch.randn(20, 5, dtype=torch.float64), dim=1)
    pairs = [torch.exp(-2 * (a - b).square().sum()) for i, a in enumerate(z) for b in z[:i]]
    assert values(z, z)["uniformity"] == pytest.approx(math.log(sum(pairs) / len(pairs)), rel=1e-5)


def test_half_precision_and_gradients():
    z = torch.randn(8, 4, dtype=torch.bfloat16, requires_grad=True)
    found = monitors(z, z, z)
    assert all(value.dtype == torch.float32 and not value.requires_grad for value in found.values())


def test_what_is_not_finite_is_nan_and_no_error():
    z = torch.randn(8, 4)
    for bad in range(3):
        given = [z, z, z]
        given[bad] = z * torch.nan
        assert all(value.isnan() for value in monitors(*given).values())


def test_spread_and_rank_are_those_of_the_embedding():
    torch.manual_seed(0)
    z, h = torch.randn(64, 8), torch.randn(64, 1) * torch.randn(1, 32)
    assert monitors(z, z, h)["rank"] == pytest.approx(1, abs=0.01)
    assert monitors(h, h, z)["rank"] > 7
