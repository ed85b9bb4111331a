"""The network: rows of length 1, the sign of the activations, the start of the last layer, standardised bins, noise."""

import pytest
import torch

from audioclust.separation.network import Embedder, noisy


def embedder(activation="tanh", variance=None, bins=5, k=3) -> Embedder:
    torch.manual_seed(0)
    return Embedder(bins, k, layers=2, hidden=4, dropout=0.0, activation=activation, variance=variance)


def some(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_each_bin_has_a_row_of_length_1():
    v = embedder()(some(2, 7, 5))
    assert v.shape == (2, 7, 5, 3)
    torch.testing.assert_close(v.norm(dim=-1), torch.ones(2, 7, 5))
    assert (v < 0).any() and (v > 0).any()


@torch.no_grad()
def test_the_rows_of_a_logistic_embedding_lie_in_the_positive_orthant():
    v = embedder("logistic")(5 * some(2, 7, 5))
    assert (v > 0).all()
    torch.testing.assert_close(v.norm(dim=-1), torch.ones(2, 7, 5))


@torch.no_grad()
def test_the_dimensions_of_a_bin_lie_side_by_side():
    """(frames, bins * k) is frames, then bins, then k: no axes are mixed."""
    network = embedder()
    network.linear.weight.zero_()
    network.linear.bias.copy_(torch.arange(15.0) - 4)
    rows = torch.nn.functional.normalize(torch.tanh(torch.arange(15.0) - 4).view(5, 3), dim=1)
    torch.testing.assert_close(network(some(1, 2, 5)), rows.expand(1, 2, 5, 3))


@torch.no_grad()
def test_both_directions_are_seen():
    network, x = embedder(), some(1, 9, 5)
    changed = x.clone()
    changed[:, 4] += 3
    moved = (network(changed) - network(x)).abs().amax((0, 2, 3))
    assert moved[0] > 0 and moved[8] > 0


def test_the_last_layer_starts_with_the_given_variance():
    given, own = (embedder(variance=v, bins=200, k=40).linear.weight for v in (0.1, None))
    assert given.var().item() == pytest.approx(0.1, rel=0.02)
    assert abs(given.mean().item()) < 0.01
    assert own.abs().max() <= 8**-0.5, "torch's own: uniform within 1 / sqrt(inputs)"


def test_standardise_sets_mean_and_deviation_of_each_bin():
    x = some(6, 50, 5) * torch.tensor([1.0, 2.0, 0.5, 1.0, 0.0]) + torch.tensor([3.0, -5.0, 0.0, 0.0, 2.0])
    network = embedder()
    network.standardise(x)
    z = (x - network.mean) / network.std
    torch.testing.assert_close(z.mean((0, 1)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std((0, 1), correction=0), torch.tensor([1.0, 1, 1, 1, 0]), atol=1e-5, rtol=0)
    assert {"mean", "std"} <= network.state_dict().keys(), "they are saved with the weights"


@torch.no_grad()
def test_what_is_seen_is_standardised():
    plain, scaled, x = embedder(), embedder(), some(1, 9, 5)
    scaled.mean.fill_(7.0)
    scaled.std.fill_(2.0)
    torch.testing.assert_close(scaled(2 * x + 7), plain(x))


def test_noise_is_on_the_weights_within_the_block_alone():
    network = embedder(bins=129, k=10)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(KeyboardInterrupt), noisy(network, 0.6):
        moved = torch.cat([(weight - before[name]).flatten() for name, weight in network.named_parameters()])
        assert torch.equal(network.mean, before["mean"]), "statistics are no weights"
        raise KeyboardInterrupt
    assert moved.var().item() == pytest.approx(0.6, rel=0.05)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_gradient_within_the_noise_is_that_of_the_noisy_weights():
    network = torch.nn.Linear(1, 1, bias=False)
    clean = network.weight.item()
    with noisy(network, 0.6):
        there = network.weight.item()
        (network.weight**2).sum().backward()
    assert network.weight.grad.item() == pytest.approx(2 * there)
    assert network.weight.item() == clean != there


def test_without_variance_no_number_is_drawn():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    network = embedder()
    torch.set_rng_state(state)
    with noisy(network, 0.0):
        pass
    assert torch.equal(torch.get_rng_state(), state)
