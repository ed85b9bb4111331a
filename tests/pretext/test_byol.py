"""BYOL-A's training: the official numbers of its loss and its steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from deep_fixture import sounds
from torch import nn

from audioclust.networks import ema
from audioclust.pretext.byol import BYOL, byol_loss, targets, views_of_one_segment
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def byol():
    with np.load(GOLDEN / "byol.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def test_the_loss_is_byols(byol):
    """``loss_fn`` of lucidrains/byol-pytorch in both directions, and its gradient (golden/methods/byol_loss)."""
    p = byol["loss_pred_1"].clone().requires_grad_()
    loss = byol_loss(p, byol["loss_pred_2"], byol["loss_target_proj_1"], byol["loss_target_proj_2"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), byol["loss_total"], rtol=0, atol=1e-9)
    torch.testing.assert_close(p.grad, byol["loss_grad_pred_1"], rtol=0, atol=1e-9)


class Tiny(nn.Sequential):
    """ReLU(Linear) and a projector, with the names of the golden file."""

    def __init__(self):
        head = nn.Sequential(nn.Linear(7, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        super().__init__(nn.Flatten(), nn.Linear(5, 7), nn.ReLU(), head)

    def named(self, prefix):
        yield from ((f"{prefix}__net__l__{name}", value) for name, value in self[1].state_dict().items())
        yield from numbers(self[3], f"{prefix}__projector")


def numbers(mlp, prefix):
    for name, value in mlp.state_dict().items():
        if "num_batches" not in name:
            yield f"{prefix}__net__{name.replace('.', '__')}", value


def test_steps_are_byols(byol):
    """Three steps of byol-pytorch under BYOL-A's patch: loss, SGD 0.1, EMA 0.99 (golden/methods/byol_step)."""
    online, target = Tiny().double(), Tiny().double().requires_grad_(False)
    predictor = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)).double()

    def everything():
        yield from online.named("online_encoder")
        yield from target.named("target_encoder")
        yield from numbers(predictor, "online_predictor")

    for name, value in everything():
        value.copy_(byol[f"start__{name}"])
    optimiser = torch.optim.SGD([*online.parameters(), *predictor.parameters()], 0.1)
    for x1, x2, expected in zip(byol["x1"], byol["x2"], byol["loss"], strict=True):
        z1, z2 = online(x1), online(x2)
        loss = byol_loss(predictor(z1), predictor(z2), *targets(target, torch.cat([x1, x2])))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        ema.update(target, online, 0.99)
        torch.testing.assert_close(loss.detach(), expected, rtol=0, atol=1e-9)
    for name, value in everything():
        torch.testing.assert_close(value, byol[f"end__{name}"], rtol=0, atol=1e-9, msg=name)


# Segments

FRAMES = torch.tensor([24, 20, 9, 5])


@pytest.mark.parametrize("augment", [
    Augment(16), Augment(16, centre="band"), Augment(12, pool=(2, 2), trim=1.0, dynamics=2.0, centre="clip"),
    Augment(30, "fit"),
], ids=["crop", "centre", "all", "fit"])  # fmt: skip
@pytest.mark.parametrize("ops", [["crop"], ["crop", "stretch"], []])
def test_one_segment_is_cut_as_a_view_is(augment, ops):
    x = torch.from_numpy(sounds(4)[0]) / 4 + 2
    torch.manual_seed(0)
    expected = augment(x, FRAMES, ops)
    torch.manual_seed(0)
    one, two = views_of_one_segment(augment, x, FRAMES, ops)
    assert torch.equal(one, two)
    torch.testing.assert_close(one, expected, rtol=0, atol=1e-5)


def test_one_segment_is_changed_twice_two_are_cut_twice():
    x, frames = torch.rand(4, 16, 24), FRAMES
    one, two = views_of_one_segment(Augment(16), x, frames, ["crop", "gain"])
    difference = (one - two).flatten(1)
    assert (difference.std(1) < 1e-5).all() and (difference.mean(1).abs() > 1e-3).all()
    model, clips = BYOL(segments="two", ops=("crop", "gain")), Clips(x.numpy(), frames.numpy())
    model.augment_ = Augment(16)
    apart = torch.sub(*model._views(model._maker(clips), torch.arange(4))).flatten(1)
    assert (apart.std(1) > 0.1).all()


@pytest.mark.parametrize("segments", ["one", "two"])
def test_both_kinds_of_views_train(segments):
    small = {"d": 16, "channels": 8, "projection": 8, "hidden": 16, "epochs": 2, "batch": 16, "augment": Augment(16)}
    x, _ = sounds(48)
    z = BYOL(**small, segments=segments).fit(x).transform(x)
    other = BYOL(**small, segments={"one": "two", "two": "one"}[segments]).fit(x).transform(x)
    assert np.isfinite(z).all() and (z != other).any()
