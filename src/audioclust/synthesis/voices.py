"""Speech-like voices: a glottal wavetable and breath noise through gliding formants, in syllables and phrases.

Vowel formants are the averages of Peterson and Barney (1952), scaled by the length of the vocal tract. The tract is a
cascade of resonators (Fant 1960) applied as a magnitude in the short-time spectrum, so that formants glide without a
loop over samples. There are no words: rhythm (3 to 5 syllables per second), pauses and intonation are those of talk.
"""

import numpy as np
from scipy.signal import istft, stft

from audioclust.synthesis.sources import RATE, burst, slow_curve, turns, wavetable

WINDOW, HOP = 256, 64
BINS = np.arange(WINDOW // 2 + 1)[:, None] * RATE / WINDOW  # (bins, 1) Hz
VOWELS = np.array(  # F1, F2, F3 in Hz
    [
        (270, 2290, 3010),  # heed
        (390, 1990, 2550),  # hid
        (530, 1840, 2480),  # head
        (660, 1720, 2410),  # had
        (730, 1090, 2440),  # hod
        (570, 840, 2410),  # hawed
        (440, 1020, 2240),  # hood
        (300, 870, 2240),  # who'd
        (640, 1190, 2390),  # hud
        (490, 1350, 1690),  # heard
    ],
    dtype=float,
)
BANDWIDTHS = (70.0, 100.0, 140.0, 220.0)
F4 = 3500.0


def voice(rng: np.random.Generator, n: int, *, pitch: float, rate: float, pause: float) -> np.ndarray:
    """A talker (n,): mean F0 ``pitch`` in Hz, ``rate`` syllables per second, mean ``pause`` between phrases in s."""
    time, voiced, noise, intonation, place, vowels = _score(rng, n / RATE, rate, pause)
    f0 = pitch * np.interp(np.arange(n) / RATE, time, intonation) * (1 + 0.012 * slow_curve(rng, n, 25))
    source, breath = _spectrum(_glottis(f0, rng.uniform(0.9, 1.3))), _spectrum(rng.standard_normal(n))
    frames = np.arange(source.shape[1]) * HOP / RATE
    # women's and children's tracts are shorter: formants up by 17 % per octave of pitch
    tract = 1 + 0.17 * np.log2(pitch / 120) * rng.uniform(0.8, 1.2)
    formants = tract * np.stack([np.interp(frames, *anchors) for anchors in vowels])
    spoken = source * _tract_gain(formants) * np.interp(frames, time, voiced)
    hissed = breath * _fricative_gain(np.interp(frames, time, place)) * np.interp(frames, time, noise)
    return _signal(spoken + hissed, n)


def laughter(rng: np.random.Generator, pitch: float) -> np.ndarray:
    """A laugh: 4 to 9 voiced bursts of one open vowel, five per second, falling in pitch and force."""
    bursts, gap = int(rng.integers(4, 10)), int(RATE / rng.uniform(4.3, 5.6))
    n = bursts * gap
    time = np.arange(n) / RATE
    f0 = pitch * rng.uniform(1.3, 1.8) * np.exp(-0.25 * time)
    envelope = np.maximum(np.sin(2 * np.pi * (np.arange(n) % gap) / gap), 0) * np.exp(-0.5 * time)
    source = _spectrum((_glottis(f0, 1.1) + 0.3 * rng.standard_normal(n)) * envelope)
    return _signal(source * _tract_gain(1.1 * VOWELS[8][:, None]), n)


def cough(rng: np.random.Generator) -> np.ndarray:
    """One cough: an explosive burst of breath through an open tract, then a weaker voiced tail."""
    blast = burst(rng, 300, 6000, 0.004, rng.uniform(0.04, 0.08))
    time = np.arange(len(blast)) / RATE
    tail = _glottis(np.full(len(blast), rng.uniform(110, 220)), 1.0) * np.exp(-time / 0.05)
    return _signal(_spectrum(blast + 0.1 * tail) * _tract_gain(VOWELS[4][:, None]), len(blast))


def _score(rng: np.random.Generator, seconds: float, rate: float, pause: float) -> tuple:
    """Anchors of a talker's tracks: time, voicing, noise, intonation, place of the noise in Hz, each (5 s,) for s
    syllables, and for each of three formants its (times, Hz), which glide from one vowel to the next."""
    rows, vowels = [], []
    time, left, phrase = -rng.uniform(0, 0.5), 0, 1.0
    while time < seconds:
        if left == 0:
            time, left, phrase = time + 0.08 + rng.exponential(pause), int(rng.integers(3, 10)), rng.uniform(1.05, 1.3)
        length = rng.gamma(12, 1 / (12 * rate)) * (1.4 if left == 1 else 1.0)  # a phrase's last syllable is drawn out
        rows += _syllable(rng, time, length, phrase, last=left == 1)
        vowels += [VOWELS[rng.integers(len(VOWELS))] * rng.normal(1, 0.06, (2, 3))]  # at its start and its end
        time, left, phrase = time + length + 1e-3, left - 1, phrase * 0.96
    tracks = np.array(rows).T
    times = tracks[0].reshape(-1, 5)[:, 2:4].ravel()
    return *tracks, [(times, formant) for formant in np.concatenate(vowels).T]


def _syllable(rng: np.random.Generator, time: float, length: float, phrase: float, last: bool) -> list[tuple]:
    """Five anchors: onset, middle of the consonant, start, end and close of the vowel."""
    consonant, stress = length * rng.uniform(0.2, 0.4), rng.uniform(0.4, 1.0)
    hiss = rng.uniform(0.1, 0.5) if rng.random() < 0.5 else 0.0
    place, accent = rng.uniform(1800, 6500), phrase * rng.uniform(0.92, 1.12)
    return [
        (time, 0.0, 0.0, accent, place),
        (time + consonant / 2, 0.08, hiss, accent, place),
        (time + consonant, stress, 0.0, accent * 1.02, place),
        (time + 0.8 * length, 0.6 * stress, 0.01, accent * 0.97, place),
        (time + length, 0.0 if last else 0.06, 0.0, accent * 0.95, place),
    ]


def _glottis(f0: np.ndarray, tilt: float) -> np.ndarray:
    """Band-limited pulses at ``f0`` (n,) Hz; harmonic h has the amplitude h**-tilt, radiation included."""
    return wavetable(turns(f0), np.arange(1, int(7000 / f0.max()) + 1) ** -tilt)


def _tract_gain(formants: np.ndarray) -> np.ndarray:
    """Gain (bins, frames) of a cascade of resonators at ``formants`` (3, frames) Hz and a fixed fourth."""
    gain = 1 + (BINS / 1800) ** 2  # stands for the resonances above the fourth, Fant's correction of higher poles
    for centre, bandwidth in zip((*formants, F4), BANDWIDTHS, strict=True):
        gain = gain * centre**2 / np.hypot(centre**2 - BINS**2, bandwidth * BINS)
    return gain


def _fricative_gain(place: np.ndarray) -> np.ndarray:
    """Gain (bins, frames) of a hiss around ``place`` (frames,) Hz, a third of an octave to each side."""
    return np.exp(-0.5 * (np.log2(np.maximum(BINS, 60) / place) / 0.35) ** 2)


def _spectrum(signal: np.ndarray) -> np.ndarray:
    """Short-time spectrum (bins, frames) of a signal (n,)."""
    return stft(signal, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[2]


def _signal(spectrum: np.ndarray, n: int) -> np.ndarray:
    """The signal (n,) of a short-time spectrum (bins, frames)."""
    return istft(spectrum, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[1][:n]
