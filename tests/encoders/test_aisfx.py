"""aiSFX beside its own package, and its windows, padding and level by hand.

tests/golden/aisfx.npz: what the package's EmbeddingNet, blocking and librosa spectrogram (librosa 0.11, torch 2.11)
give for five small signals; a copy of shared/golden/encoders/aisfx.npz.
"""

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, needs_weights_of

from audioclust.encoders import aisfx

needs_weights = needs_weights_of(aisfx.AISFX)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN / "aisfx.npz"))


def random(**settings):
    """An encoder that is ready, its network small and random; its embeddings are of the size of 1."""
    torch.manual_seed(0)
    encoder = aisfx.AISFX(**settings)
    encoder.network_, encoder.front_end_ = aisfx.EmbeddingNet(4).eval(), aisfx.FrontEnd()
    for module in encoder.network_.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return encoder


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def spectrogram(clip):
    """Log-mels (t, 96) of a whole clip, its peak at 1, frames centred by torch."""
    wave = torch.from_numpy(clip) / np.abs(clip).max()
    spectrum = torch.stft(
        wave, 2048, 1024, window=torch.hann_window(2048), pad_mode="constant", return_complex=True
    ).abs() ** 2  # fmt: skip
    return (10_000 * (spectrum.T @ aisfx.FrontEnd().banks) + 1).log10() / 9.457798957824707


@needs_weights
@pytest.mark.parametrize("short, arrays", [("zeros", "package"), ("repeat", "tiled")])
def test_agrees_with_the_package(golden, short, arrays):
    encoder = aisfx.AISFX(short=short)
    encoder.prepare()
    for i in range(5):
        found = encoder(golden[f"wave{i}"][None])
        assert found.dtype == np.float32 and found.shape == (1, encoder.dim)
        np.testing.assert_allclose(found[0], golden[f"{arrays}_pooled{i}"], rtol=0, atol=1e-4)


def test_front_end_agrees_with_the_package(golden):
    for i in range(5):
        wave = aisfx._at_full_scale(torch.from_numpy(golden[f"wave{i}"])[None])
        found = aisfx.FrontEnd()(torch.nn.functional.pad(wave, (1024, 1024)))[0, :40]
        np.testing.assert_allclose(found, golden[f"mel{i}"], rtol=0, atol=2e-5)


def test_network_has_the_papers_size():
    network = aisfx.EmbeddingNet().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_686_144
    assert network(torch.rand(2, 100, 96)).shape == (2, 512)


def test_a_long_clip_is_the_mean_over_its_windows():
    encoder = random()
    clips = noise(2, 400 * 1024 + 700)  # 401 frames: 7 windows each, 1 frame left over
    for clip, found in zip(clips, encoder(clips), strict=True):
        frames = spectrogram(clip)
        windows = torch.stack([frames[start : start + 100] for start in range(0, 301, 50)])
        np.testing.assert_allclose(found, encoder.network_(windows).mean(0).detach(), rtol=1e-4, atol=1e-5)


def test_a_short_clip_gets_zeros_after_its_spectrogram():
    encoder = random()
    clip = noise(30_500)  # the 31st frame would still reach some of its samples
    frames = torch.zeros(1, 100, 96)
    frames[0, :30] = spectrogram(clip)
    np.testing.assert_allclose(encoder(clip[None]), encoder.network_(frames).detach(), rtol=1e-4, atol=1e-5)


def test_a_short_clip_is_repeated_on_demand():
    clip = noise(30_500)
    repeated = np.tile(clip, 4)[None, :102_400]
    found = random(short="repeat")(clip[None])
    np.testing.assert_allclose(found, random()(repeated), rtol=1e-4, atol=1e-5)
    assert np.abs(found - random()(clip[None])).max() > 0.01


@pytest.mark.parametrize("short", ["zeros", "repeat"])
@pytest.mark.parametrize("samples", [9_000, 101_376, 160_000])
def test_neither_other_clips_nor_padding_change_a_clip(short, samples):
    encoder = random(short=short)
    clip = noise(samples)
    alone = encoder(clip[None])[0]
    assert alone.std() > 0.1
    x = np.zeros((3, samples + 50_000), np.float32)
    x[:2, :samples] = clip
    x[2] = noise(samples + 50_000, seed=1) * 9
    found = encoder(x, np.array([samples, samples, samples + 50_000]))
    np.testing.assert_allclose(found[:2], [alone, alone], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(encoder(x[2:])[0], found[2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("short", ["zeros", "repeat"])
def test_silence_and_next_to_no_signal_are_finite(short):
    encoder = random(short=short)
    x = noise(3, 5_000)
    x[0] = 0
    assert np.isfinite(encoder(x, np.array([5_000, 1, 0]))).all()
    assert np.isfinite(encoder(x[:, :1])).all()


def test_the_level_does_not_matter():
    encoder = random()
    clip = noise(1, 20_000)
    np.testing.assert_allclose(encoder(clip / 8), encoder(clip), rtol=1e-5, atol=1e-6)


def test_what_is_no_checkpoint_of_it_is_named(tmp_path):
    torch.save({"a": object()}, tmp_path / "checkpoint.pth")
    with pytest.raises(RuntimeError, match=r"checkpoint\.pth: not readable as aiSFX's checkpoint"):
        aisfx._read(tmp_path / "checkpoint.pth")


def test_reading_takes_the_shared_network_and_leaves_the_classifiers(tmp_path):
    state = {"embedding_net.a": torch.ones(2), "fc.0.0.weight": torch.ones(3)}
    torch.save((state, {"library": (0, 7)}), tmp_path / "checkpoint.pth")
    assert list(aisfx._read(tmp_path / "checkpoint.pth")) == ["a"]


def test_a_wrong_value_is_named():
    with pytest.raises(ValueError, match=r"AISFX\.short = 'mirror'"):
        aisfx.AISFX(short="mirror").prepare()
