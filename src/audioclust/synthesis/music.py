"""A small band: chords, bass, melody and drums over a random progression in a random key and tempo."""

import numpy as np

from audioclust.synthesis.sources import RATE, burst, place

PROGRESSIONS = ((0, 7, 9, 5), (0, 9, 5, 7), (0, 5, 7, 5), (9, 5, 0, 7))  # roots in semitones above the tonic
SCALE = (0, 2, 4, 7, 9, 12, 14)  # major pentatonic: any note fits any of the chords


def music(rng: np.random.Generator, n: int) -> np.ndarray:
    """Four parts over ``n`` samples; key, tempo (75 to 140 beats per minute), timbre and the drums' share vary."""
    beat, tonic = 60 / rng.uniform(75, 140), int(rng.integers(45, 57))
    roots = tonic + np.array(PROGRESSIONS[rng.integers(len(PROGRESSIONS))])
    beats = np.arange(0, n / RATE, beat)
    melody = _part(rng, n, beats[rng.random(len(beats)) < 0.85], tonic + 12 + rng.choice(SCALE, len(beats)), 1.2 * beat)
    bass = _part(rng, n, beats, roots[np.arange(len(beats)) // 2 % 4] - 12, beat)
    bars = beats[::2]
    chord = roots[np.arange(len(bars)) % 4]
    chords = sum(_part(rng, n, bars, chord + interval, 2.2 * beat) for interval in (0, 4, 7))
    return 0.8 * melody + bass + 0.5 * chords + rng.uniform(0, 0.8) * _drums(rng, n, beats, beat)


def _part(rng: np.random.Generator, n: int, times: np.ndarray, keys: np.ndarray, length: float) -> np.ndarray:
    """One instrument playing MIDI ``keys`` at ``times`` (seconds), every note ``length`` s."""
    strengths = np.arange(1, 9) ** -rng.uniform(0.8, 2.0) * rng.uniform(0.4, 1, 8)
    decay, notes = rng.uniform(0.15, 0.8), iter(440 * 2 ** ((keys - 69) / 12))
    return place(n, times, lambda: _note(next(notes), length, decay, strengths))


def _note(frequency: float, length: float, decay: float, strengths: np.ndarray) -> np.ndarray:
    """Harmonics with the ``strengths`` (8,) under a plucked envelope that is let go at the end."""
    time = np.arange(int(length * RATE)) / RATE
    envelope = np.minimum(time / 0.008, 1) * np.exp(-time / decay) * np.minimum((length - time) / 0.03, 1)
    audible = strengths[: max(1, int(7000 / frequency))]
    harmonics = np.arange(1, len(audible) + 1)[:, None]
    return envelope * np.sum(audible[:, None] * np.sin(2 * np.pi * frequency * harmonics * time), axis=0)


def _drums(rng: np.random.Generator, n: int, beats: np.ndarray, beat: float) -> np.ndarray:
    """Kick on every other beat, snare between, closed hi-hat on the eighths."""
    hat = place(n, np.arange(0, n / RATE, beat / 2), lambda: 0.3 * burst(rng, 5000, 7800, 0.001, 0.02))
    snare = place(n, beats[1::2], lambda: burst(rng, 200, 6000, 0.001, 0.06))
    return hat + snare + place(n, beats[::2], _kick)


def _kick() -> np.ndarray:
    """A sine that falls from 140 to 50 Hz in a quarter of a second."""
    time = np.arange(RATE // 4) / RATE
    return 2 * np.exp(-time / 0.08) * np.sin(2 * np.pi * (50 * time - 90 * 0.04 * np.exp(-time / 0.04)))
