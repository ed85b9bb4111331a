"""Exponential moving averages of weights: MoCo's key network, BYOL's target, TEMI's teacher, FixMatch's average."""

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@torch.no_grad()
def update(target: nn.Module, source: nn.Module, momentum: float, buffers: bool = False) -> None:
    """Set each parameter of ``target`` to momentum * target + (1 - momentum) * source.

    Args:
        target: the moving average, of the same architecture.
        source: the network that is trained.
        momentum: in [0, 1]; at 1 the target does not change, at 0 it becomes the source.
        buffers: copy the buffers (running statistics) too; otherwise the target keeps its own.
    """
    get_ema_multi_avg_fn(momentum)(list(target.parameters()), list(source.parameters()), None)
    if buffers:
        for mine, its in zip(target.buffers(), source.buffers(), strict=True):
            mine.copy_(its)
