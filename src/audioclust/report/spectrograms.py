"""The pictures of a separation: a mixture, its ideal and its estimated masks, and what the network makes of its bins.

As figures 1 and 2 of Hershey et al. (2016), and the affinities of bins sorted by source, after their toy example.
Byte-stable as all pictures are.

Shapes: t frames, f bins, k dimensions of an embedding.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from audioclust.report.canvas import COLOURS, SHADES, WIDTH, picture

SHOWN = 400  # frames
DIMENSIONS = 3  # of the embedding
BINS = 200  # of the affinities
NARROW = 0.08  # of them: too few for the word "source" below
RANGE_DB = 60.0  # of the spectrogram
SIGNED = matplotlib.colormaps["coolwarm"].resampled(32)  # a third of the bytes of all 256


def separation(
    path: Path, magnitude: np.ndarray, ideal: np.ndarray, estimated: np.ndarray, v: np.ndarray, title: str, hop: float,
    top: float,
) -> None:  # fmt: skip
    """Draw log spectrogram, ideal and estimated mask, and three dimensions of the embedding.

    Args:
        path: the PNG.
        magnitude: (t, f) of the mixture.
        ideal, estimated: (t, f) source of each bin, -1 where it is silent; alike where they name the same source.
        v: embeddings (t, f, k).
        title: of the picture.
        hop: seconds from frame to frame.
        top: frequency of the last bin, Hz.
    """
    magnitude, ideal, estimated, v = (x[:SHOWN] for x in (magnitude, ideal, estimated, v))
    extent = (0, len(magnitude) * hop, 0, top / 1000)
    with picture(path, WIDTH, 4.6) as figure:
        axes = figure.subplots(2, 3, sharex=True, sharey=True)
        decibels = 20 * np.log10(np.maximum(magnitude, 1e-8) / max(magnitude.max(), 1e-8))
        loud = _image(axes[0, 0], decibels, "mixture", extent, cmap=SHADES, vmin=-RANGE_DB, vmax=0)
        sources = int(max(ideal.max(), estimated.max())) + 1
        colours = ListedColormap(["white", *COLOURS[: max(sources, 1)]])
        for place, (name, labels) in enumerate({"ideal mask": ideal, "estimated mask": estimated}.items(), start=1):
            _image(axes[0, place], labels + 1, name, extent, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5)
        widest = np.argsort(-v.reshape(-1, v.shape[2]).var(0), kind="stable")[:DIMENSIONS]
        limit = max(float(np.abs(v[:, :, widest]).max()), 1e-8)  # grey is 0
        for place, dimension in enumerate(widest):
            name = f"embedding, dimension {dimension}"
            signed = _image(axes[1, place], v[:, :, dimension], name, extent, cmap=SIGNED, vmin=-limit, vmax=limit)
        _bar(figure, loud, axes[0], "dB, 0 of the loudest bin")
        _bar(figure, signed, axes[1], "value")
        handles = [Patch(color=colours(number), label=f"source {number}") for number in range(1, sources + 1)]
        figure.legend(handles=handles, loc="outside lower right", ncols=5, frameon=False, fontsize=8)
        for row in axes:
            row[0].set_ylabel("kHz", fontsize=8)
        for each in axes[1]:
            each.set_xlabel("seconds", fontsize=8)
        figure.suptitle(title, fontsize=9)


def affinities(path: Path, labels: np.ndarray, v: np.ndarray, title: str) -> None:
    """Draw the affinities of bins, sorted by source, as wanted and as the embeddings have them.

    Args:
        path: the PNG.
        labels: (n,) source of each bin, from 0.
        v: embeddings (n, k) of unit length.
        title: of the picture.
    """
    chosen = np.random.default_rng(0).permutation(len(labels))[:BINS]
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    wanted = labels[chosen, None] == labels[None, chosen]
    sources, starts, counts = np.unique(labels[chosen], return_index=True, return_counts=True)
    wide = counts > NARROW * len(chosen)
    names = [f"source {source + 1}" if room else f"{source + 1}" for source, room in zip(sources, wide, strict=True)]
    with picture(path, WIDTH, 4.2) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        images = {"wanted (YYᵀ): 1 within a source": wanted, "found (VVᵀ)": v[chosen] @ v[chosen].T}
        for each, (name, image) in zip(axes, images.items(), strict=True):
            shown = each.imshow(image, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
            each.set_title(name, loc="left", fontsize=9, pad=3)
            each.set_xticks(starts + (counts - 1) / 2, names, fontsize=7)
            each.tick_params(length=0)
            for start in starts[1:] - 0.5:
                each.axvline(start, color="black", linewidth=0.5)
                each.axhline(start, color="black", linewidth=0.5)
        axes[0].set_yticks(starts + (counts - 1) / 2, names, fontsize=7)
        _bar(figure, shown, axes, "affinity")
        figure.supxlabel(f"{len(chosen)} time-frequency bins, sorted by source", fontsize=8)
        figure.suptitle(title, fontsize=9)


def _bar(figure: Figure, image: AxesImage, axes: np.ndarray, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.01)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _image(axes: Axes, image: np.ndarray, name: str, extent: tuple[float, ...], **options: object) -> AxesImage:
    shown = axes.imshow(image.T, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **options)
    axes.set_title(name, loc="left", fontsize=9, pad=3)
    axes.tick_params(labelsize=7)
    axes.yaxis.get_major_locator().set_params(integer=True)
    return shown
