"""Heads side by side are torch's Linear layers one by one."""

import pytest
import torch
from torch import nn

from audioclust.networks.heads import Heads, Linears, mlp, select


def alone(linears, j):
    layer = nn.Linear(linears.weight.shape[2], linears.weight.shape[1])
    layer.load_state_dict({"weight": linears.weight[j], "bias": linears.bias[j]})
    return layer


@pytest.mark.parametrize("rows", [11, 2], ids=["more rows than dims", "fewer"])
@pytest.mark.parametrize("hidden", [None, 7])
@pytest.mark.parametrize("shared", [True, False])
def test_heads_are_separate_layers_in_values_and_gradients(hidden, shared, rows):
    torch.manual_seed(0)
    heads = Heads(3, 5, hidden, 4)
    x = torch.randn(rows, 5) if shared else torch.randn(3, rows, 5)
    out = heads(x)
    assert out.shape == (3, rows, 4)
    out.square().sum().backward()
    for j in range(3):
        layers = nn.Sequential(*(m if isinstance(m, nn.ReLU) else alone(m, j) for m in heads.layers))
        expected = layers(x if shared else x[j])
        torch.testing.assert_close(out[j], expected)
        expected.square().sum().backward()
        torch.testing.assert_close(heads.layers[0].weight.grad[j], layers[0].weight.grad)
        torch.testing.assert_close(heads.layers[-1].bias.grad[j], layers[-1].bias.grad)


def test_heads_start_as_linear_layers_do():
    torch.manual_seed(0)
    layers = Linears(50, 100, 80)
    for parameter in layers.parameters():
        assert parameter.abs().max() <= 0.1
        assert parameter.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.03)
    assert not torch.equal(layers.weight[0], layers.weight[1])


@pytest.mark.parametrize("hidden", [None, 7])
def test_one_head_can_be_taken_out(hidden):
    torch.manual_seed(0)
    heads = Heads(3, 5, hidden, 4).double().eval()
    x = torch.randn(11, 5, dtype=torch.float64)
    before = torch.get_rng_state()
    one = select(heads, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert [p.shape for p in one.parameters()] == [p.shape for p in Heads(1, 5, hidden, 4).parameters()]
    assert isinstance(one, Heads) and not one.training
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in one.parameters())
    torch.testing.assert_close(one(x)[0], heads(x)[1])
    with torch.no_grad():
        before = one(x).clone()
        for parameter in heads.parameters():
            parameter.zero_()
        assert torch.equal(one(x), before)


@pytest.mark.parametrize(("norm", "kinds"), [(False, "LRLRL"), (True, "LBRLBRL")])
def test_mlp(norm, kinds):
    network = mlp([6, 8, 8, 3], norm)
    assert "".join(type(layer).__name__[0] for layer in network) == kinds
    assert network(torch.randn(4, 6)).shape == (4, 3)
    assert [type(layer) for layer in mlp([6, 3], norm=True)] == [nn.Linear]
