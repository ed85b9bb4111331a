"""Talkers: voices of men and women that can be told apart, at 8 kHz; connected speech without words.

As in ``voices``, glottal pulses and breath go through gliding formants (Peterson and Barney 1952; Fant 1960). What is
one talker's own lasts: the range of pitch, the length of the vocal tract, the vowels, the tilt of the glottal spectrum,
breathiness, and how fast and with which pauses he or she talks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import istft, stft

from audioclust.synthesis.sources import wavetable
from audioclust.synthesis.voices import BANDWIDTHS, F4, VOWELS

RATE = 8000
WINDOW, HOP = 128, 32
BINS = np.arange(WINDOW // 2 + 1)[:, None] * RATE / WINDOW  # (bins, 1) Hz
HIGHEST = 3800.0  # Hz: of the harmonics


@dataclass(frozen=True, eq=False)
class Talker:
    """What is one talker's own."""

    pitch: float  # Hz, median
    span: float  # octaves between the end and the start of a phrase
    tract: float  # factor of the formants
    vowels: np.ndarray  # (10, 3) formants in Hz
    tilt: float  # harmonic h of the glottal spectrum has the amplitude h^-tilt
    breath: float  # breath among the voice, amplitude
    rate: float  # syllables per second
    pause: float  # seconds between phrases, mean


def talker(seed: int, gender: str, number: int) -> Talker:
    """Return talker ``number`` of a gender ("m" or "f"): a function of the three."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=("mf".index(gender), number)))
    low, high = {"m": (85, 150), "f": (165, 260)}[gender]
    tract = {"m": 1.0, "f": 1.17}[gender] * rng.uniform(0.87, 1.13)
    return Talker(
        pitch=low * (high / low) ** rng.random(), span=rng.uniform(0.15, 0.6), tract=tract,
        vowels=tract * VOWELS * rng.normal(1, 0.06, VOWELS.shape), tilt=rng.uniform(0.5, 1.3),
        breath=0.25 * rng.random() ** 2, rate=rng.uniform(3.2, 5.5), pause=rng.uniform(0.15, 0.5),
    )  # fmt: skip


def speech(who: Talker, rng: np.random.Generator, n: int) -> np.ndarray:
    """Return ``n`` samples of connected speech, float64, peak -3 dB re full scale."""
    times, voiced, noise, pitch, place, formants = _score(who, rng, n / RATE)
    samples, frames = np.arange(n) / RATE, np.arange(n // HOP + 2) * HOP / RATE
    f0 = np.interp(samples, times, pitch) * np.repeat(rng.normal(1, 0.006, n // 40 + 1), 40)[:n]  # jitter
    source = _glottis(f0, who.tilt) + who.breath * rng.standard_normal(n)
    tracks = np.stack([np.interp(frames, times, track) for track in formants])
    spoken = _spectrum(source, frames) * _tract_gain(tracks, who.tract) * np.interp(frames, times, voiced)
    hiss = _spectrum(rng.standard_normal(n), frames) * _hiss_gain(np.interp(frames, times, place))
    out = istft(spoken + hiss * np.interp(frames, times, noise), RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[1][:n]
    return out * (10 ** (-3 / 20) / np.abs(out).max())


def _score(who: Talker, rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, ...]:
    """Return anchors of a talker's tracks, five per syllable: onset, consonant, start, end and close of the vowel.

    Their times (a,), voicing, noise, pitch in Hz, place of the noise in Hz, and the formants (3, a).
    """
    count = int(2 * seconds * who.rate) + 12  # more than are heard
    lengths = rng.gamma(12, 1 / (12 * who.rate), count)
    phrases = np.repeat(np.arange(count), rng.integers(3, 9, count))[:count]
    last = np.append(phrases[1:] != phrases[:-1], True)
    lengths[last] *= 1.4  # a phrase's last syllable is drawn out
    pauses = np.where(last, 0.08 + rng.exponential(who.pause, count), 0.0)
    onsets = np.concatenate([[0], np.cumsum(lengths + pauses)[:-1]]) - rng.uniform(0, 0.3)
    begins = onsets[np.searchsorted(phrases, phrases)]  # of the phrase
    fall = who.span * (0.5 - np.clip((onsets - begins) * who.rate / 8, 0, 1))
    pitch = who.pitch * 2 ** (fall + rng.normal(0, who.span / 6, count))
    stress, consonant = rng.uniform(0.4, 1, count), rng.uniform(0.2, 0.4, count)
    hiss = np.where(rng.random(count) < 0.5, rng.uniform(0.15, 0.6, count), 0.02)
    zeros, close = np.zeros(count), np.where(last, 0.0, 0.06)
    shares = np.stack([zeros, consonant / 2, consonant, zeros + 0.8, zeros + 0.999], axis=1)
    times = onsets[:, None] + lengths[:, None] * shares
    voiced = np.stack([close * 0, zeros + 0.08, stress, 0.6 * stress, close], axis=1)
    noise = np.stack([zeros, hiss, zeros, zeros, zeros], axis=1)
    slope = rng.normal(-who.span / 12, who.span / 4, count)[:, None]  # octaves within a vowel
    glide = pitch[:, None] * 2 ** (slope * np.array([-0.5, -0.5, -0.5, 0.4, 0.5]))
    place = np.repeat(rng.uniform(1500, 3800, count), 5)
    targets = who.vowels[rng.integers(len(VOWELS), size=count)][:, None] * rng.normal(1, 0.05, (count, 5, 3))
    return times.ravel(), voiced.ravel(), noise.ravel(), glide.ravel(), place, targets.reshape(-1, 3).T


def _glottis(f0: np.ndarray, tilt: float) -> np.ndarray:
    """Band-limited pulses at ``f0`` (n,) Hz, of root mean square 1."""
    out, phase = np.zeros(len(f0)), np.cumsum(f0) / RATE
    steps = np.ceil(4 * np.log2(f0))  # moments within a quarter of an octave share their number of harmonics
    for step in np.unique(steps):
        strengths = np.arange(1, int(HIGHEST / 2 ** (step / 4)) + 1) ** -tilt
        here = steps == step
        out[here] = wavetable(phase[here], strengths) / np.sqrt(0.5 * np.sum(strengths**2))
    return out


def _tract_gain(formants: np.ndarray, tract: float) -> np.ndarray:
    """Gain (bins, frames) of resonators in a row at ``formants`` (3, frames) Hz and a fourth that keeps its place."""
    gain = np.ones((1, 1))
    for centre, width in zip((*formants, tract * F4), BANDWIDTHS, strict=True):
        gain = gain * centre**2 / np.hypot(centre**2 - BINS**2, width * BINS)
    return gain


def _hiss_gain(place: np.ndarray) -> np.ndarray:
    """Gain (bins, frames) of a hiss around ``place`` (frames,) Hz."""
    return 3 * np.exp(-0.5 * (np.log2(np.maximum(BINS, 60) / place) / 0.4) ** 2)


def _spectrum(signal: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Short-time spectrum (bins, frames) of a signal (n,)."""
    return stft(np.pad(signal, (0, HOP)), RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[2][:, : len(frames)]
