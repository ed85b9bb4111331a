"""EfficientNet-B0 beside torchvision's."""

import pytest
import torch
from torchvision.models import efficientnet_b0

from audioclust.networks.efficientnet import SKIPPED, Block, EfficientNetB0


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    whole = efficientnet_b0(weights=None)
    return torch.nn.Sequential(whole.features, whole.avgpool, torch.nn.Flatten())


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_it_has_the_published_size(theirs):
    assert count(EfficientNetB0(3)) == count(theirs) == 4_007_548
    assert count(EfficientNetB0()) == 4_007_548 - 2 * 32 * 3 * 3  # one input channel


def test_it_computes_what_torchvisions_does(theirs):
    """With its weights, which stand in the same order; running statistics are set to something else than 0 and 1."""
    state = {name: value.clone() for name, value in theirs.state_dict().items()}
    for name, value in state.items():
        if "running" in name:
            value.uniform_(0.5, 1.5)
    theirs.load_state_dict(state)
    ours = EfficientNetB0(3)
    assert [v.shape for v in ours.state_dict().values()] == [v.shape for v in state.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    x = torch.randn(2, 3, 64, 50)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-5)


def test_it_starts_and_skips_as_torchvisions_does(theirs):
    ours = EfficientNetB0(3)
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        if mine.ndim == 4 and mine.numel() > 1000:
            assert mine.std().item() == pytest.approx(its.std().item(), rel=0.1)
    skipped = [block.skipped for block in ours.modules() if isinstance(block, Block)]
    expected = [m.p for m in theirs.modules() if type(m).__name__ == "StochasticDepth"]
    assert skipped == pytest.approx(expected) and max(skipped) < SKIPPED


def test_a_share_of_the_blocks_is_skipped_in_training_alone():
    torch.manual_seed(0)
    block = Block(16, 16, 6, 3, 1, 0.25)
    x = torch.randn(400, 16, 4, 4)
    with torch.inference_mode():
        same = (block.train()(x) == x).flatten(1).all(1).float().mean().item()
        assert same == pytest.approx(0.25, abs=0.07)
        assert not (block.eval()(x) == x).flatten(1).all(1).any()
