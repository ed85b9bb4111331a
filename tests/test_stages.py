"""What users bring: a folder without labels, of one class, of fewer clips than clusters, with odd names. In process."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

import params as params_module

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


def tone(path: Path, pitch: float, seconds: float = 0.6, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, 0.01, len(t)), RATE)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working folder with a params.yaml for a folder of recordings; returns a function that changes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "docs").mkdir()
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {
        "data": {"dataset": "folder", "root": "in", "clip_seconds": 0.5},
        "encoders": ["logmel_stats"],
        "reducers": ["none"],
        "clusterers": ["kmeans"],
        "seeds": [0],
    }

    def change(**sections) -> Path:
        content.update(sections)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return tmp_path

    change()
    return change


def run(stage: str, *arguments: str) -> None:
    """Run a stage's main as its script does."""
    sys.argv = [f"stages/{stage}.py", *arguments]
    name = f"stages_{stage}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "stages" / f"{stage}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    params_module.run(module.main)


def run_all() -> pd.DataFrame:
    run("prepare")
    run("logmel")
    run("embed", "logmel_stats")
    run("reduce", "logmel_stats", "none")
    run("baseline", "logmel_stats", "kmeans")
    run("evaluate")
    return pd.read_csv("metrics/table.csv")


def test_a_labelled_folder_with_spaces_accents_and_equal_names(work):
    root = work()
    for i in range(6):
        tone(root / f"in/graves é/clip {i}.wav", 200, seed=i)
        tone(root / f"in/aigus 高/clip {i}.wav", 4000, seed=i)
    table = run_all()
    assert table["acc_mean"].iloc[0] == 1
    clips = pd.read_csv(root / "data/clips/clips.csv")
    assert set(clips["label"]) == {"graves é", "aigus 高"} and clips["clip_id"].is_unique and len(clips) == 12


def test_without_labels_k_must_be_given_and_scores_are_label_free(work, capsys):
    root = work()
    for i in range(6):
        tone(root / f"in/{i}.wav", 200 if i % 2 else 4000, seed=i)
    with pytest.raises(SystemExit, match=r"kmeans\.k = auto: .*no labels.*kmeans\.k=8"):
        run_all()
    work(kmeans={"k": 2})
    run("baseline", "logmel_stats", "kmeans")
    run("evaluate")
    table = pd.read_csv("metrics/table.csv")
    assert table["nmi_mean"].isna().all() and table["silhouette_mean"].iloc[0] > 0.3
    assert json.loads(Path("metrics/summary.json").read_text())
    assert all((root / f"plots/{name}.png").stat().st_size for name in ("bars", "confusion", "map_label", "examples"))


def test_one_class_only(work):
    root = work(kmeans={"k": 2})
    for i in range(6):
        tone(root / f"in/only/{i}.wav", 200 * (i + 1), seed=i)
    table = run_all()
    assert table["nmi_mean"].isna().all() and table["clusters"].iloc[0] == 2


def test_fewer_clips_than_clusters(work):
    root = work(kmeans={"k": 9})
    for i in range(4):
        tone(root / f"in/a/{i}.wav", 300, seed=i)
    with pytest.raises(SystemExit, match=r"n_samples=4 .*k=9"):
        run_all()


def test_a_missing_folder(work):
    work(data={"dataset": "folder", "root": "nowhere"})
    with pytest.raises(SystemExit, match=r"data\.root = nowhere"):
        run("prepare")


def test_bad_recordings_are_listed_and_the_rest_goes_on(work):
    root = work(data={"dataset": "folder", "root": "in", "clip_seconds": 0.5, "max_rejected": 0.5})
    for i in range(6):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    (root / "in/a/text.wav").write_text("this is no sound")
    (root / "in/a/nothing.wav").write_bytes(b"")
    soundfile.write(root / "in/b/silent.wav", np.zeros(RATE), RATE)
    table = run_all()
    rejected = pd.read_csv(root / "data/clips/rejected.csv").set_index("path")["reason"]
    assert rejected.to_dict() == {"a/nothing.wav": "empty", "a/text.wav": "unreadable", "b/silent.wav": "silent"}
    assert table["acc_mean"].iloc[0] == 1


def test_too_many_bad_recordings_stop_the_run_with_counts(work):
    root = work()
    tone(root / "in/a/0.wav", 300)
    (root / "in/a/text.wav").write_text("this is no sound")
    with pytest.raises(SystemExit, match=r"1 of 2 recordings cannot be used \(1 unreadable\).*max_rejected"):
        run("prepare")
    assert (root / "in/a/text.wav").is_file()


def test_costs_are_kept_outside_the_tracked_outputs(work):
    root = work()
    for i in range(6):
        tone(root / f"in/{'ab'[i % 2]}/{i}.wav", 300 if i % 2 else 3000, seed=i)
    run_all()
    (cost,) = json.loads((root / ".scratch/costs/baseline-logmel_stats-kmeans.json").read_text())
    assert cost["seconds"] >= 0 and cost["peak_mb"] > 0
    assert "seconds" not in (root / "metrics/table.csv").read_text()
