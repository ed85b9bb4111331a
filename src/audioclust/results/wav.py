"""Sounds as WAV files that are whole or not there; soundfile does not say that it fails because a disk is full."""

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from audioclust.results import files


def write(path: Path, blocks: Iterable[np.ndarray], rate: int, width: int = 2) -> int:
    """Write a mono file.

    Args:
        path: of the file; folders are made.
        blocks: samples (n,) one block after another, full scale at 1; what is beyond is cut.
        rate: Hz.
        width: bytes per sample, 2 or 3.

    Returns:
        How many samples were cut.
    """
    full, cut = 1 << (8 * width - 1), 0
    with files.whole(path) as stream, wave.open(stream, "wb") as sound:
        sound.setparams((1, width, rate, 0, "NONE", ""))
        for block in blocks:
            values = np.rint(np.asarray(block, np.float64) * full)
            cut += int(((values < -full) | (values > full)).sum())  # full scale itself is cut by a step
            values = np.clip(values, -full, full - 1).astype("<i4")
            sound.writeframes(values.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    return cut
