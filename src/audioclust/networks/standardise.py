"""A layer that standardises embeddings: mean 0 and deviation 1 in every dimension."""

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(..., d) -> (..., d); the identity until ``fit`` is called."""

    def __init__(self, d: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("std", torch.ones(d))

    def fit(self, x: Tensor) -> "Standardise":
        """Take mean and deviation from ``x`` (n, d); a constant dimension keeps its scale."""
        std = x.std(0, correction=0)
        self.mean.copy_(x.mean(0))
        # What is left of a constant after float32 rounding is no variance.
        self.std.copy_(torch.where(std > 1e-6 * x.abs().amax(0), std, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std
