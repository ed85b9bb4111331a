"""The pictures of a separation: a mixture, its ideal and its estimated masks, and what the network makes of its bins.

As figures 1 and 2 of Hershey et al. (2016), and the affinities of bins sorted by source, after their toy example.
Byte-stable as the pictures of ``plots.py`` are.

Shapes: t frames, f bins, k dimensions of an embedding.
"""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from audioclust.report.plots import COLOURS, SHADES, page

SHOWN = 400  # frames
DIMENSIONS = 3  # of the embedding
BINS = 200  # of the affinities
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
    with page(path, 8.4, 4.4) as figure:
        axes = figure.subplots(2, 3, sharex=True, sharey=True)
        decibels = 20 * np.log10(np.maximum(magnitude, 1e-8) / max(magnitude.max(), 1e-8))
        _image(axes[0, 0], decibels, "mixture, dB", extent, cmap=SHADES, vmin=-RANGE_DB, vmax=0)
        for place, (name, labels) in enumerate({"ideal mask": ideal, "estimated mask": estimated}.items(), start=1):
            colours = ListedColormap(["white", *COLOURS[: max(int(labels.max()) + 1, 1)]])
            _image(axes[0, place], labels + 1, name, extent, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5)
        widest = np.argsort(-v.reshape(-1, v.shape[2]).var(0), kind="stable")[:DIMENSIONS]
        for place, dimension in enumerate(widest):
            image = v[:, :, dimension]
            limit = max(float(np.abs(image).max()), 1e-8)  # grey is 0
            _image(axes[1, place], image, f"dimension {dimension}", extent, cmap=SIGNED, vmin=-limit, vmax=limit)
        figure.supxlabel("seconds", fontsize=8)
        figure.supylabel("kHz", fontsize=8)
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
    with page(path, 8.4, 4.2) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        for place, (name, image) in enumerate({"YYᵀ": wanted, "VVᵀ": v[chosen] @ v[chosen].T}.items()):
            shown = axes[place].imshow(image, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
            axes[place].set_title(name, loc="left", fontsize=9, pad=3)
        figure.colorbar(shown, ax=axes, shrink=0.8)
        figure.supxlabel("bins, sorted by source", fontsize=8)
        figure.suptitle(title, fontsize=9)


def _image(axes: Axes, image: np.ndarray, name: str, extent: tuple[float, ...], **options: object) -> None:
    axes.imshow(image.T, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **options)
    axes.set_title(name, loc="left", fontsize=9, pad=3)
    axes.tick_params(labelsize=7)
