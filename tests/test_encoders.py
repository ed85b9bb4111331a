"""The encoders: published networks reproduced, one contract for all, nothing random, nothing downloaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio.models import wav2vec2_model

from audioclust import registry
from audioclust.encoders import passt, wav2vec2
from audioclust.encoders.byol_a import BYOLA
from audioclust.encoders.byol_a_random import BYOLARandom
from audioclust.encoders.logmel_stats import LogmelStats
from audioclust.encoders.passt import Transformer
from audioclust.nn.audiontt import AudioNTT2020, AudioNTT2022

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "golden" / "audio"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the large golden arrays are not on this machine")


def tiny_transformer(stride=10, frames=120):
    return Transformer(48, 2, 4, 120, stride, 7)


def tiny_wav2vec2():
    convolutions = [(32, 10, 5), (32, 3, 2), (32, 3, 2), (32, 3, 2), (32, 3, 2), (32, 2, 2), (32, 2, 2)]
    return wav2vec2_model(
        "group_norm", convolutions, False, 48, 0.0, 16, 4, 2, 4, 0.0, 96, 0.0, 0.0, False, 0.0, None
    )  # fmt: skip


def weights_of(golden):
    return {key[2:]: torch.from_numpy(value) for key, value in golden.items() if key.startswith("w/")}


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Return a function from a name to an encoder that is ready, its weights random or small."""
    torch.manual_seed(0)
    monkeypatch.setattr(passt, "Transformer", tiny_transformer)
    monkeypatch.setattr(wav2vec2, "wav2vec2_base", tiny_wav2vec2)
    networks = {"byol_a": lambda: AudioNTT2020(512), "passt": lambda: randomised(tiny_transformer()),
                "wav2vec2": tiny_wav2vec2}  # fmt: skip
    sections = {"byol_a": {"d": 512}, "wav2vec2": {"layer": 2}}

    def build(name, **settings):
        section = {**sections.get(name, {}), **settings}
        if name in networks:
            torch.save(networks[name]().state_dict(), tmp_path / f"{name}.pth")
            section.setdefault("weights", str(tmp_path / f"{name}.pth"))
        encoder = registry.get("encoders", name)(**section, device="cpu", random_state=0)
        encoder.prepare()
        if name in ("passt", "wav2vec2"):
            encoder.dim = 48
        if encoder.input == "logmel":
            encoder.normalise_with(-9.0, 4.0)
        return encoder

    return build


def randomised(network):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def clips(encoder, n=5, seed=0):
    rng = np.random.default_rng(seed)
    if encoder.input == "logmel":
        return rng.normal(-9, 4, (n, 64, 48)).astype(np.float32)
    return rng.normal(0, 0.1, (n, encoder.sample_rate * 3 // 10)).astype(np.float32)


# The contract


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_contract(built, name):
    encoder = built(name)
    x = clips(encoder)
    kept, random_state = x.copy(), torch.random.get_rng_state()
    found = encoder(x, np.full(5, 0.3))
    assert encoder.sample_rate in (16000, 32000) and encoder.input in ("logmel", "waveform")
    assert found.dtype == np.float32 and found.ndim == 2 and len(found) == 5
    assert encoder.dim in (None, found.shape[1])
    assert np.isfinite(found).all() and np.unique(found, axis=0).shape == found.shape
    np.testing.assert_array_equal(found, encoder(x))
    np.testing.assert_array_equal(x, kept)
    assert torch.equal(random_state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_a_clip_alone_is_as_in_a_batch(built, name):
    encoder = built(name)
    x = clips(encoder)
    alone = np.concatenate([encoder(x[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, encoder(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_silence_is_finite(built, name):
    encoder = built(name)
    silence = np.full_like(clips(encoder), -15.9424 if encoder.input == "logmel" else 0.0)
    assert np.isfinite(encoder(silence)).all()


@pytest.mark.parametrize("name", ["byol_a", "passt", "wav2vec2"])
def test_a_checkpoint_of_another_network_is_refused(built, name, tmp_path):
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match=r"other.pth: the key .* is missing"):
        built(name, weights=str(tmp_path / "other.pth"))


@pytest.mark.parametrize("name", ["byol_a", "passt", "wav2vec2"])
def test_preparing_from_a_file_draws_no_random_number(built, name):
    encoder = built(name)
    before = torch.random.get_rng_state()
    encoder.prepare()
    assert torch.equal(before, torch.random.get_rng_state())


# Statistics of bands


def test_statistics_in_the_chosen_order():
    x = np.random.default_rng(0).normal(-9, 4, (3, 64, 48)).astype(np.float32)
    found = LogmelStats(statistics=["max", "mean"])(x)
    np.testing.assert_array_equal(found[:, :64], x.max(2))
    np.testing.assert_allclose(found[:, 64:], x.mean(2), rtol=1e-5)


# BYOL-A


def by_formula(network):
    """Weights that the official networks were run with: golden/methods/README, byola_forward_detweights."""
    for j, (name, p) in enumerate(network.named_parameters()):
        i = torch.arange(p.numel(), dtype=torch.float64)
        fan = p[0].numel() if p.ndim > 1 else 4
        values = (3 / fan) ** 0.5 * torch.sin(0.37 * i + 1.3 * j + 0.1)
        p.data = (1 + 0.2 * values if p.ndim == 1 and name.endswith("weight") else values).view(p.shape)
    for name, b in network.named_buffers():
        wave = torch.sin(torch.arange(b.numel(), dtype=torch.float64))
        if name.endswith("running_mean"):
            b.data = 0.1 * wave
        elif name.endswith("running_var"):
            b.data = 1 + 0.5 * wave**2
    return network.eval()


@pytest.mark.parametrize("network", [AudioNTT2020(128), AudioNTT2022(1280, hidden=192)], ids=lambda n: type(n).__name__)
def test_official_networks_in_double_precision(network):
    golden = np.load(GOLDEN / "byola_forward.npz")
    with torch.no_grad():
        found = by_formula(network.double())(torch.from_numpy(golden["x"])).numpy()
    np.testing.assert_allclose(found, golden[type(network).__name__], rtol=1e-9, atol=1e-9)


@needs_shared
@pytest.mark.parametrize("name, network", [("v1", AudioNTT2020(128)), ("v2", AudioNTT2022(1280, hidden=192))])
@pytest.mark.parametrize("i", [0, 1])
def test_official_networks_in_double_precision_at_two_lengths(name, network, i):
    golden = np.load(SHARED.parent / "methods" / "byola_forward_detweights.npz")
    with torch.no_grad():
        found = by_formula(network.double())(torch.from_numpy(golden[f"x_{i}"])).numpy()
    np.testing.assert_allclose(found, golden[f"{name}_embedding_{i}"], rtol=1e-9, atol=1e-9)


@needs_shared
@pytest.mark.parametrize(
    "name, network", [("byola_net2020", AudioNTT2020(48)), ("byola_net2022", AudioNTT2022(1064, hidden=24))]
)
def test_official_frames_with_random_weights(name, network):
    golden = dict(np.load(SHARED / f"{name}.npz"))
    network.eval().load_state_dict(weights_of(golden))
    with torch.no_grad():
        frames = network.frame_embeddings(torch.from_numpy(golden["x"])).numpy()
        clip = network(torch.from_numpy(golden["x"])).numpy()
    np.testing.assert_allclose(frames, golden["frame_embeddings"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(clip, golden["embedding"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "network, keys, octets",
    [(AudioNTT2020(512), 25, 2_402_328), (AudioNTT2020(1024), 25, 6_600_728), (AudioNTT2020(2048), 25, 21_288_984),
     (AudioNTT2022(3072), 18, 25_334_544)],
)  # fmt: skip
def test_as_many_weights_as_the_published_files(network, keys, octets):
    state = network.state_dict()
    assert len(state) == keys
    assert sum(value.numel() * value.element_size() for value in state.values()) == octets


@pytest.mark.parametrize("prefix", ["", "module.", "online_encoder.net."])
def test_byol_a_takes_bare_and_wrapped_checkpoints(tmp_path, prefix):
    state = AudioNTT2020(512).state_dict()
    wrapped = {prefix + key: value for key, value in state.items()}
    torch.save({"state_dict": {**wrapped, **({"projector.0.weight": torch.zeros(2)} if prefix else {})}},
               tmp_path / "net.pth")  # fmt: skip
    encoder = BYOLA(512, str(tmp_path / "net.pth"))
    encoder.prepare()
    for key, value in encoder.network_.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert not encoder.network_.training


def test_byol_a_names_the_shape_that_does_not_fit(tmp_path):
    torch.save(AudioNTT2020(512).state_dict(), tmp_path / "net.pth")
    with pytest.raises(RuntimeError, match=r"'fc.0.weight' has shape \(512, 512\), \(2048, 512\) is needed"):
        BYOLA(2048, str(tmp_path / "net.pth")).prepare()


def test_byol_a_names_a_key_too_many(tmp_path):
    torch.save({**AudioNTT2020(512).state_dict(), "more": torch.zeros(1)}, tmp_path / "net.pth")
    with pytest.raises(RuntimeError, match="unexpected key 'more'"):
        BYOLA(512, str(tmp_path / "net.pth")).prepare()


@pytest.mark.parametrize("shape, d", [((2, 40, 48), 512), ((2, 64, 7), 512), ((2, 64, 3), 3072)])
def test_byol_a_refuses_other_log_mels(shape, d):
    encoder = BYOLARandom(d)
    encoder.prepare()
    encoder.normalise_with(0.0, 1.0)
    with pytest.raises(ValueError, match=f"{shape[1]} bands and {shape[2]} frames"):
        encoder(np.zeros(shape, np.float32))


def test_byol_a_standardises_with_the_data_sets_statistics(built):
    encoder = built("byol_a_random")
    x = clips(encoder)
    expected = encoder(x)
    encoder.normalise_with(0.0, 1.0)
    np.testing.assert_allclose(encoder((x + 9) / 4), expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(encoder(x), expected, rtol=0.1)


@pytest.mark.parametrize("d", [512, 3072])
def test_random_networks_are_their_seeds(d):
    def weights(seed):
        torch.rand(seed + 1)  # the global generator stands elsewhere
        encoder = BYOLARandom(d, random_state=seed)
        before = torch.random.get_rng_state()
        encoder.prepare()
        assert torch.equal(before, torch.random.get_rng_state()) and not encoder.network_.training
        return encoder.network_.features[0].weight

    assert torch.equal(weights(3), weights(3)) and not torch.equal(weights(3), weights(4))


def test_a_random_network_has_dead_outputs_but_not_many(built):
    dead = (built("byol_a_random")(clips(built("byol_a_random"), 40)) == 0).all(0).mean()
    assert 0.02 < dead < 0.5


# PaSST


def test_passt_front_end_of_hear21passt():
    golden = np.load(GOLDEN / "passt_frontend.npz")
    found = passt.FrontEnd()(torch.from_numpy(golden["wav"])).numpy()
    np.testing.assert_allclose(found[:, :, : golden["logmel"].shape[2]], golden["logmel"], rtol=1e-4, atol=1e-4)


@needs_shared
def test_passt_front_end_of_hear21passt_whole():
    golden = np.load(SHARED / "passt_frontend.npz")
    found = passt.FrontEnd()(torch.from_numpy(golden["wav"])).numpy()
    np.testing.assert_allclose(found, golden["logmel"], rtol=1e-4, atol=1e-4)


def test_passt_network_of_hear21passt():
    golden = dict(np.load(GOLDEN / "passt_tinynet.npz"))
    network = tiny_transformer().eval()
    network.load_state_dict(weights_of(golden))
    x = torch.from_numpy(golden["x"])
    with torch.no_grad():
        cls, dist = network.tokens(x)
        found = network(x)
    np.testing.assert_allclose(cls, golden["cls_out"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(dist, golden["dist_out"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found, golden["features"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride, frequencies, times", [(10, 12, 99), (16, 8, 62)])
def test_passt_full_size(stride, frequencies, times):
    with torch.device("meta"):
        state = Transformer(stride=stride).state_dict()
    assert len(state) == 159
    assert state["freq_new_pos_embed"].shape == (1, 768, frequencies, 1)
    assert state["time_new_pos_embed"].shape == (1, 768, 1, times)
    if stride == 10:
        assert sum(value.numel() for value in state.values()) * 4 == 344_615_032


def test_passt_averages_long_clips_over_windows_of_ten_seconds():
    encoder = passt.PaSST()
    heard = []

    def front_end(wave):
        heard.append(wave.clone())
        return wave.mean(1, keepdim=True)[:, :, None]

    encoder.front_end_, encoder.network_ = front_end, lambda x: x[:, 0, :, 0]
    ramp = np.arange(480_000, dtype=np.float32)[None] / 480_000
    found = encoder(ramp)
    assert [wave.shape for wave in heard] == [(1, 320_000)] * 7  # 15 s
    # The first window is reflected by 5 s, the third lies inside.
    np.testing.assert_allclose(heard[0][0, :160_000], ramp[0, 1:160_001][::-1])
    np.testing.assert_allclose(heard[2][0], ramp[0, :320_000])
    assert found[0, 0] == pytest.approx(np.mean([wave.mean() for wave in heard]), rel=1e-5)


@pytest.mark.parametrize("samples, passes", [(320_000, 1), (320_001, 5), (960_000, 13)])
def test_passt_number_of_windows(samples, passes):
    encoder, heard = passt.PaSST(), []
    encoder.front_end_ = lambda wave: heard.append(1) or wave[:, :1, None]
    encoder.network_ = lambda x: x[:, 0, :, 0]
    encoder(np.zeros((1, samples), np.float32))
    assert len(heard) == passes


def test_passt_needs_a_patch(built):
    encoder = built("passt")
    assert np.isfinite(encoder(np.zeros((2, 4801), np.float32))).all()
    with pytest.raises(ValueError, match=r"0\.150? s"):
        encoder(np.zeros((2, 4800), np.float32))


# wav2vec 2.0


def test_wav2vec2_hears_each_clip_without_its_padding(built):
    encoder = built("wav2vec2")
    x = clips(encoder, 4)
    samples = np.array([4800, 3000, 4800, 400])
    for row, n in zip(x, samples, strict=True):
        row[n:] = 0
    found = encoder(x, samples / 16000)
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
    np.testing.assert_array_equal(encoder(x, np.full(5, 300 / 16000)), expected)


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
