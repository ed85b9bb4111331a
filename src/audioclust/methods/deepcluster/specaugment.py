"""SpecAugment (Park et al., Interspeech 2019, arXiv 1904.08779) with DECAR's settings, on a batch of log-mels.

Shapes: log-mels x (b, f, t).
"""

import torch
from torch import Tensor

from audioclust.views.resampling import resample

WARP, BANDS, FRAMES = 5, 30, 40  # frames that a point moves, at most; widths that masks stay below
MASKS = 2  # per axis


def specaugment(x: Tensor) -> Tensor:
    """Return ``x`` (b, f, t) warped in time and masked; no mask covers half of an axis, however short it is.

    DECAR's code uses a value of the spectrogram as the position of its warp; this one draws a random position.
    """
    b, f, t = x.shape
    x = time_warp(x, *_points(x, min(WARP, t // 4)))
    x = fill(x, *spans(b, f, min(BANDS, f // 2), x.device), 1)
    return fill(x, *spans(b, t, min(FRAMES, t // 2), x.device), 2)


def time_warp(x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Move the frames ``source`` (b, 1) of ``x`` (b, f, t) to ``target`` (b, 1), linearly between them and the ends."""
    last = x.shape[2] - 1
    at = torch.arange(x.shape[2], device=x.device)
    before = at * source / target
    after = source + (at - target) * (last - source) / (last - target)
    return resample(x, torch.where(at < target, before, after), 2)


def _points(x: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Return a random frame of each clip, at least ``reach`` from both ends, and where it moves, (b, 1) each."""
    u = torch.rand(2, len(x), 1, device=x.device)
    source = reach + u[0] * (x.shape[2] - 1 - 2 * reach)
    return source, source + reach * (2 * u[1] - 1) * 0.99


def spans(b: int, size: int, widest: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return starts and ends (masks, b) of random masks along an axis of ``size``, narrower than ``widest``.

    As in DECAR's code, the end is drawn again within the mask, and a mask of width 0 is the clip's last.
    """
    width = torch.randint(widest, (MASKS, b), device=device)
    width = width * (width > 0).cumprod(0)
    u = torch.rand(2, MASKS, b, device=device)
    start = (u[0] * (size - width)).long()
    return start, start + (u[1] * width).long()


def fill(x: Tensor, starts: Tensor, ends: Tensor, axis: int) -> Tensor:
    """Set [start, end) of ``axis`` of ``x`` (b, f, t) to the clip's current mean, mask after mask (masks, b)."""
    at = torch.arange(x.shape[axis], device=x.device)
    for start, end in zip(starts[..., None], ends[..., None], strict=True):
        inside = ((at >= start) & (at < end)).unsqueeze(3 - axis)
        x = torch.where(inside, x.mean((1, 2), keepdim=True), x)
    return x
