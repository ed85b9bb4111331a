"""The network of deep clustering (Hershey et al., ICASSP 2016, arXiv 1508.04306), an embedding per bin of a mixture.

Shapes: b mixtures, t frames, f bins, k dimensions of the embedding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Activation = Literal["tanh", "logistic"]
# Each function, and the gradient to its argument from that to its value, and from the value.
ACTIVATIONS = {
    "tanh": (torch.tanh, torch.ops.aten.tanh_backward),
    "logistic": (torch.sigmoid, torch.ops.aten.sigmoid_backward),
}
SHORTEST = 1e-12  # row that is scaled to length 1, as in torch's ``normalize``


class UnitRows(torch.autograd.Function):
    """An activation of rows (n, k), scaled to length 1.

    The embeddings are the largest arrays of a step; this backward pass goes over them less often than autograd's.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation) -> Tensor:
        v = ACTIVATIONS[activation][0](x)
        length = torch.linalg.vector_norm(v, dim=1, keepdim=True).clamp_min_(SHORTEST)
        v /= length
        ctx.activation = activation
        ctx.save_for_backward(v, length)
        return v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        v, length = ctx.saved_tensors
        along = torch.linalg.vecdot(v, gradient)[:, None]
        across = torch.addcmul(gradient, v, along, value=-1).div_(length)
        return ACTIVATIONS[ctx.activation][1](across, v * length), None


class Embedder(nn.Module):
    """BLSTM layers over the frames and a linear layer to k dimensions per bin, rows of length 1.

    (b, t, f) log magnitudes -> (b, t, f, k). Each bin is standardised over the training mixtures first.

    Args:
        bins: f.
        k: dimensions of an embedding.
        layers, hidden: BLSTM layers, and units of each direction.
        dropout: between layers, and before the linear one.
        activation: of an embedding, before it is scaled to length 1.
        variance: of the linear layer's first weights, which are Gaussian; None: torch's own start.
    """

    def __init__(
        self, bins: int, k: int, layers: int, hidden: int, dropout: float, activation: Activation,
        variance: float | None = None,
    ):  # fmt: skip
        super().__init__()
        self.k, self.activation = k, activation
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("std", torch.ones(bins))
        between = dropout if layers > 1 else 0.0
        self.blstm = nn.LSTM(bins, hidden, layers, batch_first=True, dropout=between, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden, bins * k)
        if variance is not None:
            nn.init.normal_(self.linear.weight, 0.0, variance**0.5)

    def standardise(self, x: Tensor) -> None:
        """Set the mean and deviation of each bin from log magnitudes (..., f)."""
        x = x.flatten(0, -2).double()
        self.mean.copy_(x.mean(0))
        self.std.copy_(x.std(0, correction=0).clamp_min(1e-3))  # a bin may be the same in all of them

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.blstm((x - self.mean) / self.std)
        rows = self.linear(self.dropout(h)).float().reshape(-1, self.k)
        return UnitRows.apply(rows, self.activation).view(*x.shape, self.k)


@contextmanager
def noisy(network: nn.Module, variance: float) -> Iterator[None]:
    """Add Gaussian noise to all weights within the block (Graves, NIPS 2011), drawn from torch's default generator.

    A gradient that is computed in the block is that at the noisy weights.
    """
    if not variance:
        yield
        return
    weights = list(network.parameters())
    clean = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            weight.add_(torch.randn_like(weight), alpha=variance**0.5)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, clean, strict=True):
                weight.copy_(before)
