"""Every encoder is held to the contract of ``audioclust.encoders``: nothing random, nothing downloaded."""

import numpy as np
import pytest
import torch
from encoders_fixture import clips

from audioclust import registry
from audioclust.encoders.logmel_stats import LogmelStats
from audioclust.parameters import types

ALL = registry.names("encoders")
NAMES = [name for name in ALL if registry.get("encoders", name).input != "text"]  # test_text.py has that of texts
POOLED = [name for name in NAMES if "padding" in types(registry.get("encoders", name))]
WITH_WEIGHTS = [name for name in NAMES if "weights" in types(registry.get("encoders", name))]


@pytest.mark.parametrize("name", NAMES)
def test_contract(built, name):
    encoder = built(name)
    x = clips(encoder)
    kept, random_state = x.copy(), torch.random.get_rng_state()
    found = encoder(x, np.full(5, x.shape[-1]))
    assert encoder.sample_rate in (16000, 32000, 44100, 48000) and encoder.input in ("logmel", "waveform")
    assert found.dtype == np.float32 and found.ndim == 2 and len(found) == 5
    assert encoder.dim in (None, found.shape[1])
    assert np.isfinite(found).all() and np.unique(found, axis=0).shape == found.shape
    np.testing.assert_array_equal(found, encoder(x))
    np.testing.assert_array_equal(x, kept)
    assert torch.equal(random_state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_alone_is_as_in_a_batch(built, name):
    encoder = built(name)
    x = clips(encoder)
    alone = np.concatenate([encoder(x[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, encoder(x), rtol=1e-5, atol=1e-5)


def signal_of(x):
    """Frames or samples of signal of five clips, of three lengths."""
    t = x.shape[-1]
    return np.array([t, 3 * t // 4, 9 * t // 16, 3 * t // 4, t])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", [0.0, -15.9424, 3.0])
def test_padding_is_no_signal(built, name, padding):
    encoder = built(name)
    x = clips(encoder)
    signal = signal_of(x)
    alone = np.concatenate([encoder(row[None, ..., :n]) for row, n in zip(x, signal, strict=True)])
    for row, n in zip(x, signal, strict=True):
        row[..., n:] = padding
    longer = np.concatenate([x, np.full_like(x, padding)], axis=-1)
    np.testing.assert_array_equal(encoder(x, signal), encoder(longer, signal))
    # To rounding only: the make-up of a batch decides the last bits of a product of matrices.
    np.testing.assert_allclose(encoder(x, signal), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", POOLED)
def test_padding_is_pooled_on_demand(built, name):
    encoder = built(name, padding="pool")
    x = clips(encoder)
    np.testing.assert_array_equal(encoder(x, signal_of(x)), encoder(x))
    assert not np.allclose(built(name)(x, signal_of(x)), encoder(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_shortest_signal_keeps_some_padding(built, name):
    encoder = built(name)
    x = clips(encoder)
    x[..., 1:] = 0
    longer = np.concatenate([x, np.zeros_like(x)], axis=-1)
    found = encoder(x, np.ones(5, np.int64))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, encoder(longer, np.ones(5, np.int64)))


@pytest.mark.parametrize("name", NAMES)
def test_silence_is_finite(built, name):
    encoder = built(name)
    silence = np.full_like(clips(encoder), -15.9424 if encoder.input == "logmel" else 0.0)
    assert np.isfinite(encoder(silence)).all()


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_checkpoint_of_another_network_is_refused(built, name, tmp_path):
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match=r"other.pth: the key .* is missing"):
        built(name, weights=str(tmp_path / "other.pth"))


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_preparing_from_a_file_draws_no_random_number(built, name):
    encoder = built(name)
    before = torch.random.get_rng_state()
    encoder.prepare()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_value_stops_at_once_and_is_named(name):
    kind = registry.get("encoders", name)
    for parameter in types(kind):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\.{parameter} = 0\.5"):
            kind(**{parameter: 0.5}).prepare()


def test_statistics_in_the_chosen_order():
    x = np.random.default_rng(0).normal(-9, 4, (3, 64, 48)).astype(np.float32)
    found = LogmelStats(statistics=["max", "mean"])(x)
    np.testing.assert_array_equal(found[:, :64], x.max(2))
    np.testing.assert_allclose(found[:, 64:], x.mean(2), rtol=1e-5)


def test_what_is_not_said_of_the_signal_is_seen_in_the_padding():
    rng = np.random.default_rng(0)
    x = rng.normal(-8, 2, (3, 64, 100)).astype(np.float32)
    x[1, :, 70:] = x[2] = np.float32(-15.94)
    encoder = LogmelStats()
    assert np.array_equal(encoder(x), encoder(x, np.array([100, 70, 100])))
    assert np.array_equal(LogmelStats(padding="pool")(x), encoder(x, np.array([100, 100, 100])))
