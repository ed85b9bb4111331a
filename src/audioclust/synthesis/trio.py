"""A trio at 8 kHz: piano, violin and cello, each with a line of its own in a common key and tempo.

The piano is struck: partials that are stretched by the strings' stiffness (Fletcher 1964) and die away, the higher the
faster. Violin and cello are bowed: all harmonics for as long as the bow moves, with vibrato, through the resonances of
a small bright and of a large warm body.
"""

import numpy as np
from scipy.signal import iirpeak, lfilter

from audioclust.synthesis.sources import wavetable

RATE = 8000
HIGHEST = 3900.0  # Hz: of the partials
INSTRUMENTS = ("piano", "violin", "cello")
LOWEST = {"piano": 55, "violin": 60, "cello": 36}  # MIDI key below which a line does not go
COMPASS = 21  # semitones of a line
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])  # major
BEATS = {  # lengths of notes and how often each is played
    "piano": ((0.5, 1.0, 2.0), (0.6, 0.3, 0.1)),
    "violin": ((0.5, 1.0, 2.0), (0.3, 0.5, 0.2)),
    "cello": ((1.0, 2.0, 3.0), (0.3, 0.5, 0.2)),
}
BODIES = {  # Hz, width in Hz and gain of each resonance
    "violin": ((280, 40, 1.5), (470, 60, 2.0), (1100, 250, 1.5), (2500, 700, 4.0)),
    "cello": ((105, 20, 2.0), (190, 35, 2.5), (400, 90, 1.5), (900, 300, 0.5)),
}
BOWS = {"violin": (0.75, 0.05, 0.012), "cello": (1.3, 0.09, 0.007)}  # tilt, attack in s, depth of the vibrato


def piece(seed: int, number: int, n: int) -> dict[str, np.ndarray]:
    """Return the stems (n,) of piece ``number``, by instrument, float64, peak -3 dB: a function of the arguments."""
    common, *own = np.random.SeedSequence(seed, spawn_key=(number,)).spawn(1 + len(INSTRUMENTS))
    rng = np.random.default_rng(common)
    beat, tonic = 60 / rng.uniform(80, 130), int(rng.integers(12))
    stems = {}
    for instrument, seeds in zip(INSTRUMENTS, own, strict=True):
        rng = np.random.default_rng(seeds)
        starts, keys, lengths = _line(rng, instrument, n / RATE, beat, tonic)
        play = _struck if instrument == "piano" else _bowed
        out = play(rng, instrument, n, starts, 440 * 2 ** ((keys - 69) / 12), lengths)
        stems[instrument] = out * (10 ** (-3 / 20) / np.abs(out).max())
    return stems


def _line(
    rng: np.random.Generator, instrument: str, seconds: float, beat: float, tonic: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start in s, MIDI key and length in s of each note: steps and small leaps, and rests now and then."""
    values, odds = BEATS[instrument]
    lengths = beat * rng.choice(values, int(seconds / (beat * values[0])) + 2, p=odds)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    low = LOWEST[instrument]
    keys = np.array([key for key in range(low, low + COMPASS) if (key - tonic) % 12 in SCALE])
    steps = rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3], len(lengths)).cumsum() + len(keys) // 2
    folded = np.abs((steps + len(keys) - 1) % (2 * len(keys) - 2) - (len(keys) - 1))  # turns back at both ends
    heard = (rng.random(len(lengths)) > 0.1) & (starts < seconds)
    heard[0] = True
    return starts[heard], keys[folded][heard], lengths[heard]


def _struck(
    rng: np.random.Generator, instrument: str, n: int, starts: np.ndarray, pitches: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Piano notes, which ring on for a while after their length."""
    out = np.zeros(n)
    for start, pitch, length in zip(starts, pitches, lengths, strict=True):
        time = np.arange(int((length + 0.25) * RATE)) / RATE
        orders = np.arange(1, int(HIGHEST / pitch) + 1)[:, None]
        partials = pitch * orders * np.sqrt(1 + 4e-4 * orders**2)  # stiffness
        orders, partials = orders[partials < HIGHEST, None], partials[partials < HIGHEST, None]
        decays = 1.2 * (220 / pitch) ** 0.5 / (1 + 0.25 * orders)
        strengths = orders**-1.1 * np.abs(np.sin(np.pi * orders / 8)) + 0.02 / orders  # struck at an eighth
        tones = (
            strengths * np.exp(-time / decays) * np.sin(2 * np.pi * partials * time + rng.uniform(0, 6, orders.shape))
        )
        hammer = 0.3 * rng.standard_normal(len(time)) * np.exp(-time / 0.006)
        damper = np.exp(-np.maximum(time - length, 0) / 0.06)
        note = (tones.sum(axis=0) + hammer) * damper * np.minimum(time / 0.003, 1) * rng.uniform(0.5, 1)
        begin = int(start * RATE)
        out[begin : begin + len(note)] += note[: n - begin]
    return out


def _bowed(
    rng: np.random.Generator, instrument: str, n: int, starts: np.ndarray, pitches: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Bowed notes, one string at a time: pitch and bow are curves over the piece."""
    tilt, attack, depth = BOWS[instrument]
    time = np.arange(n) / RATE
    note = np.searchsorted(starts, time, side="right") - 1
    since = time - starts[note]
    left = lengths[note] - since
    strength = rng.uniform(0.6, 1, len(starts))[note]
    bow = strength * np.clip(since / attack, 0, 1) * np.clip(left / (0.8 * attack), 0, 1)
    vibrato = depth * np.minimum(since / 0.25, 1) * np.sin(2 * np.pi * rng.uniform(5, 6.5) * time)
    phase = np.cumsum(pitches[note] * (1 + vibrato)) / RATE
    out = np.zeros(n)
    for pitch in np.unique(pitches):  # each with as many harmonics as it has room for
        sounding = pitches[note] == pitch
        orders = np.arange(1, int(HIGHEST / (pitch * (1 + depth))) + 1)
        out[sounding] = wavetable(phase[sounding], orders**-tilt, -np.pi / 2)
    string = bow * (out + 0.03 * rng.standard_normal(n))
    return string + sum(
        gain * lfilter(*iirpeak(centre, centre / width, fs=RATE), string) for centre, width, gain in BODIES[instrument]
    )
