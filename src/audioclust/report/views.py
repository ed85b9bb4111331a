"""The picture of what training sees: one clip untouched, through each op alone, weak and strong.

Byte-stable as all pictures are: the draws depend on a seed alone.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from audioclust.devices import seeded
from audioclust.report.canvas import SHADES, WIDTH, mel_axis, picture
from audioclust.threads import one_thread
from audioclust.views.augment import OPS, Augment

DRAWS, SHOWN = 9, 6  # of each panel, and the one of them by rank: by chance any op may do next to nothing
ACROSS = 4  # panels


def views(
    logmel: np.ndarray,
    frames: int,
    mean: float,
    std: float,
    augment: Augment,
    path: Path,
    *,
    hop_seconds: float = 0.01,
    mel_hz: np.ndarray | None = None,
) -> None:
    """Draw a clip as it is, as a view that no op has changed, weak, strong, and through every op alone.

    Args:
        logmel: (f, t) in nats.
        frames: how many of the t hold signal.
        mean, std: what log-mels are standardised with.
        augment: how views are made. ``mixup`` mixes the clip with itself, half its length later.
        path: the PNG.
        hop_seconds: seconds between frames of ``logmel``. A view counts from its own start; an op that warps or
            stretches moves sounds along the axes.
        mel_hz: (f,) centre frequencies in Hz; without them the bands have no scale.
    """
    panels = _panels(logmel, frames, mean, std, augment)
    low, high = np.percentile(np.concatenate([image.ravel() for image in panels.values()]), (2, 99.5))
    down = -(-len(panels) // ACROSS)
    with picture(path, WIDTH, 1.25 * down + 0.5) as figure:
        axes = figure.subplots(down, ACROSS, squeeze=False).ravel()
        for each, (name, image) in zip(axes, panels.items(), strict=False):
            shown = frames if augment.length == "fit" else image.shape[1] * augment.pool[1]
            _panel(each, name, image, shown * hop_seconds, low, high)
        for each in axes[len(panels) :]:
            each.set_axis_off()
        centres = None if mel_hz is None else _pooled(mel_hz, augment)
        for each in axes[::ACROSS]:
            mel_axis(each, centres)
        figure.supxlabel("seconds", fontsize=8)
        figure.suptitle(_title(augment, hop_seconds), fontsize=9)


def _title(augment: Augment, hop_seconds: float) -> str:
    if augment.length == "fit":
        return f"each clip stretched to {augment.width} frames; centre: {augment.centre}"
    seconds = augment.width * augment.pool[1] * hop_seconds
    return f"views of {seconds:.3g} s ({augment.width} frames); centre: {augment.centre}"


def _pooled(mel_hz: np.ndarray, augment: Augment) -> np.ndarray:
    """Return the centre frequencies of the bands that ``Augment.pool`` leaves."""
    bands = augment.bands(len(mel_hz))
    return mel_hz[: bands * augment.pool[0]].reshape(bands, -1).mean(axis=1)


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


def _panel(axes: Axes, name: str, image: np.ndarray, seconds: float, low: float, high: float) -> None:
    axes.imshow(image, origin="lower", aspect="auto", cmap=SHADES, vmin=low, vmax=high, interpolation="nearest",
                extent=(0, seconds, -0.5, len(image) - 0.5))  # fmt: skip
    axes.set_title(name.replace("_", " "), loc="left", fontsize=9, pad=3)
    axes.set_yticks([])
    axes.tick_params(labelsize=7)
    axes.xaxis.get_major_locator().set_params(nbins=5)
