"""Clips to log-mels and their statistics."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from audioclust import parallel
from audioclust.clips.logmel import EPS, FrontEnd, LogMel
from audioclust.devices import hold_memory
from audioclust.parameters import NonNegative
from audioclust.results import files
from audioclust.results.kept import Kept, Rows, checksum, fill, row_keys
from audioclust.threads import one_thread
from audioclust.views.clips import MOMENTS, moments_of

SHARD = 128  # clips per task; fixed, so that the statistics add up in one order whatever the number of workers
AUTO, FIXED = "auto", "fixed"
FAR = 0.1  # deviations by which statistics that are given may miss those of the clips before it is said


@dataclass
class Statistics:
    """What log-mels are standardised with where an encoder or a method does so."""

    # Mean and deviation in nats; auto: those of all clips, so that one clip more changes what all of them become
    statistics: Literal["auto"] | tuple[float, NonNegative] = AUTO


def compute(
    audio: np.ndarray,
    rate: int,
    out: Path,
    front_end: FrontEnd,
    *,
    durations: np.ndarray | None = None,
    workers: int = -1,
    statistics: Literal["auto"] | tuple[float, float] = AUTO,
    kept: Kept | None = None,
    digests: np.ndarray | None = None,
) -> dict[str, Any]:
    """Write the log-mels of all clips to ``out``, (n, n_mels, t) float16.

    Beside them ``frames.npy``, (n,) int64, tells how many frames of each hold signal, ``stats.json`` the rest, and
    ``info.json`` the statistics of these clips and whether they are those that are used.

    The log-mel of a clip is that of its signal alone, reflected at its end; the frames of the padding are silence.

    Args:
        audio: (n, samples) int16, a memory map of ``data/clips/audio.npy``.
        rate: its sample rate in Hz; resampled with soxr where the front end wants another.
        out: the file to write.
        front_end: what a log-mel is.
        durations: (n,) seconds of signal in each clip, what follows being padding; None: zeros at the end are padding.
        workers: processes; -1: one per core.
        statistics: as of ``Statistics``.
        kept: where log-mels are kept for later runs; None: nowhere.
        digests: (n, 16) uint8, hashes of the clips' samples, where log-mels are kept.

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
    frames = frames_of(samples, rate, audio.shape[1], transform)
    shelf = kept and kept.also(rate, audio.shape[1], asdict(front_end))
    keys = row_keys(digests, samples) if shelf else []
    rows = shelf.find(keys) if shelf else None
    shards = [slice(start, start + SHARD) for start in range(0, len(audio), SHARD)]
    tasks = [(audio[s], rate, samples[s], transform, rows and rows[s]) for s in shards]
    checks, new = [], 0
    with files.whole(out) as stream:
        files.write_header(stream, np.float16, (len(audio), front_end.n_mels, t))
        found = parallel.run(_shard, tasks, workers=workers, name="logmel")
        for mels, checked, computed in found:
            stream.write(mels)
            checks += checked
            new += computed
    if shelf:
        shelf.keep(out, keys, checks)
        kept.count(new, len(audio))
    moments = moments_of(np.load(out, mmap_mode="r"), torch.from_numpy(frames))
    own = {"mean": round(moments.mean, 6), "std": round(moments.std, 6)}
    stats = own if statistics == AUTO else dict(zip(own, statistics, strict=True))
    stats = stats | front_end.axes() | {"front_end": asdict(front_end) | {"clip_seconds": seconds}}
    files.write_array(out.with_name("frames.npy"), frames)
    _write_json(out.with_name(MOMENTS), moments._asdict())
    _write_json(out.with_name("stats.json"), stats)
    info = {"of_these_clips": own, "statistics": AUTO if statistics == AUTO else FIXED}
    _write_json(out.with_name("info.json"), info)
    return stats


def said(stats: dict[str, Any], info: dict[str, Any]) -> str:
    """Return what log-mels are standardised with, of what ``stats.json`` and ``info.json`` hold, and the way out."""
    own = info["of_these_clips"]
    pair = f"mean {stats['mean']:g}, deviation {stats['std']:g}"
    if info["statistics"] == AUTO:
        return (
            f"log-mels: {pair} of these clips. To keep them, and with them the embeddings, when recordings are added: "
            f"python stages/freeze.py, or -S 'logmel.statistics=[{stats['mean']},{stats['std']}]'"
        )
    off = max(abs(own["mean"] - stats["mean"]), abs(own["std"] - stats["std"])) / max(stats["std"], 1e-6)
    far = f"; they are {off:.2f} deviations off, logmel.statistics=auto takes these" if off > FAR else ""
    return f"log-mels: {pair} as logmel.statistics says; those of these clips are {own['mean']:g}, {own['std']:g}{far}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    files.write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _shard(
    audio: np.ndarray, rate: int, samples: np.ndarray, transform: LogMel, rows: Sequence[Rows | None] | None
) -> tuple[np.ndarray, list[bytes], int]:
    """Return log-mels (b, n_mels, t) float16, those that are kept or computed, what checks them, how many are new."""
    if rows is None:
        return mels_of(audio, rate, samples, transform)[0], [], len(audio)

    def compute(new: list[int]) -> np.ndarray:
        some = audio if len(new) == len(audio) else audio[new]
        return mels_of(some, rate, samples[new], transform)[0]

    return fill(rows, checksum, compute)


def _sounding(audio: np.ndarray) -> np.ndarray:
    """Return the samples (n,) of each clip up to the last that is not zero; of silence all."""
    return np.array([audio.shape[1] - np.argmax(clip[::-1] != 0) for clip in audio])


def frames_of(samples: np.ndarray, rate: int, width: int, transform: LogMel) -> np.ndarray:
    """Return how many frames hold the signal, (n,) int64, of so many samples (n,) in clips of ``width`` samples."""
    wanted, hop = transform.sample_rate, transform.mel.hop_length
    samples = np.clip(samples, -(-rate // wanted), width)
    return np.minimum(-(-samples * wanted // (rate * hop)) + 1, 1 + int(width * wanted / rate + 0.5) // hop)


def mels_of(audio: np.ndarray, rate: int, samples: np.ndarray, transform: LogMel) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-mels (b, n_mels, t) float16 of a few clips, and the frames of their signal (b,) int64.

    Args:
        audio: (b, samples) int16.
        rate: its sample rate in Hz.
        samples: (b,) of signal in each.
        transform: the front end.
    """
    hold_memory()
    wanted, hop = transform.sample_rate, transform.mel.hop_length
    t = 1 + int(audio.shape[1] * wanted / rate + 0.5) // hop  # soxr rounds halves up
    frames = frames_of(samples, rate, audio.shape[1], transform)
    samples = np.clip(samples, -(-rate // wanted), audio.shape[1])  # one sample after resampling
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
