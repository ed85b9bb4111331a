"""Clips to log-mels and their statistics."""

import os
from pathlib import Path

import numpy as np
import torch

from audioclust import parallel
from audioclust.clips.logmel import FrontEnd, LogMel
from audioclust.threads import one_thread

SHARD = 128  # clips per task; fixed, so that the statistics add up in one order whatever the number of workers


def compute(audio: np.ndarray, rate: int, out: Path, front_end: FrontEnd, *, workers: int = -1) -> dict[str, float]:
    """Write the log-mels of all clips to ``out``, (n, n_mels, frames) float16, and return their mean and deviation.

    Args:
        audio: (n, samples) int16, a memory map of ``data/clips/audio.npy``.
        rate: its sample rate in Hz; resampled with soxr where the front end wants another.
        out: the file to write.
        front_end: what a log-mel is.
        workers: processes; -1: one per core.

    Returns:
        "mean" and population "std" over all elements, what BYOL-A normalises with.
    """
    transform = LogMel(front_end)
    first = _shard(audio[:1], rate, transform)
    part = out.with_suffix(".part.npy")
    result = np.lib.format.open_memmap(part, "w+", np.float16, (len(audio), *first.shape[1:]))
    starts = range(0, len(audio), SHARD)
    shards = parallel.run(
        _shard, [(audio[s : s + SHARD], rate, transform) for s in starts], workers=workers, name="logmel"
    )
    total, squares = 0.0, 0.0
    for start, mels in zip(starts, shards, strict=True):
        result[start : start + len(mels)] = mels
        values = mels.astype(np.float64)
        total += values.sum()
        squares += (values**2).sum()
    result.flush()
    mean = total / result.size
    os.replace(part, out)
    return {"mean": round(mean, 6), "std": round(float(np.sqrt(max(squares / result.size - mean**2, 0.0))), 6)}


def _shard(audio: np.ndarray, rate: int, transform: LogMel) -> np.ndarray:
    wave = np.asarray(audio, dtype=np.float32) / 32768.0
    if rate != transform.sample_rate:
        import soxr

        wave = np.stack([soxr.resample(row, rate, transform.sample_rate, quality="HQ") for row in wave])
    with one_thread(), torch.inference_mode():
        # Clip by clip: at one thread a clip's spectra stay in the cache, a batch's do not.
        return np.stack([transform(torch.from_numpy(row[None]))[0].numpy() for row in wave]).astype(np.float16)
