"""BYOL-A's networks against the official ones, its checkpoints, and its random control."""

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, SHARED, clips, needs_shared, weights_of

from audioclust.encoders.byol_a import BYOLA
from audioclust.encoders.byol_a_random import BYOLARandom
from audioclust.networks.audiontt import AudioNTT2020, AudioNTT2022


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
