"""Recordings of any format to blocks and clips of one rate, so that an hour needs no more memory than a second.

libsndfile reads samples that lie in one piece (``plain``), FFmpeg all others (``coded``); whether a part of a recording
is missing is asked of its container first (``containers``). soxr resamples.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import soxr

from audioclust.clips.coded import Coded
from audioclust.clips.containers import examine
from audioclust.clips.plain import Plain
from audioclust.clips.rejected import Rejected

SLOWEST, FASTEST = 1000, 768_000  # Hz; outside these limits a header is damaged, not unusual
MARGIN = 0.5  # seconds read beyond what is wanted: more than a resampler's filter reaches
# Below this peak 16 bits would keep less than five of a recording that has more.
QUIET = 2.0**-10
LOUD = {True: 1.0, False: 2.0**0.5}  # peak that is clipped; a lossy coder overshoots by up to 3 dB, everywhere


class Recording(Protocol):
    """A file that is open.

    ``rate`` is in Hz; ``seconds`` what its header says, or after ``finish`` what is there (None: unknown); ``fine``
    whether its samples have more than 16 bits and were not coded with a loss.
    """

    rate: int
    seconds: float | None
    fine: bool

    def read(self, start: int = 0, frames: int | None = None) -> Iterator[np.ndarray]:
        """Yield float32 blocks (at most ``plain.BLOCK`` frames, channels), full scale at 1.

        Args:
            start: the first frame.
            frames: that many; None reads to the end.

        Raises:
            Incomplete: a part is missing or damaged.
        """

    def finish(self) -> None:
        """Look at what ``read`` has left out at the end, without decoding it.

        Raises:
            Incomplete: a part is missing or damaged.
        """

    def close(self) -> None:
        """Close the file."""


def open_recording(path: Path) -> Recording:
    """Open a recording.

    Raises:
        Rejected: it is empty or no recording, or a part of it is missing or damaged, as far as its container tells.
    """
    if not path.is_file():
        raise Rejected("unreadable", "no such file" if not path.exists() else "no regular file")
    if path.suffix.lower() == ".raw":
        raise Rejected("unreadable", "a .raw file does not say its sample rate; convert it to WAV")
    try:
        if path.stat().st_size == 0:
            raise Rejected("empty", "the file has 0 bytes")
        container = examine(path)
        found = Plain.of(path, container) or Coded(path, container)
    except OSError as error:
        raise Rejected("unreadable", error.strerror or str(error)) from error
    if not SLOWEST <= found.rate <= FASTEST:
        found.close()
        raise Rejected("unreadable", f"a sample rate of {found.rate} Hz; {SLOWEST} to {FASTEST} Hz can be right")
    return found


def mix_channels(x: np.ndarray, policy: Literal["mean", "first", "each"]) -> np.ndarray:
    """Return (frames, 1) for the policies "mean" and "first", ``x`` (frames, channels) itself for "each"."""
    if policy == "mean":
        # Column by column: a mean over an axis of two costs as much as decoding.
        total = x[:, 0].astype(np.float32)
        for channel in range(1, x.shape[1]):
            total += x[:, channel]
        return (total / np.float32(x.shape[1]))[:, None]
    return x[:, :1] if policy == "first" else x


class Level:
    """The largest sample of what was read."""

    def __init__(self) -> None:
        self.peak = 0.0

    def look(self, x: np.ndarray) -> None:
        """Take a block into account.

        Raises:
            Rejected: a sample is not finite.
        """
        peak = float(np.abs(x).max(initial=0))
        if not math.isfinite(peak):
            raise Rejected("not finite", f"{int((~np.isfinite(x)).sum())} samples of a block are NaN or infinite")
        self.peak = max(self.peak, peak)


def resampled(
    recording: Recording,
    rate: int,
    policy: Literal["mean", "first", "each"] = "mean",
    start: int = 0,
    samples: int | None = None,
    level: Level | None = None,
) -> Iterator[np.ndarray]:
    """Yield blocks (samples, channels after the policy) of a recording at ``rate`` Hz, float32.

    Args:
        recording: open.
        rate: sample rate wanted, Hz; soxr's HQ filter where the recording has another.
        policy: what becomes of several channels.
        start: the first sample, at the new rate.
        samples: so many are needed; a little more is read, for the filter's tail. None: all.
        level: takes note of the recording's own samples.

    Raises:
        Rejected: samples that are not finite; or a part is missing or damaged.
    """
    level = level or Level()
    source = recording.rate
    if source == rate:
        for block in recording.read(start, samples):
            level.look(block)
            yield np.ascontiguousarray(mix_channels(block, policy))
        return
    # It starts where samples of both rates coincide, before the first one that is wanted.
    step = math.gcd(source, rate)
    periods = max(0, math.floor((start / rate - MARGIN) * step))
    begin, skip = periods * (source // step), start - periods * (rate // step)
    end = None if samples is None else math.ceil(((start + samples) / rate + MARGIN) * source) - begin
    stream = None
    for block in recording.read(begin, end):
        level.look(block)
        mixed = np.ascontiguousarray(mix_channels(block, policy))
        if stream is None:
            stream = soxr.ResampleStream(source, rate, mixed.shape[1], dtype="float32", quality="HQ")
        x = stream.resample_chunk(mixed)
        yield x[skip:]
        skip = max(skip - len(x), 0)
    if stream is not None:
        yield stream.resample_chunk(mixed[:0], last=True)[skip:]


def clips(
    chunks: Iterator[np.ndarray], samples: int, count: int | None = None, hop: int | None = None, begun: bool = False
) -> Iterator[np.ndarray]:
    """Yield clips (<= samples, channels), at most ``count``. Only the last may be shorter; it ends with the recording.

    Args:
        chunks: (any, channels), one after the other.
        samples: of a clip.
        count: None: as many as there are.
        hop: samples from the start of one to that of the next, at most ``samples``; None: as many as these.
        begun: whether the first chunk begins within a clip that stood before it.
    """
    hop = hop or samples
    waiting, found = np.zeros((0, 1), np.float32), 0
    for chunk in chunks:
        waiting = np.concatenate([waiting, chunk]) if len(waiting) else chunk
        while len(waiting) >= samples:
            yield waiting[:samples]
            waiting, found = waiting[hop:], found + 1
            if found == count:
                return
    heard = samples - hop if found or begun else 0  # in the clip before
    if len(waiting) > heard:
        yield waiting


def gain(peak: float, fine: bool = True) -> float:
    """Return what a recording with this ``peak`` is multiplied by before it becomes int16.

    Where samples exceed full scale, they are scaled down to fit: a scale of its own, such as that of 16-bit integers,
    or a mix that was not limited. Where 16 bits would keep next to nothing of a ``fine`` recording (see ``Recording``),
    they are scaled up by a power of 2.
    """
    if peak > LOUD[fine]:
        return (1 - 2.0**-15) / peak  # 32767 of 32768
    if fine and 0 < peak < QUIET:
        return 2.0 ** (-1 - math.ceil(math.log2(peak)))
    return 1.0


def to_int16(x: np.ndarray, samples: int) -> np.ndarray:
    """Return ``x`` (n,), full scale at 1, as int16 of full scale 32768, zeros after its end up to ``samples``."""
    out = np.zeros(samples, np.int16)
    out[: len(x)] = np.clip(np.rint(x * 32768.0), -32768, 32767)
    return out
