"""Layers on a backbone: a projection MLP, and many clustering heads side by side."""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mlp(dims: Sequence[int], norm: bool = False) -> nn.Sequential:
    """Return Linear-ReLU-...-Linear through ``dims``, (b, dims[0]) -> (b, dims[-1]).

    Args:
        dims: sizes, from the input to the output; two of them make one Linear.
        norm: BatchNorm before each ReLU.
    """
    layers: list[nn.Module] = []
    for inside, outside in pairwise(dims):
        layers.append(nn.Linear(inside, outside))
        layers += [nn.BatchNorm1d(outside)] * norm + [nn.ReLU()]
    return nn.Sequential(*layers[: -1 - norm])


class Linears(nn.Module):
    """h independent Linear layers, (b, d) or (h, b, d) -> (h, b, k); row j of the parameters belongs to layer j."""

    def __init__(self, h: int, d: int, k: int):
        super().__init__()
        bound = d**-0.5  # as torch.nn.Linear
        self.weight = nn.Parameter(torch.empty(h, k, d).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(h, k).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3 and x.shape[1] < x.shape[2]:
            # The weights untransposed, so that their gradient, in a small batch the largest tensor, needs no copy.
            return torch.baddbmm(self.bias[..., None], self.weight, x.transpose(1, 2)).transpose(1, 2)
        if x.ndim == 3:
            return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))
        # All heads have the same input: one wide layer.
        wide = F.linear(x, self.weight.flatten(0, 1), self.bias.flatten())  # (b, h * k)
        return wide.unflatten(1, self.bias.shape).transpose(0, 1)


class Heads(nn.Module):
    """h independent clustering heads, (b, d) or (h, b, d) -> logits (h, b, k).

    Args:
        h: heads.
        d: dims of the input.
        hidden: units of a hidden layer with ReLU; None: the heads are linear.
        k: clusters.
    """

    def __init__(self, h: int, d: int, hidden: int | None, k: int):
        super().__init__()
        layers = [Linears(h, d, k)] if hidden is None else [Linears(h, d, hidden), nn.ReLU(), Linears(h, hidden, k)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def select(heads: nn.Module, j: int) -> nn.Module:
    """Return a copy of the module with head ``j`` alone: of each parameter (h, ...) its row ``j``, (1, ...)."""
    one = deepcopy(heads)
    for module in one.modules():
        for name, parameter in module.named_parameters(recurse=False):
            row = parameter[j : j + 1].detach().clone()
            setattr(module, name, nn.Parameter(row, parameter.requires_grad))
    return one
