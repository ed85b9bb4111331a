"""Clips shorter than the longest are padded with zeros at their end; an encoder hears their signal alone."""

from collections.abc import Callable
from typing import Literal

import numpy as np

Padding = Literal["ignore", "pool"]


def embed_signal(
    embed: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    signal: np.ndarray | None,
    padding: Padding,
    shortest: int = 1,
) -> np.ndarray:
    """Return the embedding of each clip, (b, d), as if the clip were alone and unpadded.

    Only clips of one length share a call of ``embed``: what convolutions and poolings make of the last frames depends
    on what follows them.

    Args:
        embed: clips of one length (m, ..., length) -> (m, d).
        x: (b, ..., t), log-mels or waveforms.
        signal: (b,) how many of the t frames or samples hold signal; None: all.
        padding: "ignore", or "pool": the padding is embedded like signal.
        shortest: frames or samples that ``embed`` needs; a shorter signal keeps as much of its padding.
    """
    if signal is None or padding == "pool":
        return embed(x)
    t = x.shape[-1]
    lengths = np.clip(signal, min(shortest, t), t)
    groups = [(np.flatnonzero(lengths == length), length) for length in np.unique(lengths)]
    found = np.concatenate([embed(x[rows, ..., :length]) for rows, length in groups])
    return found[np.argsort(np.concatenate([rows for rows, _ in groups]))]


def sounding(x: np.ndarray) -> np.ndarray:
    """Return how many frames (b,) of log-mels (b, mels, t) are no padding; all where everything is.

    Frames at the end are padding if all their bands have one value, the same in all of them.
    """
    padded = (x == x[:, :1, -1:]).all(axis=1)[:, ::-1]
    count = np.where(padded.all(axis=1), 0, np.argmin(padded, axis=1))
    return x.shape[2] - np.where(count > 1, count, 0)
