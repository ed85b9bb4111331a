"""Decode, mix, resample and cut recordings, block by block, so that an hour needs no more memory than a second.

soundfile reads WAV, FLAC, OGG and MP3 (torchaudio 2.11 reads none without torchcodec); soxr resamples.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr

BLOCK = 1 << 18  # frames read at a time; fixed, because a resampler's last bits depend on it
SLOWEST, FASTEST = 1000, 768_000  # Hz; outside these limits a header is damaged, not unusual
# libsndfile shortens a cut WAV to what is there and tells so in its log alone. Up to 64 bytes are a writer that counted
# its header in; sizes near 2**31 and 2**32 stand for "unknown", written by programs that write to a pipe.
CUT = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
SLOPPY, UNKNOWN = 64, 0x7FFFF000


class Rejected(Exception):
    """A recording or clip that cannot be used: ``reason`` is one of ``REASONS``, ``detail`` says more."""

    REASONS = ("unreadable", "empty", "too short", "not finite", "silent")

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def blocks(path: Path, seconds: float | None = None) -> Iterator[tuple[np.ndarray, int]]:
    """Yield float32 blocks (frames, channels) of a recording with its sample rate in Hz.

    Args:
        path: the file.
        seconds: stop after that many; None reads to the end.

    Raises:
        Rejected: unreadable, truncated, empty, or with samples that are not finite.
    """
    if not path.is_file():
        raise Rejected("unreadable", "no such file")
    if path.stat().st_size == 0:
        raise Rejected("empty", "the file has 0 bytes")
    if path.suffix.lower() == ".raw":
        raise Rejected("unreadable", "a .raw file does not say its sample rate; convert it to WAV")
    try:
        with soundfile.SoundFile(path) as file:
            yield from _read(file, seconds)
    except soundfile.SoundFileError as error:
        raise Rejected("unreadable", str(error).rsplit(": ", 1)[-1].strip()) from error


def _read(file: soundfile.SoundFile, seconds: float | None) -> Iterator[tuple[np.ndarray, int]]:
    rate = file.samplerate
    if not SLOWEST <= rate <= FASTEST:
        raise Rejected("unreadable", f"a sample rate of {rate} Hz; {SLOWEST} to {FASTEST} Hz can be right")
    if file.frames == 0:
        raise Rejected("empty", "no samples")
    left = file.frames if seconds is None else min(file.frames, int(np.ceil(seconds * rate)))
    cut = CUT.search(file.extra_info)
    if cut and left == file.frames and int(cut[1]) - int(cut[2]) > SLOPPY and int(cut[1]) < UNKNOWN:
        raise Rejected("unreadable", f"truncated: {cut[2]} of {cut[1]} bytes of samples are there")
    while left > 0:
        block = file.read(min(BLOCK, left), dtype="float32", always_2d=True)
        if len(block) == 0:
            raise Rejected("unreadable", f"truncated: {left} of {file.frames} samples are missing")
        if not np.isfinite(block).all():
            raise Rejected("not finite", f"{int((~np.isfinite(block)).sum())} samples of a block are NaN or infinite")
        left -= len(block)
        yield block, rate


def mix_channels(x: np.ndarray, policy: Literal["mean", "first", "each"]) -> np.ndarray:
    """Return (frames, 1) for the policies "mean" and "first", ``x`` (frames, channels) itself for "each"."""
    if policy == "mean":
        return x.mean(axis=1, keepdims=True, dtype=np.float32)
    return x[:, :1] if policy == "first" else x


def resampled(
    path: Path, rate: int, policy: Literal["mean", "first", "each"] = "mean", seconds: float | None = None
) -> Iterator[np.ndarray]:
    """Yield blocks (frames, channels after the policy) of a recording at ``rate`` Hz, float32.

    Args:
        path: the file.
        rate: sample rate wanted, Hz; soxr's HQ filter where the recording has another.
        policy: what becomes of several channels.
        seconds: that many are needed; a little more is read, for the filter's tail.
    """
    stream, mixed = None, None
    margin = None if seconds is None else seconds + 0.5
    for block, source in blocks(path, margin):
        mixed = np.ascontiguousarray(mix_channels(block, policy))
        if source == rate:
            yield mixed
            continue
        if stream is None:
            stream = soxr.ResampleStream(source, rate, mixed.shape[1], dtype="float32", quality="HQ")
        yield stream.resample_chunk(mixed)
    if stream is not None:
        yield stream.resample_chunk(mixed[:0], last=True)


def clips(chunks: Iterator[np.ndarray], samples: int, long: Literal["crop", "split"]) -> Iterator[np.ndarray]:
    """Yield consecutive clips (<= samples, channels); with "crop" the first alone. Only the last may be shorter."""
    waiting = np.zeros((0, 1), np.float32)
    for chunk in chunks:
        waiting = np.concatenate([waiting, chunk]) if len(waiting) else chunk
        while len(waiting) >= samples:
            yield waiting[:samples]
            if long == "crop":
                return
            waiting = waiting[samples:]
    if len(waiting):
        yield waiting


def to_int16(x: np.ndarray, samples: int) -> np.ndarray:
    """Return ``x`` (n,), full scale at 1, as int16 of full scale 32768, zeros after its end up to ``samples``."""
    out = np.zeros(samples, np.int16)
    out[: len(x)] = np.clip(np.rint(x * 32768.0), -32768, 32767)
    return out
