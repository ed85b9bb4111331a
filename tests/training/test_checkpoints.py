"""Checkpoint files: no damage is taken for a checkpoint, and a full disk leaves the older one."""

import os
import warnings

import pytest
import torch
from damage_fixture import accepted
from disk_fixture import largest
from torch import nn

from audioclust.training import checkpoints
from audioclust.training.loop import Run, epochs


def test_no_damage_is_accepted(tmp_path):
    paths = [tmp_path / f"{phase}.ckpt" for phase in ("first", "second", "third")]
    for path in paths:
        checkpoints.write(path, {"phase": path.stem, "weights": torch.arange(9)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert accepted(paths, checkpoints.read) == []


def test_the_checkpoint_of_another_seed_is_not_used(tmp_path):
    for seed in (0, 1):
        list(epochs(2, {"network": nn.Linear(2, 2)}, Run(tmp_path / str(seed), f"key-{seed}")))
    os.replace(tmp_path / "0/train.ckpt", tmp_path / "1/train.ckpt")
    assert len(list(epochs(2, {"network": nn.Linear(2, 2)}, Run(tmp_path / "1", "key-1")))) == 2


def test_a_damaged_one_that_another_run_sets_aside_starts_anew_too(tmp_path, monkeypatch):
    path = tmp_path / "train.ckpt"
    path.write_bytes(b"damaged")
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda one, two: (replace(one, two), replace(one, two)))
    with pytest.warns(UserWarning, match="is damaged"):
        assert checkpoints.read(path) is None


def test_a_full_disk_leaves_the_older_one(tmp_path):
    path = tmp_path / "train.ckpt"
    checkpoints.write(path, {"done": 1})
    with largest(2000), pytest.raises(OSError, match=r"File too large: .*train\.ckpt"):
        checkpoints.write(path, {"done": 2, "weights": torch.zeros(10_000)})
    assert checkpoints.read(path) == {"done": 1} and os.listdir(tmp_path) == ["train.ckpt"]
