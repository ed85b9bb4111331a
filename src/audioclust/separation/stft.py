"""Spectra of signals and signals of spectra, and what deep clustering reads in them.

Hershey et al. 2016 (arXiv 1508.04306): windows of 32 ms every 8 ms at 8 kHz, the square root of a Hann window both
ways. Shapes: b mixtures, s sources, t frames, f bins; frames stand before bins.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from audioclust.parameters import Positive, validate

FLOOR = 1e-8  # added to magnitudes, so that digital silence has a logarithm; asteroid adds the same


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform and its inverse.

    Frame i is centred on sample ``i * step``. The signal is reflected at both ends, as torch's, librosa's and nussl's
    centred transforms do, so the values of the first and last frames are theirs too; one shorter than half a window is
    reflected more than once. The last frame is centred on or behind the last sample: a length that is no multiple of
    ``step`` has one frame more than in torch, without which a window of two steps would lose its last samples.
    """

    sample_rate: Annotated[int, Field(ge=1000)] = 8000  # Hz
    window: Positive = 32.0  # ms
    hop: Positive = 8.0  # ms from one frame to the next

    @property
    def size(self) -> int:
        """Samples per window: an even number, so that it has a middle."""
        return 2 * round(self.sample_rate * self.window / 2000)

    @property
    def step(self) -> int:
        """Samples from one frame to the next."""
        return round(self.sample_rate * self.hop / 1000)

    @property
    def bins(self) -> int:
        return self.size // 2 + 1

    def check(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: a value out of range; a window or hop of less than a sample; a hop of more than half a window,
                with which some samples have next to no weight in any window, so that the inverse is not exact.
        """
        validate(self)
        if self.size < 4:
            raise ValueError(
                f"window={self.window} ms at {self.sample_rate} Hz must hold at least 4 samples: lengthen it"
            )
        if not 1 <= self.step <= self.size // 2:
            raise ValueError(
                f"hop={self.hop} ms ({self.step} samples) must be at least one sample and at most half of "
                f"window={self.window} ms ({self.size} samples)"
            )

    def frames(self, samples: int) -> int:
        """Return how many centred frames a signal has."""
        return 1 + -(-samples // self.step)

    def samples(self, frames: int) -> int:
        """Return the length of a signal that has so many frames without centring: a training segment's."""
        return (frames - 1) * self.step + self.size

    def spectrum(self, x: Tensor, centre: bool = True, start: int = 0, stop: int | None = None) -> Tensor:
        """Return the spectrum (..., t, f) complex64 of signals (..., samples).

        Args:
            centre: False: frame i starts at sample ``i * step`` and every frame holds signal only; what is left at the
                end, less than a step, has no frame.
            start, stop: of the frames to compute, for signals whose whole spectrum would not fit in memory.

        Raises:
            ValueError: no sample, or without centring less than a window.
        """
        least = 1 if centre else self.size
        if x.shape[-1] < least:
            raise ValueError(f"a signal of {x.shape[-1]} samples is too short: at least {least} are needed")
        count = self.frames(x.shape[-1]) if centre else (x.shape[-1] - self.size) // self.step + 1
        stop = count if stop is None else min(stop, count)
        before = self.size // 2 if centre else 0
        first = start * self.step - before
        part = _reflected(x, first, first + self.samples(stop - start))
        return torch.fft.rfft(part.float().unfold(-1, self.size, self.step) * self._window(x.device))

    def signal(self, spectrum: Tensor, samples: int) -> Tensor:
        """Return the signals (..., samples) float32 of the spectra (..., t, f) of centred frames.

        The inverse of ``spectrum`` from the first to the last sample. For another spectrum, such as a masked one, it is
        the signal whose spectrum is nearest in the squares (Griffin & Lim 1984, equation 6), as torch's and librosa's.

        Raises:
            ValueError: not the frames of a signal of this length.
        """
        if spectrum.shape[-2] != self.frames(samples):
            raise ValueError(
                f"{samples} samples have {self.frames(samples)} frames at a step of {self.step}, "
                f"the spectrum has {spectrum.shape[-2]}"
            )
        out = torch.zeros(*spectrum.shape[:-2], samples, device=spectrum.device)
        self.add(out, spectrum)
        return out

    def add(self, out: Tensor, spectrum: Tensor, start: int = 0) -> None:
        """Add the share of some centred frames to signals (..., samples), in place.

        Blocks of frames that are added one after another to zeros give the whole signal; frames
        ``[start, start + t)`` reach from sample ``start * step - size / 2`` to one window behind the last one's start.

        Args:
            spectrum: (..., t, f) of consecutive frames, the first of which is number ``start``.
        """
        window = self._window(out.device)
        waves = torch.fft.irfft(spectrum, self.size) * window
        weight = self._weight(start, start + spectrum.shape[-2], self.frames(out.shape[-1]), window)
        first = start * self.step - self.size // 2
        a, b = max(first, 0), min(first + len(weight), out.shape[-1])
        inside = slice(a - first, b - first)
        out[..., a:b] += _overlapped(waves, self.step)[..., inside] / weight[inside]

    def _window(self, device: torch.device) -> Tensor:
        return torch.hann_window(self.size, dtype=torch.float64, device=device).sqrt().float()

    def _weight(self, start: int, stop: int, frames: int, window: Tensor) -> Tensor:
        """Return the sums of the squared windows of all ``frames``, at the samples that frames [start, stop) reach."""
        near = self.size // self.step + 1
        a, b = max(start - near, 0), min(stop + near, frames)
        total = _overlapped(window.square().expand(b - a, -1), self.step)
        return total[(start - a) * self.step :][: self.samples(stop - start)]


def log_magnitude(spectrum: Tensor) -> Tensor:
    """Return ln(|x| + 1e-8) float32 of a spectrum; digital silence is -18.4."""
    return spectrum.abs().float().add(FLOOR).log()


def active(spectrum: Tensor, below_db: float = 40.0, top: Tensor | None = None) -> Tensor:
    """Return bool (..., t, f): the bins of mixtures (..., t, f) above each one's loudest bin less ``below_db``.

    The silence threshold of Hershey et al. 2016. No bin of digital silence is active (in asteroid's ``ebased_vad``,
    whose magnitudes have a floor, all of them are).

    Args:
        below_db: dB.
        top: the magnitude (..., 1, 1) of the loudest bin of the mixtures that the spectra are blocks of; None: the
            spectra are whole.
    """
    magnitude = spectrum.abs()
    top = magnitude.amax((-2, -1), keepdim=True) if top is None else top
    return magnitude > top * 10 ** (-below_db / 20)


def loudest(sources: Tensor) -> Tensor:
    """Return int64 (..., t, f): the source with the largest magnitude in each bin of sources' spectra (..., s, t, f).

    -1 where several are equally loud, or all are silent, as in nussl's ``compute_ideal_binary_mask``; asteroid takes
    the first of them.
    """
    magnitude = sources.abs()
    top, index = magnitude.max(-3)
    alone = (magnitude == top.unsqueeze(-3)).sum(-3) == 1
    return torch.where(alone & (top > 0), index, -1)


def _reflected(x: Tensor, start: int, stop: int) -> Tensor:
    """Return samples [start, stop) of signals that go on mirrored at both ends, as often as needed."""
    n = x.shape[-1]
    if start >= 0 and stop <= n:
        return x[..., start:stop]
    a, b = min(max(start, 0), n), min(max(stop, 0), n)
    ends = [_mirror(torch.arange(*span, device=x.device), n) for span in ((start, a), (b, stop))]
    return torch.cat([x[..., ends[0]], x[..., a:b], x[..., ends[1]]], -1)


def _mirror(index: Tensor, n: int) -> Tensor:
    """Return where in a signal of n samples the samples of its mirrored continuation stand."""
    period = max(2 * (n - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index)


def _overlapped(frames: Tensor, step: int) -> Tensor:
    """Return the sums (..., (t - 1) * step + size) of frames (..., t, size), each ``step`` behind the one before."""
    *lead, t, size = frames.shape
    pieces = -(-size // step)
    frames = torch.nn.functional.pad(frames, (0, pieces * step - size)).unflatten(-1, (pieces, step))
    out = frames.new_zeros(*lead, t + pieces - 1, step)
    for p in range(pieces):  # of all frames at once
        out[..., p : p + t, :] += frames[..., p, :]
    return out.flatten(-2)[..., : (t - 1) * step + size]
