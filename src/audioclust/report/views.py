"""The picture of what training sees: one clip untouched, through each op alone, weak and strong.

Byte-stable as the pictures of ``plots.py`` are: the draws depend on a seed alone.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from audioclust.devices import seeded
from audioclust.report.plots import SHADES, page
from audioclust.threads import one_thread
from audioclust.views.augment import OPS, Augment

DRAWS, SHOWN = 9, 6  # of each panel, and the one of them by rank: by chance any op may do next to nothing
ACROSS = 4  # panels


def views(logmel: np.ndarray, frames: int, mean: float, std: float, augment: Augment, path: Path) -> None:
    """Draw a clip as it is, as a view that no op has changed, weak, strong, and through every op alone.

    Args:
        logmel: (f, t) in nats.
        frames: how many of the t hold signal.
        mean, std: what log-mels are standardised with.
        augment: how views are made. ``mixup`` mixes the clip with itself, half its length later.
        path: the PNG.
    """
    panels = _panels(logmel, frames, mean, std, augment)
    low, high = np.percentile(np.concatenate([image.ravel() for image in panels.values()]), (2, 99.5))
    down = -(-len(panels) // ACROSS)
    with page(path, 8.4, 1.25 * down + 0.5) as figure:
        axes = figure.subplots(down, ACROSS, squeeze=False).ravel()
        for each, (name, image) in zip(axes, panels.items(), strict=False):
            _panel(each, name, image, low, high)
        for each in axes[len(panels) :]:
            each.set_axis_off()
        for each in axes[::ACROSS]:
            each.set_ylabel("mel bands", fontsize=8)
        figure.supxlabel("frames", fontsize=8)
        figure.suptitle(f"width {augment.width}, length {augment.length}, centre {augment.centre}", fontsize=9)


def _panels(logmel: np.ndarray, frames: int, mean: float, std: float, augment: Augment) -> dict[str, np.ndarray]:
    """Return each panel's name and image (f, frames), in the order of the picture."""
    clip = (torch.from_numpy(np.asarray(logmel, dtype=np.float32)) - mean) / std
    later = clip.clone()
    later[:, :frames] = clip[:, :frames].roll(frames // 2, 1)
    x = torch.stack([clip] * DRAWS + [later] * DRAWS)
    lengths = torch.full((len(x),), frames)
    with seeded(0, "cpu"), one_thread():  # the last bit of a sum depends on their number
        plain = augment(x, lengths, [])[0, 0]
        panels = {"original": augment.original_view(x[:1], lengths[:1])[0, 0], "view, no op": plain}
        for name, kind in (("weak", augment.weak_view), ("strong", augment.strong_view)):
            panels[name] = _drawn(kind, x, lengths, plain)
        for op in OPS:
            panels[op] = _drawn(partial(augment, ops=[op]), x, lengths, plain)
    return {name: image.numpy() for name, image in panels.items()}


def _drawn(view: Callable, x: torch.Tensor, lengths: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """Return a view (f, width) of the clip that is further from ``plain`` than most."""
    with seeded(0, "cpu"):  # for each panel anew: a change of one op leaves the others' panels as they are
        found = view(x, lengths)[:DRAWS, 0]
    return found[(found - plain).abs().mean((1, 2)).argsort()[SHOWN]]


def _panel(axes: Axes, name: str, image: np.ndarray, low: float, high: float) -> None:
    axes.imshow(image, origin="lower", aspect="auto", cmap=SHADES, vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(name.replace("_", " "), loc="left", fontsize=9, pad=3)
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
