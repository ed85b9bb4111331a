"""Resemblyzer against its package, and with random weights.

``resemblyzer.npz``: the package's ``normalize_volume``, ``wav_to_mel_spectrogram`` and ``embed_utterance`` (Resemblyzer
0.1.4, librosa 0.11, torch 2.11) without its ``trim_long_silences``; for each i ``wave{i}`` (samples,), ``mel{i}``
(40, 40), the first 40 frames, ``windows{i}`` (w, 256) and ``pooled{i}`` (256,). wave0 is ``3_jackson_0`` of the Free
Spoken Digit Dataset (CC BY-SA 4.0), the others are synthetic.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, needs_weights_of, sound
from torchaudio.transforms import MelSpectrogram

from audioclust.encoders import _wheels, resemblyzer
from audioclust.encoders.resemblyzer import Network, Resemblyzer, levelled, samples, windows

needs_weights = needs_weights_of(Resemblyzer)


@pytest.fixture
def encoder():
    """An encoder with random weights that remembers a whole window, so that clips differ by 0.1 and more."""
    torch.manual_seed(0)
    network = Network()
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, std=0.05)
        if "bias_ih" in name:
            torch.nn.init.constant_(parameter[256:512], 5.0)  # of the forget gates
    encoder = Resemblyzer()
    encoder.use(network)
    return encoder


@pytest.fixture(scope="module")
def published():
    encoder = Resemblyzer()
    encoder.prepare()
    return encoder


def mels(wave):
    """The package's front end by torchaudio, (samples,) to (t, 40)."""
    settings = {"n_fft": 400, "hop_length": 160, "n_mels": 40, "norm": "slaney", "mel_scale": "slaney"}
    return MelSpectrogram(16000, **settings, pad_mode="constant")(torch.from_numpy(wave)).T


@needs_weights
@pytest.mark.parametrize("i", range(4))
def test_as_the_package(published, i):
    golden = np.load(GOLDEN / "resemblyzer.npz")
    wave = golden[f"wave{i}"][None]
    count = int(windows(wave.size))
    prepared = torch.from_numpy(levelled(wave, np.array([wave.size]), samples(count)))
    with torch.inference_mode():
        mel, found = published.front_end_(prepared), published._rows(prepared)
    np.testing.assert_allclose(mel[0, :40], golden[f"mel{i}"], rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(found[0], golden[f"windows{i}"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(published(wave)[0], golden[f"pooled{i}"], rtol=0, atol=2e-5)


@needs_weights
def test_preparing_draws_no_random_number():
    before = torch.random.get_rng_state()
    Resemblyzer().prepare()
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_by_their_names_in_the_file(monkeypatch, tmp_path, encoder):
    state = {**encoder.network_.state_dict(), "similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    monkeypatch.setattr(_wheels, "find", lambda members, encoder: [Path(tmp_path / "x.pt")])
    torch.save({"step": 1, "model_state": state, "optimizer_state": {}}, tmp_path / "x.pt")
    other = Resemblyzer()
    other.prepare()
    np.testing.assert_array_equal(other(sound(1)), encoder(sound(1)))
    del state["linear.bias"]
    torch.save({"step": 1, "model_state": state}, tmp_path / "x.pt")
    with pytest.raises(RuntimeError, match=r"x.pt: the key 'linear.bias' is missing"):
        other.prepare()


def test_numbers_of_weights():
    assert sum(parameter.numel() for parameter in Network().parameters()) == 1_423_616


def by_the_packages_rule(n):
    """Starts every 77 frames until the frames are covered; the last window goes if under 75 % of it is signal."""
    frames = int(np.ceil((n + 1) / 160))
    starts = list(range(0, max(1, frames - 160 + 77 + 1), 77))
    return len(starts) - (len(starts) > 1 and (n - starts[-1] * 160) / 25600 < 0.75)


def test_windows_of_the_package():
    lengths = np.r_[0:80_000:11, 31_400:31_600, 43_700:43_900]
    assert windows(lengths).tolist() == [by_the_packages_rule(n) for n in lengths]
    assert windows(np.array([0, 31_519, 31_520])).tolist() == [1, 1, 2]


@pytest.mark.parametrize("n", [8_000, 25_600, 31_519, 31_520, 33_000, 100_000])
def test_mean_over_windows_cut_by_hand(encoder, monkeypatch, n):
    monkeypatch.setattr(resemblyzer, "BLOCK", 3)  # several blocks, the last one not full
    x = sound(n / 16000)
    frames = mels(np.pad(x[0], (0, 30_000)))
    cut = torch.stack([frames[77 * w : 77 * w + 160] for w in range(by_the_packages_rule(n))])
    with torch.inference_mode():
        expected = encoder.network_(cut).mean(0)
    np.testing.assert_allclose(encoder(x)[0], expected / expected.norm(), rtol=0, atol=1e-5)


def test_quiet_clips_are_raised_and_loud_ones_left(encoder):
    x = sound(1)  # -20 dBFS
    np.testing.assert_allclose(encoder(x * 1e-4), encoder(x * 0.01), rtol=0, atol=1e-5)
    assert np.abs(encoder(x) - encoder(x * 0.01)).max() > 0.1 and np.abs(encoder(x) - encoder(x * 5)).max() > 0.1
    raised = levelled(np.pad(x * 0.01, ((0, 0), (0, 9000))), np.array([16_000]), 26_000)[0, 200:16_200]
    assert np.sqrt(np.mean(raised**2)) == pytest.approx(10**-1.5)  # -30 dBFS of the signal alone


def test_a_clip_beside_a_loud_one(encoder):
    quiet, loud = sound(2, scale=1e-4), sound(2, seed=1, scale=0.3)
    found = encoder(np.concatenate([quiet, loud]))
    np.testing.assert_allclose(found[:1], encoder(quiet), rtol=0, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.1


@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_what_follows_the_signal_is_not_heard(encoder, padding):
    lengths = np.array([48_000, 32_000, 31_000, 9_000, 300])  # 3, 2, 1, 1, 1 windows
    x = np.concatenate([sound(3, seed) for seed in range(5)])
    alone = np.concatenate([encoder(row[None, :n]) for row, n in zip(x, lengths, strict=True)])
    for row, n in zip(x, lengths, strict=True):
        row[n:] = padding
    np.testing.assert_allclose(encoder(x, lengths), alone, rtol=0, atol=1e-5)
    assert np.abs(alone[1:] - alone[:-1]).max(axis=1).min() > 0.1


def test_silence(encoder):
    x = np.zeros((3, 4000), np.float32)
    found = encoder(x, np.array([4000, 1, 0]))
    assert found.shape == (3, 256) and found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_array_equal(found, np.repeat(found[:1], 3, axis=0))
    np.testing.assert_array_equal(encoder(sound(0.25), np.array([0])), encoder(x[:1]))
    for scale in (1.0, 1e-30, 1e-44):
        assert np.isfinite(encoder(sound(1 / 16000, scale=scale))).all()


def test_rows_without_a_positive_number_stay_zeros(encoder):
    torch.nn.init.constant_(encoder.network_.linear.bias, -10)
    np.testing.assert_array_equal(encoder(sound(3)), np.zeros((1, 256), np.float32))
