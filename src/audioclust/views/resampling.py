"""Reading log-mels (b, f, t) between their bands and frames, each item at positions of its own."""

import torch
import torch.nn.functional as F

CUBIC = -0.75  # parameter of the cubic convolution kernel (Keys, 1981) in torch's bicubic interpolation


def resample(x: torch.Tensor, at: torch.Tensor, axis: int) -> torch.Tensor:
    """Return ``x`` (b, f, t) at the positions ``at`` (b, m) along ``axis`` (1 or 2), linearly; ends are repeated."""
    last = x.shape[axis] - 1
    at = at.clamp(0, last)
    low = at.floor().long().clamp_max(max(last - 1, 0))
    share = (at - low).unsqueeze(3 - axis)
    shape = [-1, x.shape[1], -1] if axis == 2 else [-1, -1, x.shape[2]]
    below = x.gather(axis, low.unsqueeze(3 - axis).expand(shape))
    above = x.gather(axis, (low + 1).clamp_max(last).unsqueeze(3 - axis).expand(shape))
    return torch.lerp(below, above, share)


def resize_crop(x: torch.Tensor, i: torch.Tensor, j: torch.Tensor, h: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Resize a rectangle of each item's canvas to (f, t), bicubically with aligned corners (BYOL-A).

    The canvas is zero, 1.5 times as long as ``x``, with the item in its middle. The rectangle starts at band i and
    frame j and has h bands and w frames, all (b,) integers.
    """
    f, t = x.shape[1:]
    canvas = int(1.5 * t)
    left = (canvas - t) // 2
    x = F.pad(x, (left, canvas - t - left))
    return _cubic(_cubic(x, i, h, f, 1), j, w, t, 2)


def _cubic(x: torch.Tensor, start: torch.Tensor, size: torch.Tensor, steps: int, axis: int) -> torch.Tensor:
    """Read ``steps`` positions from the first to the last of ``size`` ones by cubic convolution."""
    # In single precision and in this order, as in torch.
    at = (size - 1).float()[:, None] / max(steps - 1, 1) * torch.arange(steps, device=x.device)  # (b, steps)
    low = at.floor()
    d = at - low
    shape = [-1, x.shape[1], -1] if axis == 2 else [-1, -1, x.shape[2]]
    total = torch.zeros((), device=x.device)
    for step, weight in ((-1, _far(d + 1)), (0, _near(d)), (1, _near(1 - d)), (2, _far(2 - d))):
        # Beyond the rectangle its border is repeated, as in torch's interpolation.
        index = (low.long() + step).clamp_min(0).minimum(size[:, None] - 1) + start[:, None]
        total = total + weight.unsqueeze(3 - axis) * x.gather(axis, index.unsqueeze(3 - axis).expand(shape))
    return total


def _near(s: torch.Tensor) -> torch.Tensor:
    """Return the kernel at a distance s of at most 1."""
    return ((CUBIC + 2) * s - (CUBIC + 3)) * s * s + 1


def _far(s: torch.Tensor) -> torch.Tensor:
    """Return the kernel at a distance s between 1 and 2."""
    return ((CUBIC * s - 5 * CUBIC) * s + 8 * CUBIC) * s - 4 * CUBIC
