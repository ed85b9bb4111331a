"""BirdNET beside itself in its own runtime, and its windows on a graph that stands in for it.

tests/golden/birdnet.npz: the tensor before the output for five small signals, by ai-edge-litert 2.3.0; a copy of
shared/golden/encoders/birdnet.npz.
"""

import importlib.util
import sys
from typing import ClassVar

import numpy as np
import pytest
from encoders_fixture import GOLDEN, needs_weights_of

from audioclust.encoders import birdnet

needs_weights = needs_weights_of(birdnet.BirdNET)
needs_library = pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed"
)


class Graph:
    """Stands in for an interpreter: the embedding of a window is the mean of each 144 of its samples, and 1."""

    last: ClassVar[dict] = {}

    def __init__(self, **settings):
        Graph.last = settings
        self.tensors = {}

    def allocate_tensors(self):
        self.tensors = {3: np.zeros((1, 144_000), np.float32)}

    def get_input_details(self):
        return [{"index": 3}]

    def get_output_details(self):
        return [{"index": 9}]

    def set_tensor(self, index, value):
        assert value.shape == self.tensors[index].shape and value.dtype == np.float32
        self.tensors[index] = value.copy()

    def invoke(self):
        self.tensors[8] = self.tensors[3].reshape(1, 1000, 144).mean(2) + 1

    def get_tensor(self, index):
        return self.tensors[index].copy()


@pytest.fixture
def encoder(monkeypatch, tmp_path):
    monkeypatch.setattr(birdnet, "_library", lambda: Graph)
    monkeypatch.setattr(birdnet, "find", lambda *_: [tmp_path / "graph.tflite"])
    encoder = birdnet.BirdNET()
    encoder.prepare()
    return encoder


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def by_hand(clip):
    """Mean over the windows of a clip that is a whole number of them."""
    return clip.reshape(-1, 1000, 144).mean((0, 2)) + 1


@needs_weights
@needs_library
def test_agrees_with_its_own_runtime():
    golden = dict(np.load(GOLDEN / "birdnet.npz"))
    encoder = birdnet.BirdNET()
    encoder.prepare()
    for i in range(5):
        found = encoder(golden[f"wave{i}"][None])
        assert found.dtype == np.float32 and found.shape == (1, encoder.dim)
        np.testing.assert_allclose(found[0], golden[f"pooled{i}"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "samples, windows", [(1, 1), (71_999, 1), (144_000, 1), (215_999, 1), (216_000, 2), (288_000, 2), (504_000, 4)]
)
def test_windows_lie_side_by_side_and_a_last_one_under_half_is_dropped(encoder, samples, windows):
    clip = noise(samples)
    heard = clip[: windows * 144_000]
    padded = np.pad(heard, (0, windows * 144_000 - len(heard)))
    np.testing.assert_allclose(encoder(clip[None])[0], by_hand(padded), rtol=1e-5, atol=1e-6)


def test_neither_other_clips_nor_padding_change_a_clip(encoder):
    x = noise(3, 300_000)
    samples = np.array([300_000, 60_000, 230_000])
    alone = [encoder(row[None, :n])[0] for row, n in zip(x, samples, strict=True)]
    for row, n in zip(x, samples, strict=True):
        row[n:] = 0
    x[0] *= 9
    alone[0] = encoder(x[:1])[0]
    np.testing.assert_array_equal(encoder(x, samples), alone)
    assert encoder(x, samples).dtype == np.float32


def test_silence_and_no_signal_are_padded(encoder):
    np.testing.assert_array_equal(encoder(np.zeros((2, 5_000), np.float32), np.array([5_000, 0])), np.ones((2, 1000)))


def test_the_licence_is_printed(encoder, capsys):
    encoder.prepare()
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out
    assert Graph.last["experimental_preserve_all_tensors"] and Graph.last["num_threads"] == 1


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setattr(birdnet, "find", lambda *_: pytest.fail("fetched for nothing"))
    with pytest.raises(ImportError, match="pip install ai-edge-litert"):
        birdnet.BirdNET().prepare()
