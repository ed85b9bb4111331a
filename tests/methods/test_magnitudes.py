"""DECAR's front end from log-mels: its constant, and what it makes of loudness, silence and repeated clips."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchaudio.transforms import MelSpectrogram

from audioclust.clips.logmel import FrontEnd, LogMel
from audioclust.methods.deepcluster.magnitudes import ENERGY, LEAST, log_magnitudes


def waves(n=3, samples=16000):
    return np.random.default_rng(0).standard_normal((n, samples)).astype(np.float32)


def spectra(wave):
    """Magnitudes (n, 513, t) as DECAR's: windows of 400 samples, hop 160, 1,024 points, of waveforms of norm 1."""
    wave = torch.from_numpy(wave / np.linalg.norm(wave, axis=1, keepdims=True))
    return torch.stft(wave, 1024, 160, 400, torch.hann_window(400), return_complex=True).abs()


def test_the_energy_is_that_of_a_waveform_of_norm_1():
    assert spectra(waves()).square().sum((1, 2)).numpy() == pytest.approx(ENERGY, rel=0.02)


def test_magnitudes_come_near_those_of_the_recording():
    """Of noise that swells: roots of summed powers, of 1,024 samples, beside sums of magnitudes, of 400 samples."""
    noise = torch.from_numpy(waves() * np.geomspace(0.01, 1, 16000, dtype=np.float32))
    x = LogMel(FrontEnd(mel_scale="htk"))(noise)[:, None]
    found = log_magnitudes(x, torch.full((3,), x.shape[3]))[:, 0]
    theirs = MelSpectrogram(16000, 1024, 400, 160, f_min=60, f_max=7800, n_mels=64, power=1.0, mel_scale="htk")
    expected = theirs(F.normalize(noise)).clamp_min(LEAST).log()
    assert all(torch.corrcoef(torch.stack([a, b]).flatten(1))[0, 1] > 0.9 for a, b in zip(found, expected, strict=True))
    assert (found - expected).mean().abs() < 1


def test_loudness_does_not_matter():
    x = torch.randn(4, 1, 16, 20) - 8
    louder = x + torch.tensor([-3.0, 0, 2, 9]).view(-1, 1, 1, 1)
    frames = torch.full((4,), 20)
    torch.testing.assert_close(log_magnitudes(louder, frames), log_magnitudes(x, frames))
    torch.testing.assert_close((2 * log_magnitudes(x, frames)).exp().sum((1, 2, 3)), torch.full((4,), ENERGY))


def test_a_clip_that_is_repeated_has_the_values_of_the_clip():
    x = torch.randn(2, 1, 16, 10)
    once = log_magnitudes(x, torch.full((2,), 10))
    torch.testing.assert_close(log_magnitudes(x.repeat(1, 1, 1, 3), torch.full((2,), 10)), once.repeat(1, 1, 1, 3))


def test_silence_is_clipped():
    x = torch.zeros(1, 1, 16, 20)
    x[..., 5:] = -60
    out = log_magnitudes(x, torch.tensor([20]))
    assert out[..., 5:].numpy() == pytest.approx(math.log(1e-5)) and out[..., :5].min() > 0
