"""Clips heard in windows: a few at a time, then their mean."""

from collections.abc import Callable

import torch


def mean(windows: torch.Tensor, block: int, embed: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return the mean over the windows of each clip, (m, d).

    Args:
        windows: (m, w, samples), may be a view.
        block: windows per pass.
        embed: windows (b, samples) -> (b, d).
    """
    m, w, _ = windows.shape
    found = [embed(windows[i // w, i % w]) for i in torch.arange(m * w).split(block)]
    return torch.cat(found).view(m, w, -1).mean(1)
