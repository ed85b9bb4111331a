"""wav2vec 2.0 by torchaudio: its layers, and clips without their padding."""

import numpy as np
import pytest
import torch
from encoders_fixture import SHARED, clips, needs_shared, tiny_wav2vec2, weights_of

from audioclust.encoders import wav2vec2


def test_wav2vec2_hears_each_clip_without_its_padding(built):
    encoder = built("wav2vec2")
    x = clips(encoder, 4)
    samples = np.array([4800, 3000, 4800, 400])
    for row, n in zip(x, samples, strict=True):
        row[n:] = 0
    found = encoder(x, samples)
    for row, n, expected in zip(x, samples, found, strict=True):
        np.testing.assert_allclose(encoder(row[None, :n])[0], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(encoder(x)[1], found[1], atol=1e-3)


@pytest.mark.parametrize("layer", [1, 2])
def test_wav2vec2_layers_are_torchaudios(built, layer):
    encoder = built("wav2vec2", layer=layer)
    x = clips(encoder)
    layers, _ = encoder.network_.extract_features(torch.from_numpy(x))
    np.testing.assert_allclose(encoder(x), layers[layer - 1].mean(1).detach(), rtol=1e-5, atol=1e-6)


def test_wav2vec2_pads_what_is_shorter_than_a_frame(built):
    encoder = built("wav2vec2")
    x = clips(encoder)[:, :300]
    expected = encoder(np.pad(x, ((0, 0), (0, 100))))
    np.testing.assert_array_equal(encoder(x, np.full(5, 300)), expected)


def test_wav2vec2_takes_files_from_before_pytorch_2(built, tmp_path):
    new = tiny_wav2vec2().state_dict()
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    old = {}
    for key, value in new.items():
        for present, former in names.items():
            key = key.replace(present, former)
        old[key] = value
    assert old.keys() != new.keys()
    torch.save(old, tmp_path / "old.pth")
    encoder = built("wav2vec2", weights=str(tmp_path / "old.pth"))
    for key, value in encoder.network_.state_dict().items():
        assert torch.equal(value, new[key]), key


@needs_shared
def test_wav2vec2_mean_over_frames():
    golden = dict(np.load(SHARED / "wav2vec2_tiny.npz"))
    encoder = wav2vec2.Wav2Vec2(layer=2)
    encoder.network_, encoder.dim = tiny_wav2vec2().eval(), 48
    encoder.network_.load_state_dict(weights_of(golden))
    np.testing.assert_allclose(encoder(golden["x"]), golden["mean_pooled"], rtol=1e-4, atol=1e-4)
