"""PaSST's front end and network against hear21passt's, and its windows."""

import numpy as np
import pytest
import torch
from encoders_fixture import GOLDEN, SHARED, needs_shared, tiny_transformer, weights_of

from audioclust.encoders import passt
from audioclust.encoders.passt import Transformer


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
