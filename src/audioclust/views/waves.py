"""Views of waveforms, for encoders that are not trained here: what they hear of a clip that was changed a little.

The ops are the usual ones of audio augmentation, each a parameter's size. A view is made of a clip's signal, never of
its padding, and what is random in it comes from one generator per clip and view, so that it does not depend on the
clips beside it, but for ``mixup``, which takes one of them.

Shapes: signals (s,) float32 in -1..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soxr

from audioclust.parameters import NonNegative, Probability, validate, values

Op = Literal["crop", "speed", "mixup", "filter", "gain", "noise", "mask"]
SHORTEST = 400  # samples that a cut or a faster signal keeps: encoders hear nothing in less
POINTS = 6  # of a filter's curve, evenly spaced on the axis of log frequency
LOWEST = 50.0  # Hz, where that axis begins


@dataclass
class Waves:
    """Change signals.

    Raises:
        ValueError: a wrong value.
    """

    # Ops of the two kinds of view, in this order
    weak: tuple[Op, ...] = ("crop", "gain")
    strong: tuple[Op, ...] = ("crop", "speed", "mixup", "filter", "gain", "noise", "mask")
    crop: Probability = 0.2  # largest share of the signal that is cut off, at both ends together
    speed: Probability = 0.1  # largest change of speed and, with it, of pitch; 0.1 is between 1 / 1.1 and 1.1
    mixup: Probability = 0.1  # largest share of another clip's power
    filter: NonNegative = 6.0  # dB: largest change of level of a band, as by another microphone
    gain: NonNegative = 6.0  # dB: largest change of level
    noise: tuple[NonNegative, NonNegative] = (10.0, 30.0)  # dB: range of coloured noise below the signal's mean power
    mask: Probability = 0.1  # largest share of the signal that is silenced

    def __post_init__(self):
        validate(self)
        for name, value in values(self).items():
            if isinstance(value, list):  # from YAML or JSON
                setattr(self, name, tuple(value))

    def __call__(
        self, wave: np.ndarray, rate: int, ops: Sequence[str], random: np.random.Generator, other: np.ndarray
    ) -> np.ndarray:
        """Return a view of a signal, (s',) float32.

        Args:
            wave: the signal.
            rate: its sample rate in Hz.
            ops: names of ops, in order.
            random: draws all that is random.
            other: the signal of another clip, for ``mixup``.
        """
        for op in ops:
            wave = self._mixup(wave, other, random) if op == "mixup" else getattr(self, f"_{op}")(wave, rate, random)
        return np.asarray(wave, dtype=np.float32)

    def _crop(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        cut, at = random.random(2)
        kept = max(round(len(wave) * (1 - self.crop * cut)), min(SHORTEST, len(wave)))
        start = round((len(wave) - kept) * at)
        return wave[start : start + kept]

    def _speed(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        factor = (1 + self.speed) ** random.uniform(-1, 1)
        return wave if len(wave) < factor * SHORTEST else soxr.resample(wave, factor, 1.0, quality="MQ")

    def _mixup(self, wave: np.ndarray, other: np.ndarray, random: np.random.Generator) -> np.ndarray:
        share = self.mixup * random.random()
        start = round(random.random() * len(other))
        other = np.resize(np.roll(other, -start), len(wave))
        level = np.sqrt(share / (1 - share) * _power(wave) / max(_power(other), 1e-12))
        return wave + np.float32(level) * other

    def _filter(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        spectrum = np.fft.rfft(wave)
        hertz = np.maximum(np.fft.rfftfreq(len(wave), 1 / rate), LOWEST)
        curve = random.uniform(-self.filter, self.filter, POINTS)
        at = np.geomspace(LOWEST, rate / 2, POINTS)
        decibels = np.interp(np.log(hertz), np.log(at), curve)
        return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(wave))

    def _gain(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        return wave * np.float32(10 ** (random.uniform(-self.gain, self.gain) / 20))

    def _noise(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        """Add noise whose power falls with the frequency to a power between 0, white, and 2, brown."""
        spectrum = np.fft.rfft(random.standard_normal(len(wave)))
        hertz = np.maximum(np.fft.rfftfreq(len(wave), 1 / rate), LOWEST)
        noise = np.fft.irfft(spectrum * hertz ** -random.uniform(0, 1), len(wave))
        below = random.uniform(*self.noise)
        return wave + noise * np.sqrt(_power(wave) / max(_power(noise), 1e-12) * 10 ** (-below / 10))

    def _mask(self, wave: np.ndarray, rate: int, random: np.random.Generator) -> np.ndarray:
        share, at = random.random(2)
        silent = round(len(wave) * self.mask * share)
        start = round((len(wave) - silent) * at)
        wave = wave.copy()
        wave[start : start + silent] = 0
        return wave


def _power(wave: np.ndarray) -> float:
    """Return the mean power of a signal."""
    return float(np.mean(np.square(wave, dtype=np.float64)))
