"""musicnn beside its own package in TensorFlow, and its windows, padding and names of weights by hand.

tests/golden/musicnn.npz: what the package's define_model gives in TensorFlow 2.15.1 with the checkpoint MTT_musicnn
restored, for four small signals, mels by librosa 0.11; a copy of shared/golden/encoders/musicnn_mtt.npz.
"""

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, needs_weights_of

from audioclust.encoders import musicnn

needs_weights = needs_weights_of(musicnn.MusiCNN)


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN / "musicnn.npz"))


@pytest.fixture(scope="module")
def network():
    """A network with random weights and random statistics."""
    torch.manual_seed(0)
    network = musicnn.Network().eval()
    for norm in network.batch_normalization:
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2)
    return network


def ready(network, **settings):
    encoder = musicnn.MusiCNN(**settings)
    encoder.network_, encoder.front_end_ = network, musicnn.FrontEnd()
    return encoder


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


@needs_weights
def test_agrees_with_the_package(golden):
    pools, penultimate = musicnn.MusiCNN(), musicnn.MusiCNN(layer="penultimate")
    pools.prepare()
    penultimate.prepare()
    for i in range(4):
        wave = golden[f"wave{i}"][None]
        for encoder, expected in ((pools, golden[f"pooled{i}"]), (penultimate, golden[f"penultimate{i}"].mean(0))):
            found = encoder(wave)
            assert found.dtype == np.float32 and found.shape == (1, encoder.dim)
            # librosa's and torch's spectrograms differ in the last bit, and so does now and then what float16 keeps.
            np.testing.assert_allclose(found[0], expected, rtol=0, atol=5e-3)


@needs_weights
def test_last_layer_agrees_with_the_package(golden):
    encoder = musicnn.MusiCNN()
    encoder.prepare()
    for i in range(4):
        pools = [torch.from_numpy(golden[f"{kind}_pool{i}"]) for kind in ("max", "mean")]
        found = encoder.network_.penultimate(*pools).detach()
        np.testing.assert_allclose(found, golden[f"penultimate{i}"], rtol=0, atol=1e-4)


def test_front_end_agrees_with_the_package(golden):
    for i in range(4):
        windows = musicnn._windows(torch.from_numpy(golden[f"wave{i}"])[None])
        found = musicnn.FrontEnd()(windows[0, :1])[0, :40]
        np.testing.assert_allclose(found, golden[f"mel{i}"], rtol=0, atol=5e-4)  # one step of float16
        assert np.isclose(found, golden[f"mel{i}"], rtol=0, atol=2e-6).mean() > 0.9  # few are rounded the other way


def test_network_has_the_papers_size(network):
    state = network.state_dict()
    assert sum(value.numel() for key, value in state.items() if not key.endswith("num_batches_tracked")) == 792_079
    largest, mean = network(torch.rand(2, 187, 96))
    assert largest.shape == mean.shape == (2, 753)
    assert network.penultimate(largest, mean).shape == (2, 200)


def test_the_dense_layer_takes_maximum_and_mean_in_turns(network):
    largest, mean = torch.rand(2, 753), torch.rand(2, 753)
    pools = torch.empty(2, 1506)
    pools[:, 0::2], pools[:, 1::2] = largest, mean
    dense = network.dense[0](network.batch_normalization[9](pools)).relu()
    torch.testing.assert_close(network.penultimate(largest, mean), network.batch_normalization[10](dense))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("i", [2, 3, 4])
def test_even_kernels_are_padded_as_same_means(network, i):
    x = torch.rand(1, 1, 187, 96)
    conv, norm = network.conv2d[i], network.batch_normalization[i + 1]
    same = torch.nn.functional.conv2d(x, conv.weight, conv.bias, padding="same")
    torch.testing.assert_close(network._front(i, x), norm(same.relu()).amax(3))


def test_weights_find_their_places(network, monkeypatch):
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    checkpoint = {"beta1_power": np.float32(0.5), "conv2d/kernel/Adam": np.zeros((7, 38, 1, 204), np.float32)}
    for key, value in network.state_dict().items():
        layer, number, tensor = key.split(".")
        if tensor == "num_batches_tracked":
            continue
        scope = layer if number == "0" else f"{layer}_{number}"
        if layer == "batch_normalization":
            checkpoint[f"{scope}/{names[tensor]}"] = value.numpy()
        elif tensor == "bias":
            checkpoint[f"{scope}/bias"] = value.numpy()
        else:
            if value.ndim == 3:  # filters, maps, frames
                value = value[:, None].mT
            axes = (2, 3, 1, 0) if value.ndim == 4 else (1, 0)
            checkpoint[f"{scope}/kernel"] = value.permute(axes).numpy()
    assert checkpoint["conv2d_5/kernel"].shape == (7, 561, 1, 64) and checkpoint["dense/kernel"].shape == (1506, 200)
    monkeypatch.setattr(musicnn, "find", lambda *_: ["index", "data"])
    monkeypatch.setattr(musicnn, "tensors", lambda *_: checkpoint)
    encoder = musicnn.MusiCNN()
    encoder.prepare()
    for key, value in encoder.network_.state_dict().items():
        assert torch.equal(value, network.state_dict()[key]), key
    del checkpoint["dense_1/bias"]
    with pytest.raises(RuntimeError, match=r"index: the key 'dense\.1\.bias' is missing"):
        encoder.prepare()


def test_a_long_clip_is_the_mean_over_its_windows(network):
    clips = noise(2, 400 * 256 + 100)  # 401 frames: 3 windows each, 28 frames left over
    found = ready(network)(clips)
    for clip, row in zip(clips, found, strict=True):
        frames = musicnn.FrontEnd()(torch.nn.functional.pad(torch.from_numpy(clip), (256, 256))[None])[0]
        assert len(frames) == 401
        pools = network(torch.stack([frames[start : start + 187] for start in (0, 93, 186)]))
        np.testing.assert_allclose(row, torch.cat(pools, dim=1).mean(0).detach(), rtol=1e-4, atol=1e-3)


def test_a_short_clip_is_repeated(network):
    clip = noise(20_001)
    encoder = ready(network, layer="penultimate")
    np.testing.assert_array_equal(encoder(clip[None]), encoder(np.tile(clip, 3)[None, :47_616]))


@pytest.mark.parametrize("layer", ["pools", "penultimate"])
@pytest.mark.parametrize("samples", [5_000, 80_000])
def test_neither_other_clips_nor_padding_change_a_clip(network, layer, samples):
    encoder = ready(network, layer=layer)
    clip = noise(samples)
    alone = encoder(clip[None])[0]
    assert alone.shape == (encoder.dim,) and alone.std() > 0.1
    x = np.zeros((2, samples + 9_000), np.float32)
    x[0, :samples] = clip
    x[1] = noise(samples + 9_000, seed=1) * 9
    found = encoder(x, np.array([samples, samples + 9_000]))
    np.testing.assert_allclose(found[0], alone, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(encoder(x[1:])[0], found[1], rtol=1e-4, atol=1e-4)


def test_silence_and_next_to_no_signal_are_finite(network):
    encoder = ready(network)
    x = noise(3, 5_000)
    x[0] = 0
    assert np.isfinite(encoder(x, np.array([5_000, 1, 0]))).all()


def test_a_loud_clip_is_finite(network):
    clip = np.sign(np.sin(2 * np.pi * 500 / 16000 * np.arange(48_000) + 0.1)).astype(np.float32)
    loudest = 10 ** musicnn.FrontEnd()(torch.from_numpy(clip)[None]).max() - 1  # 10,000 times a band's power
    assert torch.isinf(loudest.half())  # as in the package
    assert np.isfinite(ready(network)(clip[None])).all()


def test_a_wrong_value_is_named():
    with pytest.raises(ValueError, match=r"MusiCNN\.layer = 'tags'"):
        musicnn.MusiCNN(layer="tags").prepare()
