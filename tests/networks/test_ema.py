"""Moving averages of weights: the official numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from audioclust.networks import ema

GOLDEN = Path(__file__).parents[1] / "golden"


def networks():
    pair = [nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)) for _ in range(2)]
    for network in pair:
        network(torch.randn(8, 4))
    return pair


def test_keys_follow_queries_as_in_moco():
    """Four steps of ``MoCo.forward`` of facebookresearch/moco, m = 0.999 (golden/methods/moco_infonce)."""
    golden = np.load(GOLDEN / "contrastive.npz")
    target, source = nn.Linear(6, 6, False).double(), nn.Linear(6, 6, False).double()
    target.weight.data = torch.from_numpy(golden["moco_Wk_after"][0]).clone()
    for w, expected in zip(golden["moco_Wq"][1:], golden["moco_Wk_after"][1:], strict=True):
        source.weight.data = torch.from_numpy(w)
        ema.update(target, source, 0.999)
        np.testing.assert_allclose(target.weight.detach(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_update(momentum):
    target, source = networks()
    before = [p.detach().clone() for p in target.parameters()]
    statistics = [b.clone() for b in target.buffers()]
    ema.update(target, source, momentum)
    for old, new, its in zip(before, target.parameters(), source.parameters(), strict=True):
        torch.testing.assert_close(new, momentum * old + (1 - momentum) * its, rtol=1e-6, atol=1e-7)
        assert new.requires_grad and new.grad_fn is None
        assert momentum != 1 or torch.equal(new, old)
        assert momentum != 0 or torch.equal(new, its)
    assert all(torch.equal(old, new) for old, new in zip(statistics, target.buffers(), strict=True))


def test_buffers_are_copied_on_demand():
    target, source = networks()
    source(torch.randn(8, 4))
    ema.update(target, source, 0.9, buffers=True)
    for mine, its in zip(target.buffers(), source.buffers(), strict=True):
        assert torch.equal(mine, its) and mine is not its
