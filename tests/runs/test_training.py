"""Training stages: one model per seed, side by side or not; killed at any point they resume to the same bytes."""

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from deep_fixture import counted
from sklearn.metrics import normalized_mutual_info_score

from audioclust import registry
from audioclust.results import labels
from audioclust.results.embeddings import EMBEDDING, views_file
from audioclust.runs.deep import deep
from audioclust.runs.training import Train, curve, key
from audioclust.training.loop import Run
from audioclust.views.clips import Clips, moments_of

ROOT = Path(__file__).resolve().parents[2]
N, K = 36, 3
SMALL = {"backbone": "audiontt", "channels": 4, "d": 16, "batch": 12}
SECTIONS = {
    "augment": {"width": 16},
    "train": {"device": "cpu", "threads": 1, "checkpoint_seconds": 0, "workers": 1},
    "simclr": SMALL | {"epochs": 12},
    "spice": {"k": K, "heads": 2, "epochs": 12, "stage": "self"},
    "temi": {"k": K, "heads": 2, "epochs": 12, "batch": 12, "neighbours": 3, "warmup_epochs": 2},
}


def logmels() -> np.ndarray:
    """Log-mels (n, 16, 24) of K patterns of bands with noise."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(0, 4, (K, 16, 1))
    return (patterns[np.arange(N) % K] - 8 + rng.normal(0, 1, (N, 16, 24))).astype(np.float16)


@pytest.fixture
def work(tmp_path):
    """A folder as the stages find it after ``logmel``, with small models in params.yaml."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | SECTIONS
    content |= {"seeds": [0, 1], "pretexts": ["simclr"], "methods": {"spice": "simclr", "temi": "simclr"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "data/logmel").mkdir(parents=True)
    np.save(tmp_path / "data/logmel/logmel.npy", logmels())
    (tmp_path / "data/logmel/stats.json").write_text(json.dumps({"hop_seconds": 0.01, "front_end": {"n_mels": 16}}))
    np.save(tmp_path / "data/logmel/frames.npy", np.full(N, 24))
    moments = moments_of(logmels(), torch.full((N,), 24))
    (tmp_path / "data/logmel/moments.json").write_text(json.dumps(moments._asdict()))
    (tmp_path / "data/truth/k").mkdir(parents=True)
    for method in ("spice", "temi"):
        (tmp_path / f"data/truth/k/{method}.json").write_text(json.dumps({method: K}))
    run(tmp_path, "check")
    return tmp_path


def run(work: Path, *stage: str) -> None:
    """Run a stage in this process: importing torch and scikit-learn again takes longer than the stage."""
    before = torch.get_num_threads()
    with contextlib.chdir(work), mock.patch.object(sys, "argv", [f"stages/{stage[0]}.py", *stage[1:]]):
        importlib.import_module(stage[0]).main()
    torch.set_num_threads(before)


def killed_on_the_way(work: Path, *stage: str) -> None:
    """Start a stage and kill it as soon as it has written a checkpoint."""
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    script = str(ROOT / "stages" / f"{stage[0]}.py")
    process = subprocess.Popen([sys.executable, script, *stage[1:]], cwd=work, env=environment)
    folder = work / ".scratch" / stage[0] / stage[1]
    for _ in range(3000):
        if list(folder.glob("*/seed-*/*.ckpt")):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob("*/seed-*/*.ckpt")), "the stage ended before it could be killed"


def change(work: Path, **sections) -> None:
    content = yaml.safe_load((work / "params.yaml").read_text()) | sections
    (work / "params.yaml").write_text(yaml.safe_dump(content))


def outputs(work: Path) -> dict[str, bytes]:
    folders = [work / "data/embeddings/simclr", work / "data/labels", work / "data/models", work / "plots"]
    return {str(f.relative_to(work)): f.read_bytes() for top in folders for f in sorted(top.rglob("*")) if f.is_file()}


def test_a_stage_that_was_killed_ends_in_the_same_bytes(work):
    """As soon as it has a checkpoint; tests/stages/test_circumstances.py kills more, at random."""
    run(work, "pretext", "simclr")
    whole = outputs(work)
    assert not (work / ".scratch/pretext/simclr").exists()
    for folder in ("data/embeddings", "plots"):
        shutil.rmtree(work / folder)
    killed_on_the_way(work, "pretext", "simclr")
    run(work, "pretext", "simclr")
    assert outputs(work) == whole
    assert np.load(work / "data/embeddings/simclr/embedding.npy").shape == (2, N, 16)
    curves = pd.read_csv(work / "plots/training/simclr.csv")
    assert list(curves["epoch"]) == [*range(1, 13)] * 2 and {"loss", "spread", "rank"} <= set(curves)


def test_seeds_side_by_side_give_the_bytes_of_one_after_the_other(work):
    found = []
    for workers in (1, 2):
        change(work, train=SECTIONS["train"] | {"workers": workers})
        for stage in (("pretext", "simclr"), ("deep", "spice", "simclr")):
            run(work, *stage)
        found.append(outputs(work))
    assert found[0] == found[1]
    cells, labelled = labels.load(work / "data/labels/deep/spice.npz")
    assert [cell["seed"] for cell in cells] == [0, 1] and labelled.shape == (2, N)


def test_a_method_on_log_mels_needs_an_encoder_that_was_trained_here(tmp_path):
    (tmp_path / "logmel_stats").mkdir()
    np.save(tmp_path / "logmel_stats" / EMBEDDING, np.zeros((N, 4), np.float32))
    with pytest.raises(ValueError, match=r"cc.*logmel_stats.*byol, dae, moco, simclr"):
        deep(
            "cc", {"k": K}, {"width": 16}, Clips(logmels()), {"logmel_stats": tmp_path / "logmel_stats"}, [0],
            tmp_path / "out", tmp_path / "scratch", Train(device="cpu", threads=1),
        )  # fmt: skip


def test_heads_are_trained_on_the_views_of_an_encoder_that_was_not_trained_here(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "frozen"
    folder.mkdir()
    x = rng.normal(size=(N, 6)) + 6 * np.eye(6)[np.arange(N) % K]
    np.save(folder / EMBEDDING, x.astype(np.float32))
    train, section = Train(device="cpu", threads=1, workers=1), {"k": K, "epochs": 40, "views": 2, "heads": 2}
    kinds, scores = {"spice": ("weak", "strong"), "scan": ("strong",)}, []
    for noise in (0.1, 30.0):  # views that say nothing of their clips
        for kind in ("weak", "strong"):
            np.save(views_file(folder, kind), (x + noise * rng.normal(size=(3, N, 6))).astype(np.float32))
        for name in kinds:
            more = {"stage": "self" if name == "spice" else "cluster", "lr": 0.01, "batch": 12}
            out = tmp_path / f"{name}-{noise}"
            cells, found, _, _ = deep(
                name, section | more, {}, None, {"frozen": folder}, [0, 1], out, tmp_path / "scratch", train
            )
            assert [(cell["encoder"], cell["seed"]) for cell in cells] == [("frozen", 0), ("frozen", 1)]
            model = registry.get("methods", name).load(out / "seed-1")
            np.testing.assert_array_equal(model.predict(x), found[1])
            scores.append(min(normalized_mutual_info_score(np.arange(N) % K, labels) for labels in found))
    assert min(scores[:2]) > 0.9 > 0.8 > max(scores[2:])


def test_other_labels_of_a_method_are_rows_of_their_own(tmp_path):
    section = {"k": K, "epochs": 2, "batch": 12, "d": 16, "channels": 4, "projection": 8, "n_init": 2}
    train = Train(device="cpu", threads=1, workers=1)
    cells, found, _, _ = deep(
        "idfd", section, {"width": 16}, Clips(logmels()), {}, [0, 1], tmp_path / "out", tmp_path / "scratch", train
    )  # fmt: skip
    names = [(cell["clusterer"], cell["seed"]) for cell in cells]
    assert names == [("idfd", 0), ("idfd", 1), ("idfd/memory", 0), ("idfd/memory", 1)]
    assert found.shape == (4, N) and found.dtype == np.int32


def test_a_method_on_two_views_has_the_clips_and_an_embedding_or_two_embeddings(tmp_path):
    rng, folders = np.random.default_rng(0), {}
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        folders[name] = tmp_path / name
        np.save(folders[name] / EMBEDDING, rng.normal(size=(N, 6)).astype(np.float32))
    section = {"k": K, "d": 3, "channels": 2, "hidden": [8], "pretrain_epochs": 2, "epochs": 2, "batch": 12}
    train = Train(device="cpu", threads=1, workers=1)
    for clips, views in ((Clips(logmels()), {"one": folders["one"]}), (None, folders)):
        out, scratch = tmp_path / "out", tmp_path / "scratch"
        cells, found, curves, _ = deep("cmsc_dcca", section, {}, clips, views, [0], out, scratch, train)
        assert [cell["encoder"] for cell in cells] == ["+".join(views)] and found.shape == (1, N)
        assert {*curves["phase"]} == {"view-0", "view-1", "express"}
        shapes = json.loads((out / "seed-0/config.json").read_text())["more"]["shapes"]
        assert shapes == ([[6], [6]] if clips is None else [[logmels().shape[1], 16], [6]])
    section = {"k": K, "runs": 2, "epochs": 5}
    cells, found, _, _ = deep("turtle", section, {}, None, folders, [0], tmp_path / "t", tmp_path / "scratch", train)
    assert cells[0]["encoder"] == "one+other"
    both = [np.load(folder / EMBEDDING) for folder in folders.values()]
    model = registry.get("methods", "turtle").load(tmp_path / "t/seed-0")
    np.testing.assert_array_equal(model.predict(both), found[0])
    assert (model.predict([both[0], np.zeros_like(both[1])]) != found[0]).any()


def test_checkpoints_fit_the_inputs_they_were_made_from():
    train = Train(device="cpu", threads=1)
    inputs = ({"a": 1}, {"a": 2}, np.arange(3), np.arange(4), "code")
    assert len({key(train, each) for each in inputs} | {key(Train(device="cpu", threads=2), inputs[0])}) == 6


def test_runs_with_other_inputs_leave_each_others_checkpoints_alone(tmp_path):
    def trained(lr, kill):
        train = Train(device="cpu", threads=1, checkpoint_seconds=0, workers=1)
        return train, train.seeds(counted, "x", [0], tmp_path, key(train, lr), lr, kill)[0]

    trained(1.0, kill=2)
    other, run = trained(2.0, kill=None)
    assert run.earlier == 0 and len(run.curves) == 4
    other.finish()
    train, run = trained(1.0, kill=None)
    assert run.earlier > 0 and len(run.curves) == 4  # it resumed where it was
    assert any(tmp_path.rglob("*.ckpt"))  # until what came of it is written
    train.finish()
    assert not any(tmp_path.rglob("*.ckpt"))


def test_a_run_that_ends_leaves_the_checkpoints_of_one_of_the_same_key(tmp_path):
    def trained(kill):
        train = Train(device="cpu", threads=1, checkpoint_seconds=0, workers=1)
        train.seeds(counted, "x", [0], tmp_path / "scratch", "key", 1.0, kill)
        return train

    slow = trained(kill=2)
    trained(kill=None).finish()
    assert any(tmp_path.rglob("*.ckpt"))
    slow.finish()
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_checkpoints_are_kept_by_workers_too(tmp_path, threads):
    train = Train(device="cpu", threads=threads, checkpoint_seconds=0, workers=2)
    train.seeds(counted, "x", [0, 1], tmp_path / "scratch", "key", 1.0, None)
    assert len(list(tmp_path.rglob("*.ckpt"))) == 2
    train.finish()
    assert not (tmp_path / "scratch").exists()


def test_curves_are_numbered_over_all_phases():
    run = Run(curves=[{"phase": "a", "epoch": 0, "loss": 1 / 3}, {"phase": "b", "epoch": 0, "loss": 2 / 3}])
    table = curve(run, seed=7)
    assert list(table["epoch"]) == [1, 2] and list(table["seed"]) == [7, 7]
    assert table["loss"].tolist() == [0.33333, 0.66667]
