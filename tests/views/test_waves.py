"""Views of waveforms: each op does what it says and no more, and draws from its own generator alone."""

import numpy as np
import pytest

from audioclust.views.waves import SHORTEST, Waves

RATE = 16000


def tone(hertz, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def view(ops, wave=None, seed=0, other=None, **sizes):
    wave, other = tone(440) if wave is None else wave, tone(1000, 0.7) if other is None else other
    before = wave.copy(), other.copy()
    found = Waves(**sizes)(wave, RATE, ops, np.random.default_rng(seed), other)
    np.testing.assert_array_equal(wave, before[0])
    np.testing.assert_array_equal(other, before[1])
    assert found.dtype == np.float32 and found.ndim == 1 and np.isfinite(found).all()
    return found


def decibels(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)))


def loudest(x):
    """Return the strongest frequency in Hz."""
    return np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x))))) * RATE / len(x)


def test_no_op_changes_nothing():
    np.testing.assert_array_equal(view([]), tone(440))


@pytest.mark.parametrize("seed", range(5))
def test_crop_keeps_a_part_of_the_signal(seed):
    wave = np.arange(RATE, dtype=np.float32)
    found = view(["crop"], wave, seed, crop=0.3)
    assert 0.7 * RATE <= len(found) < RATE
    np.testing.assert_array_equal(found, wave[int(found[0]) : int(found[0]) + len(found)])


@pytest.mark.parametrize("seed", range(5))
def test_speed_changes_length_and_pitch_together(seed):
    found = view(["speed"], seed=seed, speed=0.25)
    factor = RATE / len(found)
    assert 1 / 1.25 - 1e-3 <= factor <= 1.25 + 1e-3 and abs(factor - 1) > 0.005
    assert loudest(found) == pytest.approx(440 * factor, rel=0.02)
    assert decibels(found) == pytest.approx(decibels(tone(440)), abs=0.2)


@pytest.mark.parametrize("seed", range(5))
def test_mixup_adds_at_most_a_share_of_another_clip(seed):
    added = view(["mixup"], seed=seed, mixup=0.2) - tone(440)
    assert loudest(added) == pytest.approx(1000, rel=0.02)
    power = 10 ** ((decibels(added) - decibels(tone(440))) / 10)
    assert 0 < power / (1 + power) <= 0.2 + 1e-6


def test_mixup_with_silence_or_of_silence_is_what_it_was():
    np.testing.assert_array_equal(view(["mixup"], other=np.zeros(100, np.float32)), tone(440))
    np.testing.assert_array_equal(view(["mixup"], np.zeros(500, np.float32)), 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_filter_changes_the_level_of_a_tone_within_its_range(seed):
    for hertz in (60, 440, 3000, 7900):
        found = view(["filter"], tone(hertz), seed, filter=9.0)
        assert len(found) == RATE
        assert abs(decibels(found) - decibels(tone(hertz))) <= 9.1
    low, high = (decibels(view(["filter"], tone(hertz), seed)) for hertz in (60, 7000))
    assert low != pytest.approx(high, abs=0.1)


def test_gain_is_one_factor():
    found = view(["gain"], gain=6.0)
    factor = found[100] / tone(440)[100]
    np.testing.assert_allclose(found, factor * tone(440), rtol=1e-5, atol=1e-6)
    assert 0.5 <= factor <= 2 and factor != 1


@pytest.mark.parametrize("seed", range(5))
def test_noise_lies_below_the_signal(seed):
    added = view(["noise"], seed=seed, noise=(10.0, 20.0)) - tone(440)
    assert -20.1 <= decibels(added) - decibels(tone(440)) <= -9.9
    spectrum = np.abs(np.fft.rfft(added)) ** 2
    assert spectrum[100:1000].mean() >= 0.9 * spectrum[4000:8000].mean()  # white, or more of the low


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_silences_one_span(seed):
    found = view(["mask"], np.ones(RATE, np.float32), seed, mask=0.1)
    silent = np.flatnonzero(found == 0)
    assert len(silent) <= 0.1 * RATE and (np.diff(silent) == 1).all()
    assert set(np.unique(found)) <= {0.0, 1.0}


@pytest.mark.parametrize("samples", [1, 2, SHORTEST - 1, SHORTEST, SHORTEST + 1])
def test_short_signals_and_silence_go_through_every_op(samples):
    waves = Waves()
    for wave in (tone(440)[:samples], np.zeros(samples, np.float32)):
        for seed in range(5):
            for ops in (waves.weak, waves.strong):
                assert len(view(ops, wave, seed)) >= min(samples, SHORTEST)


def test_what_is_random_comes_from_the_generator_alone():
    strong = Waves().strong
    np.testing.assert_array_equal(view(strong), view(strong))
    assert len(view(strong)) != len(view(strong, seed=1))


@pytest.mark.parametrize(("sizes", "rule"), [
    ({"crop": 1.0}, "Waves.crop = 1.0: less than 1"), ({"speed": -0.1}, "Waves.speed"),
    ({"strong": ["crop", "echo"]}, "Waves.strong"), ({"noise": [1.0]}, "Waves.noise"),
])  # fmt: skip
def test_wrong_values_are_refused(sizes, rule):
    with pytest.raises(ValueError, match=rule):
        Waves(**sizes)
