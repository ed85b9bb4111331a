"""Household events built from the sources: repeated blows, a talker drawn at random, and what passes by in other."""

from collections.abc import Callable

import numpy as np

from audioclust.synthesis.sources import RATE, band_noise, burst, event_times, place, rustle, slow_curve, struck
from audioclust.synthesis.voices import cough, voice

Generator = np.random.Generator


def repeat(rng: Generator, n: int, rate: float, regularity: float, sound: Callable[[], np.ndarray]) -> np.ndarray:
    """Lay ``sound()`` on (n,) samples ``rate`` times per second (see ``event_times``), at least once."""
    times = event_times(rng, n, rate, regularity)
    return place(n, times if len(times) else rng.uniform(0, 0.7 * n / RATE, 1), sound)


def impacts(rng: Generator, n: int, rate: float, pitch: tuple[float, float], decay: tuple[float, float]) -> np.ndarray:
    """Blows at ``rate`` per second on bodies whose ``pitch`` (Hz) and ``decay`` (s) are drawn between two bounds."""

    def blow() -> np.ndarray:
        return rng.lognormal(0, 0.6) * struck(rng, rng.uniform(*pitch), np.exp(rng.uniform(*np.log(decay))))

    return repeat(rng, n, rate, 0.7, blow)


def talker(rng: Generator, n: int, pause: float) -> np.ndarray:
    """Somebody who talks at 3 to 5 syllables per second, with ``pause`` seconds between phrases on average."""
    pitch = rng.choice([105, 130, 200, 230]) * rng.uniform(0.9, 1.1)
    return voice(rng, n, pitch=pitch, rate=rng.uniform(3, 5), pause=pause)


def scrape(rng: Generator) -> np.ndarray:
    """A fork drawn over a plate: noise in a narrow band."""
    centre = rng.uniform(2200, 5000)
    return burst(rng, 0.85 * centre, 1.15 * centre, rng.uniform(0.05, 0.3), 0.03)


def passing_car(rng: Generator, n: int) -> np.ndarray:
    """Low noise that swells and goes."""
    time, middle, width = np.arange(n) / RATE, rng.uniform(0, n / RATE), rng.uniform(0.8, 2.5)
    return band_noise(rng, n, 40, rng.uniform(250, 600)) * np.exp(-0.5 * ((time - middle) / width) ** 2)


def footsteps(rng: Generator, n: int) -> np.ndarray:
    """Steps, about two per second and regular: a dull heel and a soft sole."""

    def step() -> np.ndarray:
        heel = struck(rng, rng.uniform(70, 160), 0.03, modes=5, contact=0.1)
        sole = burst(rng, 300, 2500, 0.01, 0.025)
        heel[: len(sole)] += 0.5 * sole[: len(heel)]
        return heel * rng.lognormal(0, 0.2)

    return repeat(rng, n, rng.uniform(1.5, 2.3), 60, step)


def door(rng: Generator, n: int) -> np.ndarray:
    """A latch, then the blow of the door in its frame."""
    start = rng.uniform(0, 0.6 * n / RATE)
    slam = place(n, [start + 0.15], lambda: struck(rng, rng.uniform(50, 110), 0.09, modes=12, contact=0.15))
    return slam + place(n, [start, start + 0.12], lambda: 0.5 * struck(rng, 1500, 0.012))


def drawer(rng: Generator, n: int) -> np.ndarray:
    """A drawer that rolls out and stops, its contents rattling."""
    length = rng.uniform(0.4, 0.9)
    samples = int(length * RATE)

    def roll() -> np.ndarray:
        return band_noise(rng, samples, 120, 1800) * (1.2 + slow_curve(rng, samples, 30)) * np.linspace(0.3, 1, samples)

    start = rng.uniform(0, 0.5 * n / RATE)
    stop = place(n, [start + length], lambda: 6 * struck(rng, rng.uniform(120, 300), 0.04, modes=9))
    rattle = place(
        n, start + length * rng.uniform(0.2, 1.2, 6), lambda: 0.7 * struck(rng, rng.uniform(1500, 3500), 0.03)
    )
    return place(n, [start], roll) + stop + rattle


def coughs(rng: Generator, n: int) -> np.ndarray:
    """One to three coughs in a row."""
    times = rng.uniform(0, 0.5 * n / RATE) + np.arange(rng.integers(1, 4)) * rng.uniform(0.3, 0.5)
    return place(n, times, lambda: cough(rng))


def bag(rng: Generator, n: int) -> np.ndarray:
    """A plastic bag or a coat, handled."""
    return place(n, [rng.uniform(0, 0.5 * n / RATE)], lambda: rustle(rng, rng.uniform(0.6, 1.8), 900, 6500))


def falling(rng: Generator, n: int) -> np.ndarray:
    """Something hard that falls and bounces, ever faster and softer."""
    pitch, bounces = rng.uniform(250, 1200), np.arange(7)
    times = rng.uniform(0, 0.5 * n / RATE) + 0.35 * (1 - 0.62**bounces) / 0.38
    strengths = iter(0.6**bounces)
    return place(n, times, lambda: next(strengths) * struck(rng, pitch, 0.04, modes=6))


PASSING = (footsteps, door, drawer, coughs, bag, falling)
