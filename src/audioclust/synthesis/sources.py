"""Sound sources of a household, synthesised: noise, motors, struck resonances, crackle, bubbles, clicks and rustle.

Every source takes a ``numpy.random.Generator`` and returns float64 samples at ``RATE``, shape (n,), at no particular
level: ``rms_at`` and ``peak_at`` set one. Voices and music are in ``voices.py`` and ``music.py``. The recipe is
modal synthesis for solids (sums of damped sinusoids), filtered impulse trains for liquids and frying, one wavetable
read at a gliding phase for everything that turns.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

RATE = 16_000
TABLE = 4096  # points of a wavetable: 60 dB below the signal is enough for what is then buried in a room


def rms_at(signal: np.ndarray, decibels: float) -> np.ndarray:
    """Scale ``signal`` to an RMS of ``decibels`` re full scale; a signal of zeros stays one."""
    return signal * (10 ** (decibels / 20) / max(float(np.sqrt(np.mean(signal**2))), 1e-12))


def peak_at(signal: np.ndarray, decibels: float) -> np.ndarray:
    """Scale ``signal`` to a peak of ``decibels`` re full scale: the measure for sparse events."""
    return signal * (10 ** (decibels / 20) / max(float(np.abs(signal).max()), 1e-12))


def tilted_noise(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Noise whose spectrum falls by ``slope`` dB per octave (0 white, -3 pink, -6 brown), flat below 30 Hz."""
    frequencies = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 30.0)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * (frequencies / 1000) ** (slope / 6.02)
    return np.fft.irfft(spectrum, n)


def band(signal: np.ndarray, low: float, high: float, order: int = 2) -> np.ndarray:
    """Keep ``low`` to ``high`` Hz (Butterworth, causal)."""
    edges = (max(low, 10.0), min(high, 0.49 * RATE))
    return sosfilt(butter(order, edges, "bandpass", fs=RATE, output="sos"), signal)


def band_noise(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    """White noise between ``low`` and ``high`` Hz."""
    return band(rng.standard_normal(n), low, high)


def slow_curve(rng: np.random.Generator, n: int, rate: float) -> np.ndarray:
    """A smooth random curve in about -1..1 with ``rate`` turning points per second: drift, strokes, gusts."""
    knots = max(4, int(n / RATE * rate) + 3)
    position = np.linspace(0, knots - 1.001, n)
    left, blend = position.astype(int), 0.5 - 0.5 * np.cos(np.pi * (position % 1))
    values = rng.uniform(-1, 1, knots)
    return values[left] * (1 - blend) + values[left + 1] * blend


def event_times(rng: np.random.Generator, n: int, rate: float, regularity: float = 1.0) -> np.ndarray:
    """Seconds of events at ``rate`` per second: gamma gaps, a Poisson process at ``regularity`` 1, a clock at 100."""
    count = int(n / RATE * rate * 2) + 8
    gaps = rng.gamma(regularity, 1 / (regularity * rate), count)
    times = np.cumsum(gaps) - rng.uniform() * gaps[0]
    return times[times < n / RATE]


def place(n: int, times: np.ndarray, sound: Callable[[], np.ndarray]) -> np.ndarray:
    """Lay one freshly drawn ``sound()`` at each of ``times`` (seconds) on ``n`` samples; what lies beyond is cut."""
    out = np.zeros(n)
    starts = (np.asarray(times) * RATE).astype(int)
    for start in starts[starts < n]:
        samples = sound()[: n - start]
        out[start : start + len(samples)] += samples
    return out


def wavetable(phase: np.ndarray, amplitudes: np.ndarray, offsets: np.ndarray | float = 0.0) -> np.ndarray:
    """Sum of harmonics 1..h with ``amplitudes`` (h,) and phase ``offsets`` (h,), read at ``phase`` in turns."""
    harmonics = np.arange(1, len(amplitudes) + 1)
    turns = np.arange(TABLE)[:, None] / TABLE
    table = np.sum(amplitudes * np.cos(2 * np.pi * turns * harmonics + offsets), axis=1)
    return table[(phase % 1.0 * TABLE).astype(int)]


def turns(frequency: np.ndarray) -> np.ndarray:
    """Phase in turns of an oscillator with the instantaneous ``frequency`` (n,) in Hz."""
    return np.cumsum(frequency) / RATE


def motor(rng: np.random.Generator, frequency: np.ndarray, tilt: float) -> np.ndarray:
    """Harmonics of a turning ``frequency`` (n,) Hz, falling by ``tilt`` dB per octave, each off by up to 6 dB."""
    count = int(7500 / frequency.max())
    decibels = tilt * np.log2(np.arange(1, count + 1)) + rng.uniform(-6, 6, count)
    return wavetable(turns(frequency), 10 ** (decibels / 20), rng.uniform(0, 2 * np.pi, count))


def struck(rng: np.random.Generator, pitch: float, decay: float, modes: int = 7, contact: float = 0.3) -> np.ndarray:
    """One blow on a stiff body: inharmonic modes above ``pitch`` Hz, the lowest down 60 dB after 7 ``decay`` s.

    Higher modes die sooner; ``contact`` is the share of the click that the two bodies make when they meet.
    """
    time = np.arange(int(min(6 * decay, 1.2) * RATE) + 1)[:, None] / RATE
    frequencies = pitch * np.arange(1, modes + 1) ** rng.uniform(1.05, 1.45) * rng.uniform(0.96, 1.04, modes)
    strengths = rng.uniform(0.2, 1, modes) * (frequencies < 7600)
    decays = decay * (frequencies[0] / frequencies) ** 0.6
    ring = np.sum(strengths * np.exp(-time / decays) * np.sin(2 * np.pi * frequencies * time), axis=1)
    click = rng.standard_normal(len(ring)) * np.exp(-time[:, 0] / 0.002)
    return ring + contact * modes * click


def burst(rng: np.random.Generator, low: float, high: float, attack: float, decay: float) -> np.ndarray:
    """Noise between ``low`` and ``high`` Hz that rises in ``attack`` s and dies with the time constant ``decay`` s."""
    time = np.arange(int((attack + 6 * decay) * RATE) + 16) / RATE
    envelope = np.minimum(time / attack, 1) * np.exp(-np.maximum(time - attack, 0) / decay)
    return band_noise(rng, len(time), low, high) * envelope


def impulses(rng: np.random.Generator, n: int, rate: float) -> np.ndarray:
    """Poisson impulses at ``rate`` per second with heavy-tailed strengths (log-normal) and random signs."""
    out = np.zeros(n)
    where = rng.integers(0, n, rng.poisson(rate * n / RATE))
    np.add.at(out, where, rng.lognormal(0, 0.8, len(where)) * rng.choice([-1.0, 1.0], len(where)))
    return out


def sizzle(rng: np.random.Generator, n: int, rate: float, low: float) -> np.ndarray:
    """Frying: a dense crackle of ``rate`` pops per second above ``low`` Hz on a bed of hiss, slowly swelling."""
    pops = band(impulses(rng, n, rate), low, 7800)
    hiss = band_noise(rng, n, low, 7800)
    swell = 10 ** (4 * slow_curve(rng, n, 2.0) / 20)
    return (rms_at(pops, 0) + 0.5 * rms_at(hiss, 0)) * swell


def bubbles(rng: np.random.Generator, n: int, rate: float, low: float, high: float) -> np.ndarray:
    """Boiling or running water: impulse trains that excite eight bubble resonances between ``low`` and ``high`` Hz."""
    out = np.zeros(n)
    for frequency in np.geomspace(low, high, 8) * rng.uniform(0.9, 1.1, 8):
        radius = np.exp(-np.pi * rng.uniform(0.05, 0.12) * frequency / RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        out += lfilter([1 - radius], poles, impulses(rng, n, rate / 8))
    return out


def rustle(rng: np.random.Generator, seconds: float, low: float, high: float) -> np.ndarray:
    """Paper, cloth or a bag: crackling noise under an envelope of irregular strokes, ``seconds`` long."""
    n = int(seconds * RATE)
    strokes = np.maximum(slow_curve(rng, n, 9.0), 0) ** 2 * np.sin(np.pi * np.arange(n) / n)
    return (band(impulses(rng, n, 1500), low, high) + 0.2 * band_noise(rng, n, low, high)) * strokes


def key_click(rng: np.random.Generator, pitch: float) -> np.ndarray:
    """One key: the press, and 60 to 120 ms later the softer release; ``pitch`` Hz is the resonance of the case."""
    press = struck(rng, pitch, 0.008, modes=4, contact=0.8)
    release = 0.35 * struck(rng, 1.3 * pitch, 0.006, modes=3, contact=0.9)
    out = np.zeros(int(0.12 * RATE) + len(press) + len(release))
    out[: len(press)] += press
    late = int(rng.uniform(0.06, 0.12) * RATE)
    out[late : late + len(release)] += release
    return out * rng.lognormal(0, 0.35)
