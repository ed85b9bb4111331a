"""Encoders that are ready in no time."""

import pytest
import torch
from encoders_fixture import NO_WEIGHTS, has_weights, randomised, tiny_transformer, tiny_wav2vec2

from audioclust import registry
from audioclust.encoders import passt, wav2vec2
from audioclust.networks.audiontt import AudioNTT2020


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
        kind = registry.get("encoders", name)
        if not has_weights(kind):
            pytest.skip(NO_WEIGHTS)
        if name == "birdnet":
            pytest.importorskip("ai_edge_litert", reason="the optional library of birdnet is not installed")
        encoder = kind(**section, device="cpu", random_state=0)
        encoder.prepare()
        if name in ("passt", "wav2vec2"):
            encoder.dim = 48
        if encoder.input == "logmel":
            encoder.normalise_with(-9.0, 4.0)
        return encoder

    return build
