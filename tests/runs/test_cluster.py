"""Recordings to clusters in one call from Python, and what of it can be kept."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from fitted_fixture import K, record, tone
from sklearn.metrics import adjusted_rand_score

import audioclust
from audioclust.report.numbers import Advice
from audioclust.runs import cluster as module

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = module.ENCODERS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "recordings"
    record(folder)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Encoders without weights, and no reduction."""
    monkeypatch.setattr(module, "ENCODERS", ("logmel_stats", "byol_a_random"))
    monkeypatch.setattr(module, "REDUCERS", ("none",))


def kinds(table):
    """Return of each clip of the tones which kind it is."""
    return table["path"].str.extract(r"(\d)/\d+\.wav$")[0]


def test_the_clusters_of_a_folder_and_what_is_said_of_them(root, tmp_path):
    found = audioclust.cluster(root, k=K, clip_seconds=0.4, out=tmp_path / "out", workers=1)
    known = kinds(found.clips).notna()
    assert adjusted_rand_score(kinds(found.clips)[known], found.labels[known]) == 1 and found.k == K
    assert [*found.clips] == ["path", "start", "end", "cluster", "name", "confidence", "is_exemplar"]
    assert found.clips["path"].tolist() == sorted(str(path) for path in root.rglob("*.wav"))
    assert 0 < found.clips["is_exemplar"].sum() < len(found.clips)
    encoder, *_ = found.cell.split("/")
    assert encoder in module.ENCODERS and "33 of 33 files used" in found.why and "Other encoders see" in found.why
    assert f"33 clips in {K} clusters" in repr(found) and len(found.table) == 2 * len(module.CLUSTERERS)
    again = found.predict(root, workers=1)
    assert again["cluster"].tolist() == found.labels.tolist() and again["path"].tolist() == [*found.clips["path"]]
    tone(tmp_path / "new.wav", 0, 77)
    there = audioclust.load(tmp_path / "out").predict(tmp_path / "new.wav", workers=1, limit=9)
    assert there["cluster"][0] == found.labels[(kinds(found.clips) == "0").to_numpy()][0]


def test_a_list_of_files_and_folders_and_a_result_that_is_saved(root, tmp_path):
    files = sorted(map(str, (root / "2").iterdir()))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    found = audioclust.cluster([root / "0", *files, tmp_path / "broken.wav"], k=2, clip_seconds=0.4, workers=1)
    assert [*found.clips["path"]] == sorted([*(str(path) for path in (root / "0").iterdir()), *files])
    assert found.rejected["reason"].tolist() == ["unreadable"] and "not used: 1 unreadable" in found.why
    found.save(tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"model", "clips.csv", "table.csv"}
    first = {path: path.read_bytes() for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    found.save(tmp_path / "saved")
    assert all(path.read_bytes() == content for path, content in first.items())
    pd.testing.assert_frame_equal(
        audioclust.load(tmp_path / "saved").predict(root, workers=1), found.predict(root, workers=1)
    )


def test_without_a_number_there_are_as_many_clusters_as_the_recordings_speak_for(root):
    found = audioclust.cluster(root, clip_seconds=0.4, workers=1)
    assert found.k == K and "Of the number of clusters: " in found.why and f" for {K}" in found.why


def test_where_nothing_speaks_for_a_number_there_are_ten_clusters(root, monkeypatch):
    monkeypatch.setattr(module.numbers, "advice", lambda curve: Advice(2, 4, 9, "it stays open"))
    found = audioclust.cluster(root, clip_seconds=0.4, workers=1)
    assert found.k == 10 and "it stays open" in found.why


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"k": 1}, "k = 1: must be a number of clusters, 2 or more"),
        ({"k": "8"}, "k = '8': must be a number"),
        ({"k": 99}, "k = 99: more clusters than the 33 clips"),
        ({"kind": "voice"}, "kind = 'voice': no kind of sound.*did you mean 'voices'"),
        ({"clip_seconds": 0.0}, "must have a sample"),
    ],
)
def test_wrong_values_are_named(root, more, message):
    with pytest.raises(ValueError, match=message):
        audioclust.cluster(root, **{"clip_seconds": 0.4, "workers": 1} | more)


def test_too_few_recordings_are_named_and_the_folder_serves_again(root, tmp_path):
    few = sorted(path for path in root.rglob("*.wav"))[:3]
    for _ in range(2):
        with pytest.raises(ValueError, match="3 clips: at least 4 are needed"):
            audioclust.cluster(few, out=tmp_path / "out", clip_seconds=0.4, workers=1)
    (tmp_path / "out/check").mkdir()
    with pytest.raises(ValueError, match="what a pipeline has written"):
        audioclust.cluster(few, out=tmp_path / "out")


def test_nothing_that_is_there_is_lost(root, tmp_path):
    (tmp_path / "clips.csv").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        audioclust.cluster(root, k=K, out=tmp_path)
    found = audioclust.cluster(root, k=K, clip_seconds=0.4, workers=1)
    with pytest.raises(ValueError, match=r"clips\.csv: is there and none of a result's"):
        found.save(tmp_path)
    assert (tmp_path / "clips.csv").read_text() == "mine"
    with pytest.warns(UserWarning, match="no recordings below"), pytest.raises(ValueError, match="no recordings in"):
        audioclust.cluster(tmp_path)


@pytest.mark.parametrize("page", ["README.md", "docs/USAGE.md"])
def test_the_example_in_the_documentation_runs(root, tmp_path, monkeypatch, page):
    blocks = (ROOT / page).read_text().split("```python\n")
    (example,) = [block.partition("```")[0] for block in blocks if "audioclust.cluster(" in block.partition("```")[0]]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").symlink_to(root)
    tone(tmp_path / "new.wav", 1, 70)
    names = {}
    exec(example, names)
    assert isinstance(names["found"].predict("new.wav")["cluster"].iloc[0], np.integer)


def test_the_encoders_are_those_of_the_pipeline():
    assert list(ENCODERS) == yaml.safe_load((ROOT / "params.yaml").read_text())["encoders"]


def test_importing_the_package_is_light():
    asked = "import sys, audioclust; print(sorted({'numpy', 'pandas', 'torch'} & {*sys.modules}), dir(audioclust))"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said == "[] ['Model', 'Result', 'cluster', 'load']\n"
    with pytest.raises(AttributeError, match="has no attribute 'clustre'"):
        audioclust.clustre  # noqa: B018
