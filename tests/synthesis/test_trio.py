"""The synthetic trio: lines in a common key, and what tells the instruments apart."""

import numpy as np
import pytest

from audioclust.synthesis import trio
from audioclust.synthesis.trio import INSTRUMENTS, LOWEST, RATE, piece

SECONDS = 10


@pytest.fixture(scope="module")
def stems():
    return piece(0, 0, SECONDS * RATE)


def spectrum(x: np.ndarray) -> np.ndarray:
    """Return the mean power (bins,) in steps of 1 Hz."""
    return np.mean(np.abs(np.fft.rfft(x.reshape(-1, RATE) * np.hanning(RATE))) ** 2, axis=0)


def test_a_piece_is_a_function_of_seed_number_and_length(stems):
    again = piece(0, 0, SECONDS * RATE)
    assert list(stems) == list(INSTRUMENTS)
    for instrument, x in stems.items():
        assert np.array_equal(x, again[instrument]) and x.shape == (SECONDS * RATE,)
        assert np.isfinite(x).all() and np.abs(x).max() == pytest.approx(10 ** (-3 / 20))
        assert not np.array_equal(x, piece(0, 1, SECONDS * RATE)[instrument])
        assert not np.array_equal(x, piece(1, 0, SECONDS * RATE)[instrument])


def test_every_instrument_sounds_most_of_the_time(stems):
    for x in stems.values():
        power = (x.reshape(-1, RATE // 4) ** 2).mean(axis=1)
        assert np.mean(power > 1e-3 * power.max()) > 0.7


def test_lines_differ_and_share_a_key():
    rng = np.random.default_rng(0)
    tonic = 3
    for instrument in INSTRUMENTS:
        starts, keys, lengths = trio._line(rng, instrument, 60, 0.5, tonic)
        assert {*((keys - tonic) % 12)} <= {*trio.SCALE} and len({*keys}) > 5
        assert keys.min() >= LOWEST[instrument] and keys.max() < LOWEST[instrument] + trio.COMPASS
        assert np.allclose(starts / 0.5 % 0.5, 0) and (lengths >= 0.25).all()  # on the beat, or half a beat
        assert (np.diff(starts) >= lengths[:-1] - 1e-9).all()  # one note at a time


def test_the_piano_dies_away_and_the_bow_holds_on():
    """The share of a long note's energy that lies in its second half."""
    rng = np.random.default_rng(0)
    note = [np.array([0.0]), np.array([220.0]), np.array([2.0])]
    late = {}
    for instrument in INSTRUMENTS:
        play = trio._struck if instrument == "piano" else trio._bowed
        x = play(rng, instrument, 2 * RATE, *note)
        late[instrument] = np.sum(x[RATE:] ** 2) / np.sum(x**2)
    assert late["piano"] < 0.2 and late["violin"] > 0.4 and late["cello"] > 0.4


def test_piano_partials_are_stretched_and_bowed_ones_are_not():
    rng = np.random.default_rng(0)
    note = [np.array([0.0]), np.array([220.0]), np.array([2.0])]
    power = spectrum(trio._struck(rng, "piano", 2 * RATE, *note)), spectrum(trio._bowed(rng, "cello", 2 * RATE, *note))
    tenth = [2150 + int(each[2150:2300].argmax()) for each in power]
    assert tenth[0] == pytest.approx(2200 * np.sqrt(1 + 4e-4 * 100), abs=4)
    assert tenth[1] == pytest.approx(2200, abs=25)  # and its vibrato


def test_the_violin_is_bright_and_the_cello_low(stems):
    bins = np.arange(RATE // 2 + 1)
    centre = {name: np.sum(bins * spectrum(x)) / np.sum(spectrum(x)) for name, x in stems.items()}
    assert centre["cello"] < 0.6 * centre["violin"]
    above = {name: spectrum(x)[1500:].sum() / spectrum(x).sum() for name, x in stems.items()}
    assert above["violin"] > 4 * above["cello"]
