"""Clips to log-mels and their statistics."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audioclust import parallel
from audioclust.clips.logmel import EPS, FrontEnd, LogMel
from audioclust.results import files
from audioclust.threads import one_thread

SHARD = 128  # clips per task; fixed, so that the statistics add up in one order whatever the number of workers


def compute(
    audio: np.ndarray,
    rate: int,
    out: Path,
    front_end: FrontEnd,
    *,
    durations: np.ndarray | None = None,
    workers: int = -1,
) -> dict[str, Any]:
    """Write the log-mels of all clips to ``out``, (n, n_mels, t) float16.

    Beside them ``frames.npy``, (n,) int64, tells how many frames of each hold signal, and ``stats.json`` the rest.

    The log-mel of a clip is that of its signal alone, reflected at its end; the frames of the padding are silence.

    Args:
        audio: (n, samples) int16, a memory map of ``data/clips/audio.npy``.
        rate: its sample rate in Hz; resampled with soxr where the front end wants another.
        out: the file to write.
        front_end: what a log-mel is.
        durations: (n,) seconds of signal in each clip, what follows being padding; None: zeros at the end are padding.
        workers: processes; -1: one per core.

    Returns:
        What ``stats.json`` holds: "mean" and population "std" over all bands of all frames with signal, what BYOL-A
        normalises with; "front_end" with the seconds of a clip; and ``FrontEnd.axes``.

    Raises:
        ValueError: parameters out of range, or clips too short to be reflected at their ends.
    """
    transform = LogMel(front_end)
    t = mels_of(audio[:1], rate, np.array([audio.shape[1]]), transform)[0].shape[2]
    seconds = audio.shape[1] / rate
    durations = _sounding(audio) / rate if durations is None else durations
    samples = np.rint(durations * rate).astype(np.int64)
    shards = [slice(start, start + SHARD) for start in range(0, len(audio), SHARD)]
    tasks = [(audio[s], rate, samples[s], transform) for s in shards]
    total, squares, frames = 0.0, 0.0, np.zeros(len(audio), np.int64)
    with files.whole(out) as stream:
        files.write_header(stream, np.float16, (len(audio), front_end.n_mels, t))
        found = parallel.run(mels_of, tasks, workers=workers, name="logmel")
        for rows, (mels, frames[rows]) in zip(shards, found, strict=True):
            stream.write(mels)
            values = mels * (np.arange(t) < frames[rows, None, None]).astype(np.float64)
            total += values.sum()
            squares += (values**2).sum()
    count = front_end.n_mels * int(frames.sum())
    mean = float(total / count)
    files.write_array(out.with_name("frames.npy"), frames)
    stats = {"mean": round(mean, 6), "std": round(float(np.sqrt(max(squares / count - mean**2, 0.0))), 6)}
    stats |= front_end.axes() | {"front_end": asdict(front_end) | {"clip_seconds": seconds}}
    files.write_text(out.with_name("stats.json"), json.dumps(stats, indent=1, sort_keys=True) + "\n")
    return stats


def _sounding(audio: np.ndarray) -> np.ndarray:
    """Return the samples (n,) of each clip up to the last that is not zero; of silence all."""
    return np.array([audio.shape[1] - np.argmax(clip[::-1] != 0) for clip in audio])


def mels_of(audio: np.ndarray, rate: int, samples: np.ndarray, transform: LogMel) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-mels (b, n_mels, t) float16 of a few clips, and the frames of their signal (b,) int64.

    Args:
        audio: (b, samples) int16.
        rate: its sample rate in Hz.
        samples: (b,) of signal in each.
        transform: the front end.
    """
    wanted, hop = transform.sample_rate, transform.mel.hop_length
    least = -(-rate // wanted)  # one sample after resampling
    samples = np.clip(samples, least, audio.shape[1])
    t = 1 + int(audio.shape[1] * wanted / rate + 0.5) // hop  # soxr rounds halves up
    frames = np.minimum(-(-samples * wanted // (rate * hop)) + 1, t)
    mels = np.full((len(audio), transform.mel.n_mels, t), np.log(EPS), np.float16)
    with one_thread(), torch.inference_mode():
        # Clip by clip: at one thread a clip's spectra stay in the cache, a batch's do not.
        for clip, length, last, mel in zip(audio, samples, frames, mels, strict=True):
            wave = _wave(clip[:length], rate, wanted)
            if length < len(clip):
                # As the front end reflects a whole clip, but as far as the last frame's window reaches: that frame may
                # be centred after the signal, and the signal may be shorter than what is reflected.
                end = (last - 1) * hop + transform.n_fft // 2 + 1
                wave = np.pad(wave, (0, max(end - len(wave), 0)), mode="reflect")
            mel[:, :last] = transform(torch.from_numpy(wave[None]))[0, :, :last].numpy()
    return mels, frames


def _wave(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return int16 samples in -1..1 at the rate that is wanted, float32."""
    wave = np.asarray(samples, dtype=np.float32) / 32768.0
    if rate == wanted:
        return wave
    import soxr

    return soxr.resample(wave, rate, wanted, quality="HQ")
