"""Example log-mels of each class, or without labels of each cluster."""

from pathlib import Path

import numpy as np

from audioclust.report.canvas import SHADES, WIDTH, mel_axis, ordered, picture, short
from audioclust.report.plots.confusions import by_size, cluster_name


def examples(
    logmel: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray,
    path: Path,
    per_class: int = 3,
    *,
    hop_seconds: float = 0.01,
    mel_hz: np.ndarray | None = None,
    most: int = 12,
) -> None:
    """Draw log-mels (n, mels, frames) of a few clips of each class, spread over the class's rows.

    Args:
        logmel: may be a memory map; only the clips that are drawn are read.
        labels: (n,) classes; clips without a label ("") are left out.
        clusters: (n,) drawn instead of classes where no clip has a label, the largest first.
        path: the PNG.
        per_class: clips per class.
        hop_seconds: seconds between frames.
        mel_hz: (mels,) centre frequencies in Hz; without them the bands have no scale.
        most: classes, the first by name.
    """
    members, kind = _members(np.asarray(labels).astype(str), np.asarray(clusters))
    chosen = {name: _spread(rows, per_class) for name, rows in list(members.items())[:most]}
    seconds = logmel.shape[2] * hop_seconds
    images = {i: _thinned(np.asarray(logmel[i], dtype=np.float32)) for rows in chosen.values() for i in rows}
    low, high = np.percentile(np.stack(list(images.values())), (5, 99.5))
    with picture(path, WIDTH, 1.05 * len(chosen) + 0.5) as figure:
        panels = figure.subplots(len(chosen), per_class, sharex=True, sharey=True, squeeze=False)
        for line, (name, rows) in zip(panels, chosen.items(), strict=True):
            for axes, i in zip(line, rows, strict=False):
                axes.imshow(images[i], origin="lower", aspect="auto", cmap=SHADES, vmin=low, vmax=high,
                            extent=(0, seconds, -0.5, len(images[i]) - 0.5), interpolation="nearest")  # fmt: skip
            for axes in line[len(rows) :]:
                axes.set_axis_off()
            line[0].set_title(short(name, 40), loc="left", fontsize=9, pad=3)
            mel_axis(line[0], mel_hz)
        for axes in panels[:-1].ravel():
            axes.tick_params(axis="x", length=0)
        for axes in panels[-1]:
            axes.set_xlabel("seconds", fontsize=8)
            axes.tick_params(axis="x", labelsize=7)
        if len(members) > most:
            figure.suptitle(f"{most} of {len(members)} {kind}", fontsize=9)


def _members(labels: np.ndarray, clusters: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """Return the rows of each class, by name, or without labels of each cluster, by size; and what these are."""
    classes = [name for name in ordered(labels) if name]
    if classes:
        return {name: np.flatnonzero(labels == name) for name in classes}, "classes"
    found = by_size(clusters)
    texts = {c: f"{cluster_name(c)} ({count} clip{'s' * (count > 1)})" for c, count in found.items()}
    return {texts[c]: np.flatnonzero(clusters == c) for c in found}, "clusters"


def _thinned(image: np.ndarray, most: int = 150) -> np.ndarray:
    """Return means of neighbouring frames, at most ``most``: a panel has no pixels for more, and noise fills a PNG."""
    frames = image.shape[1]
    starts = np.arange(0, frames, -(-frames // most))
    return np.add.reduceat(image, starts, axis=1) / np.diff([*starts, frames])


def _spread(rows: np.ndarray, count: int) -> list[int]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))].tolist()
