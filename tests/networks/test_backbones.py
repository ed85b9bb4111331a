"""Backbones: sizes, any number of frames, and sizes that do not fit, refused before torch refuses them."""

import pytest
import torch
from torchvision.models import resnet18

from audioclust.networks.audiontt import conv_block
from audioclust.networks.backbones import ResNet18, build

SMALL = {"audiontt": {"d": 24, "channels": 4}, "audiontt2022": {"d": 24, "channels": 4}, "resnet18": {"d": 512},
         "efficientnet_b0": {"d": 1280}, "grid": {"d": 24, "channels": 4}}  # fmt: skip


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module", params=SMALL)
def network(request):
    return build(request.param, f=16, **SMALL[request.param]).eval()


@pytest.mark.parametrize("t", [8, 9, 24, 101])
def test_any_number_of_frames_gives_one_vector(network, t):
    with torch.inference_mode():
        x = network(torch.randn(3, 1, 16, t))
    assert x.shape == (3, network.d) and torch.isfinite(x).all()


def test_a_clips_vector_does_not_depend_on_the_batch(network):
    x = torch.randn(4, 1, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(network(x)[1:2], network(x[1:2]), rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_parameter(network):
    network.zero_grad()
    network(torch.randn(4, 1, 16, 24)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_resnet_is_torchvisions_but_for_its_ends():
    """One input channel, not three, and no layer of classes; convolutions are initialised as the others are."""
    network, whole = ResNet18(), resnet18(weights=None)
    assert count(network) == count(whole) - 2 * 64 * 7 * 7 - (512 * 1000 + 1000)
    names = {name for name, _ in whole.named_parameters()} - {"fc.weight", "fc.bias"}
    assert {name.removeprefix("network.") for name, _ in network.named_parameters()} == names
    deviation = (2 / (64 * 7 * 7)) ** 0.5
    assert network.network.conv1.weight.std().item() == pytest.approx(deviation, rel=0.1)
    assert whole.conv1.weight.std().item() == pytest.approx(deviation, rel=0.1)


def test_the_grid_keeps_the_order_of_time():
    network = build("grid", 24, 16, channels=4).eval()
    x = torch.randn(3, 1, 16, 32)
    with torch.inference_mode():
        same, moved = network.pool(network.features(x)), network.pool(network.features(x.roll(16, 3)))
    assert same.shape == (3, 4, 2, 4)
    torch.testing.assert_close(same.mean(3), moved.mean(3), rtol=0.2, atol=0.2)
    assert (same - moved).abs().mean() > 0.1 * same.std()


@pytest.mark.parametrize(("name", "d", "millions"), [
    ("audiontt", 512, 0.600), ("audiontt", 2048, 5.322), ("audiontt2022", 2048, 4.235), ("audiontt2022", 3072, 6.333),
])  # fmt: skip
def test_byolas_networks_have_the_published_sizes(name, d, millions):
    assert count(build(name, d, 64)) / 1e6 == pytest.approx(millions, abs=6e-4)


@pytest.mark.parametrize(("name", "d", "f", "message"), [
    ("audiontt", 64, 20, r"log-mels of 20 bands \(logmel\.n_mels\): audiontt needs a multiple of 8"),
    ("audiontt2022", 2048, 18, "audiontt2022 needs a multiple of 4"),
    ("audiontt2022", 1024, 64, "d=1024 should be > 1024, a quarter of 64 channels of 64 bands"),
])  # fmt: skip
def test_what_does_not_fit(name, d, f, message):
    with pytest.raises(ValueError, match=message):
        build(name, d, f)


def test_a_block_gives_the_numbers_and_gradients_of_the_published_order():
    torch.manual_seed(0)
    conv, norm, pool, relu = conv_block(3, 5)
    torch.nn.init.normal_(norm.weight)  # some of them negative
    x = torch.randn(4, 3, 9, 12)
    found = []
    for layers in ((conv, norm, pool, relu), (conv, norm, torch.nn.ReLU(), pool)):
        norm.reset_running_stats()
        y = torch.nn.Sequential(*layers)(x)
        gradients = torch.autograd.grad((y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum(), [*conv.parameters()])
        found.append([y.detach(), *gradients, norm.running_mean.clone()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
