"""Contrastive losses: the official values and gradients, and closed forms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from audioclust.pretext._contrastive import info_nce, nt_xent


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[1] / "golden" / "contrastive.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def unit(n, d, dtype=torch.float32):
    return F.normalize(torch.randn(n, d, dtype=dtype), dim=1)


def test_nt_xent_is_simclrs(golden):
    """sthalles/SimCLR's ``info_nce_loss`` with CrossEntropyLoss, T = 0.5 (golden/methods/simclr_ntxent)."""
    z = golden["simclr_features"].clone().requires_grad_()
    loss = nt_xent(*z.chunk(2), 0.5)
    loss.backward()
    torch.testing.assert_close(loss.detach(), golden["simclr_loss"], rtol=0, atol=1e-9)
    torch.testing.assert_close(z.grad, golden["simclr_grad"], rtol=0, atol=1e-9)


def test_info_nce_is_mocos(golden):
    """Four steps of ``MoCo.forward`` of facebookresearch/moco, T = 0.07 (golden/methods/moco_infonce)."""
    for step in range(4):
        q, k, queue = golden["moco_q"][step], golden["moco_k"][step], golden["moco_queue_before"][step].T
        loss = info_nce(q, k, queue, 0.07)
        torch.testing.assert_close(loss, golden["moco_loss"][step], rtol=0, atol=1e-9)


def test_closed_forms():
    one = unit(1, 8).repeat(5, 1)
    assert nt_xent(one, one, 0.3).item() == pytest.approx(math.log(9), abs=1e-5)
    assert info_nce(one, one, one[:4], 0.3).item() == pytest.approx(math.log(5), abs=1e-5)
    basis = torch.eye(6)
    expected = math.log1p(10 * math.exp(-1 / 0.5))
    assert nt_xent(basis, basis, 0.5).item() == pytest.approx(expected, abs=1e-5)
    assert info_nce(basis[:2], basis[:2], basis[2:], 0.5).item() == pytest.approx(
        math.log1p(4 * math.exp(-1 / 0.5)), abs=1e-5
    )


def test_nt_xent_knows_neither_the_order_of_the_views_nor_lengths():
    torch.manual_seed(0)
    a, b = torch.randn(7, 4), torch.randn(7, 4)
    assert nt_xent(a, b, 0.2).item() == pytest.approx(nt_xent(b, a, 0.2).item(), rel=1e-5)
    assert nt_xent(3 * a, b / 5, 0.2).item() == pytest.approx(nt_xent(a, b, 0.2).item(), rel=1e-5)


def test_one_clip_has_no_negatives():
    a, b = torch.randn(1, 4, requires_grad=True), torch.randn(1, 4)
    loss = nt_xent(a, b, 0.2)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(a.grad).all()


def test_mixed_precision_does_not_reach_the_logits():
    torch.manual_seed(0)
    q, k, queue = unit(16, 32), unit(16, 32), unit(64, 32)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = nt_xent(q, k, 0.07), info_nce(q, k, queue, 0.07)
        half = info_nce(q.bfloat16(), k.bfloat16(), queue, 0.07)
    torch.testing.assert_close(mixed, (nt_xent(q, k, 0.07), info_nce(q, k, queue, 0.07)))
    assert half.dtype == torch.float32
