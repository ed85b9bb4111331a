"""Small corpora whose speakers can be told by their sound: each is a tone of its own."""

import numpy as np
import pandas as pd

from audioclust.separation.corpus import COLUMNS, Corpus

RATE = 8000
STEP = 125  # Hz between the tones


def tone(number: int, n: int) -> np.ndarray:
    """Speaker ``number``'s sound (n,) int16."""
    return np.round(8000 * np.sin(2 * np.pi * STEP * (number + 1) * np.arange(n) / RATE + 0.3)).astype(np.int16)


def heard(x: np.ndarray) -> np.ndarray:
    """Return which speaker a signal (..., n) is of."""
    bins = np.abs(np.fft.rfft(x)).argmax(axis=-1)
    return np.round(bins * RATE / x.shape[-1] / STEP).astype(int) - 1


def corpus(genders: str, part: str = "train", lengths: tuple[int, ...] = (16000, 8000), sounds=None) -> Corpus:
    """One speaker per letter ("m", "f", "u" unknown) with utterances of some lengths, all of one part (s0, s1, ...)."""
    rows, samples, start = [], [], 0
    for number, gender in enumerate(genders):
        for i, n in enumerate(lengths):
            x = tone(number, n) if sounds is None else sounds(number, n)
            rows.append((f"s{number}-{i}", f"s{number}", gender.replace("u", ""), "", start, n, 0.03, part))
            samples.append(x)
            start += n
    return Corpus(RATE, np.concatenate(samples), pd.DataFrame(rows, columns=COLUMNS))


def music(pieces: int, instruments: tuple[str, ...], part: str = "train", n: int = 8000) -> Corpus:
    """Stems that are ramps: a sample is 10,000 times its piece and its moment; the second instrument's are below 0."""
    rows, samples, start = [], [], 0
    for piece in range(pieces):
        for place, instrument in enumerate(instruments):
            samples.append(((-1) ** place * (10_000 * piece + 1 + np.arange(n))).astype(np.int16))
            rows.append((f"p{piece}/{instrument}", instrument, "", f"p{piece}", start, n, 0.03, part))
            start += n
    return Corpus(RATE, np.concatenate(samples), pd.DataFrame(rows, columns=COLUMNS))
