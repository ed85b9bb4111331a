"""SpecAugment beside DECAR's code: ``golden/specaugment.npz`` holds what ``freq_mask`` and ``time_mask`` of
Speech-Lab-IITM/DECAR returned for random spectrograms, and what they drew."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audioclust.methods.deepcluster.specaugment import fill, spans, specaugment, time_warp

GOLDEN = {
    name: torch.from_numpy(value)
    for name, value in np.load(Path(__file__).parents[1] / "golden" / "specaugment.npz").items()
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(("kind", "axis"), [("freq", 1), ("time", 2)])
def test_masks_are_the_official_ones(kind, axis):
    draws = GOLDEN[f"{kind}_draws"].T  # width, start, end of each mask
    out = fill(GOLDEN["x"].transpose(1, 2), draws[1::3], draws[2::3], axis)
    torch.testing.assert_close(out, GOLDEN[f"{kind}_out"].transpose(1, 2), rtol=0, atol=1e-5)


def test_random_masks_are_drawn_as_the_official_ones():
    """Width U{0..29}, of which a uniform share is masked; no second mask after a first of width 0."""
    starts, ends = spans(40000, 64, 30)
    assert starts.min() >= 0 and ends.max() < 64
    length = (ends - starts).float()
    assert length.min() == 0 and length.max() == 28
    once = sum((w - 1) / 2 for w in range(1, 30)) / 30
    assert float(length[0].mean()) == pytest.approx(once, rel=0.03)
    assert float(length[1].mean()) == pytest.approx(once * 29 / 30, rel=0.03)


def test_a_mask_of_no_width_is_the_last(monkeypatch):
    widths = torch.tensor([[0, 5], [7, 0]])
    monkeypatch.setattr(torch, "randint", lambda high, size, device: widths)
    starts, ends = spans(2, 40, 10)
    assert (ends - starts)[:, 0].tolist() == [0, 0] and (ends - starts)[1, 1] == 0


def test_time_warp_moves_one_frame_and_keeps_the_ends():
    x = torch.arange(21.0).expand(3, 4, 21)
    source, target = torch.tensor([[8.0], [8.0], [5.0]]), torch.tensor([[11.0], [8.0], [2.0]])
    out = time_warp(x, source, target)
    torch.testing.assert_close(out[1], x[1])
    for i, (a, b) in enumerate(zip(source[:, 0], target[:, 0], strict=True)):
        torch.testing.assert_close(out[i, 0, int(b)], a)
        torch.testing.assert_close(out[i, 0, [0, 20]], torch.tensor([0.0, 20.0]))
        assert (out[i, 0].diff() > 0).all()


@pytest.mark.parametrize("shape", [(16, 24), (8, 8), (64, 96)])
def test_views_are_changed_a_constant_is_not(shape):
    x = torch.randn(50, *shape)
    out = specaugment(x)
    assert out.shape == x.shape and out.isfinite().all()
    assert (out != x).flatten(1).any(1).float().mean() > 0.9
    torch.testing.assert_close(specaugment(torch.full((2, *shape), 3.0)), torch.full((2, *shape), 3.0))
