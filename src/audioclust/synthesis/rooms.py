"""Sessions: a room, a microphone and a background that all clips recorded in it share.

A room is an impulse response of direct sound, a few early reflections and a tail of noise that decays by 60 dB in RT60,
faster at high frequencies (Moorer 1979). A microphone is a gentle curve over log frequency. The background is tilted
noise with mains hum. One session is a function of (seed, number) alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from audioclust.synthesis.sources import RATE, band, rms_at, tilted_noise, turns, wavetable

SESSION_KEY = 1000  # keeps a session's random stream apart from the clips', whose first key is the class number
KNOTS = np.geomspace(60, 8000, 8)  # Hz, where a microphone's curve is drawn


@dataclass(frozen=True)
class Session:
    """What the clips of one session share; levels in dB re full scale."""

    tail: np.ndarray  # (m,) reverberation of unit energy, without the direct sound
    reverberant: float  # energy of the tail in dB re the direct sound, for a source at the usual distance
    colour: np.ndarray  # (8,) dB at KNOTS
    noise_slope: float  # dB per octave
    noise_level: float  # dB
    hum: np.ndarray  # (12,) amplitudes of the harmonics of 50 Hz


def session(seed: int, number: int) -> Session:
    """Draw session ``number`` of the data set ``seed``."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SESSION_KEY, number)))
    return Session(
        tail=_tail(rng, rng.uniform(0.15, 0.8)),
        reverberant=rng.uniform(-9, 3),
        colour=np.cumsum(rng.normal(0, 2.0, len(KNOTS))) * 0.7 + rng.normal(0, 1, len(KNOTS)),
        noise_slope=rng.uniform(-6, -2.5),
        noise_level=rng.uniform(-58, -48),
        hum=10 ** ((rng.uniform(-70, -56) + rng.uniform(-14, 0, 12)) / 20) * np.arange(1, 13) ** -0.5,
    )


def record(rng: np.random.Generator, source: np.ndarray, where: Session) -> np.ndarray:
    """Play ``source`` (n,) in the session's room and record it there: (n,), free of DC, peaks below full scale."""
    distance = rng.normal(0, 3)  # dB more or less reverberation than usual: the source is farther or nearer
    wet = source + 10 ** ((where.reverberant + distance) / 20) * fftconvolve(source, where.tail)[: len(source)]
    heard = _coloured(wet + _background(rng, len(source), where), where.colour)
    clean = sosfilt(butter(2, 30, "highpass", fs=RATE, output="sos"), heard)
    clean = clean - clean.mean()
    return clean * min(1.0, 0.9 / max(float(np.abs(clean).max()), 1e-9))


def _tail(rng: np.random.Generator, rt60: float) -> np.ndarray:
    """Three bands of decaying noise (m,) of unit energy, and six early reflections within 40 ms."""
    n = int(rt60 * RATE)
    time = np.arange(n) / RATE
    edges = ((40, 500, 1.2), (500, 2500, 1.0), (2500, 7900, 0.6))
    tail = sum(band(rng.standard_normal(n), lo, hi) * np.exp(-6.91 * time / (rt60 * share)) for lo, hi, share in edges)
    tail[: int(0.005 * RATE)] = 0  # nothing comes back before the first wall
    tail[rng.integers(int(0.005 * RATE), int(0.04 * RATE), 6)] += rng.uniform(-6, 6, 6)
    return tail / np.sqrt(np.sum(tail**2))


def _background(rng: np.random.Generator, n: int, where: Session) -> np.ndarray:
    """Room noise, 2 dB louder or softer from clip to clip, and the session's hum."""
    noise = rms_at(tilted_noise(rng, n, where.noise_slope), where.noise_level + rng.normal(0, 2))
    return noise + wavetable(turns(np.full(n, 50.0)) + rng.uniform(), where.hum, rng.uniform(0, 6.28, len(where.hum)))


def _coloured(signal: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Apply the curve ``colour`` (8,) dB at KNOTS, without phase."""
    frequencies = np.maximum(np.fft.rfftfreq(len(signal), 1 / RATE), KNOTS[0])
    gain = np.interp(np.log(frequencies), np.log(KNOTS), colour)
    return np.fft.irfft(np.fft.rfft(signal) * 10 ** (gain / 20), len(signal))
