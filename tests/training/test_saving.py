"""Saved models: the bytes of safetensors, whole or not there."""

import os
from dataclasses import KW_ONLY, dataclass

import pytest
import torch
from disk_fixture import largest
from safetensors.torch import save_file

from audioclust.training import saving

TENSORS = {"b.weight": torch.arange(2000.0), "a": torch.arange(6, dtype=torch.int64).reshape(2, 3).T}


@dataclass
class Model:
    d: int = 3
    _: KW_ONLY
    device: str = "cpu"


def test_the_bytes_are_those_of_safetensors(tmp_path):
    saving.save(tmp_path / "new", Model(d=5), TENSORS)
    save_file({name: value.contiguous() for name, value in TENSORS.items()}, tmp_path / "theirs")
    assert (tmp_path / "new/model.safetensors").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert saving.load(tmp_path / "new", Model)[1]["a"].tolist() == TENSORS["a"].tolist()


def test_a_full_disk_leaves_the_older_model(tmp_path):
    saving.save(tmp_path, Model(d=5), {"b": torch.zeros(1)})
    with largest(4000), pytest.raises(OSError, match=r"File too large: .*model\.safetensors"):
        saving.save(tmp_path, Model(d=5), TENSORS)
    assert saving.load(tmp_path, Model)[1].keys() == {"b"}
    assert sorted(os.listdir(tmp_path)) == ["config.json", "model.safetensors"]
