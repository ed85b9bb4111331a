"""Stage ``report``: the lists, the exports and the paragraph of one cell, and what clusters.yaml does. In process."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from stages_fixture import ROOT, run, tone

from audioclust.results import labels

STAGES = ("check", "recordings", "prepare", "label", "logmel", "embed logmel_stats", "grid logmel_stats", "evaluate")


@pytest.fixture
def reported(work, unpainted):
    """Six recordings of two pitches, one of them long, and all stages before ``report``; returns what runs it."""
    root = work(
        k=2, data={"dataset": "scenes", "clip_seconds": 0.5, "long": "split"}, folder={"path": "in"}, seeds=[0, 1]
    )
    for i in range(5):
        tone(root / f"in/{'ab'[i % 2]} (é)/{i}, x=1.wav", 200 if i % 2 else 4000, seed=i)
    tone(root / "in/long.wav", 200, seconds=2.0, seed=7)
    (root / "in/no recording.txt").write_text("")
    for stage in STAGES:
        run(*stage.split())

    def edit(text: str = "") -> pd.DataFrame:
        (root / "clusters.yaml").write_text(text)
        run("report")
        return pd.read_csv("data/clusters/clips.csv", keep_default_na=False)

    return edit


def test_the_best_cell_is_listed_exported_and_told(reported, capsys):
    found = reported()
    assert len(found) == 9 and found["path"].tolist()[-4:] == ["long.wav"] * 4
    cells, all_labels = labels.load(Path("data/labels/grid/logmel_stats.npz"))
    assert (found["cluster"] == all_labels[0]).all() and set(found["cluster"]) == {0, 1}
    low = found["path"].str.startswith("b") | (found["path"] == "long.wav")
    assert found.loc[low, "cluster"].nunique() == found.loc[~low, "cluster"].nunique() == 1
    assert found["end"].tolist() == [0.5] * 5 + [0.5, 1.0, 1.5, 2.0] and found["is_exemplar"].sum() == 8
    described = pd.read_csv("data/clusters/summary.csv").set_index("cluster")
    nearest = {(each["path"], each["start"]) for each in json.loads(described.loc[0, "nearest"])}
    rows = found[found["is_exemplar"] & (found["cluster"] == 0)]
    assert {*zip(rows["path"], rows["start"], strict=True)} == nearest
    files = pd.read_csv("data/clusters/files.csv").set_index("path")
    assert files.loc["long.wav", ["clips", "timeline"]].tolist() == [4, f"0-2:{found['cluster'].iloc[-1]}"]
    side = pd.read_csv("data/clusters/labellings.csv")
    assert side.columns.tolist()[2:] == [f"logmel_stats/none/kmeans/{cell['seed']}" for cell in cells]
    track = Path("data/clusters/exports/audacity/b (é)/1, x=1.wav.txt").read_text()
    assert track == f"0.000000\t0.500000\t{found['cluster'].iloc[3]}\n"
    said = Path("data/clusters/report.txt").read_text()
    assert capsys.readouterr().out.endswith(said) and said.count("\n") == 1
    for part in (
        "labels: none", "6 of 7 files used: 9 clips", "1 files are no recordings", "k = 2, as given",
        "logmel_stats / none / kmeans, seed 0: the best cell by its choice without labels; without labels: choice",
        "2 clusters (number: clips)",
    ):  # fmt: skip
        assert part in said


def test_edits_change_the_lists_and_nothing_that_came_before(reported):
    before = reported()
    kept = {path: path.read_bytes() for path in Path("data/labels").rglob("*.npz")}
    cluster = before["cluster"].iloc[-1]
    found = reported(f"cell: logmel_stats/none/kmeans/1\nsplit: {{{cluster}: 2}}\nnames: {{{cluster}: low, 2: high}}")
    assert set(found["cluster"]) == {0, 1, 2} and set(found["name"]) == {"low", "high", ""}
    assert (found["cluster"] == before["cluster"])[before["cluster"] != cluster].all()
    assert {path: path.read_bytes() for path in kept} == kept
    said = Path("data/clusters/report.txt").read_text()
    assert "seed 1: as clusters.yaml names it" in said and f"{cluster} 'low': " in said
    found = reported(f"drop: [{cluster}]")
    dropped = found[before["cluster"] == cluster]
    assert set(dropped["cluster"]) == {-1} and set(dropped["confidence"]) == {""} and not dropped["is_exemplar"].any()
    assert Path("data/clusters/exports/audacity/long.wav.txt").read_text() == ""
    assert f"in none: {len(dropped)}" in Path("data/clusters/report.txt").read_text()


def test_edits_that_do_not_fit_stop_before_anything_is_written(reported):
    reported()
    before = {path: path.read_bytes() for path in Path("data/clusters").rglob("*") if path.is_file()}
    with pytest.raises(
        SystemExit, match=r"clusters\.yaml: merge: cluster 9 does not exist: the best cell, logmel_stats"
    ):
        reported("merge: [[0, 9]]")
    with pytest.raises(SystemExit, match=r"no such cell; it is .*such as logmel_stats/none/kmeans/0"):
        reported("cell: logmel_stats/none/kmean/0")
    assert {path: path.read_bytes() for path in before} == before


def test_the_report_is_the_same_twice_and_leaves_no_old_export(reported, work):
    reported()
    before = {path: path.read_bytes() for path in Path("data/clusters").rglob("*") if path.is_file()}
    (Path("data/clusters/exports/audacity") / "old.wav.txt").write_text("")
    reported()
    assert {path: path.read_bytes() for path in Path("data/clusters").rglob("*") if path.is_file()} == before
    work(report={"exports": ["raven"]})
    reported()
    assert sorted(path.name for path in Path("data/clusters/exports").iterdir()) == ["README.txt", "raven"]
    work(report={"exports": ["ravn"]})
    with pytest.raises(SystemExit, match=r"exports: 'ravn' is no format.*did you mean 'raven'"):
        run("check")


def test_a_folder_that_is_not_there_is_named_before_any_work(work):
    work(folder={"path": "nowhere"})
    run("check")
    with pytest.raises(SystemExit, match=r"folder\.path = nowhere: no such folder; set folder\.path to"):
        run("recordings")
    assert not Path("data/recordings").exists()


def test_a_folder_that_moved_is_the_same_data_set(work):
    root = work(folder={"path": "in"})
    run("check")
    before = Path("data/check/dataset.json").read_text()
    assert json.loads(before)["name"] == "folder" and "path" not in json.loads(before)["parameters"]
    shutil.copytree(ROOT / "docs", root / "moved")
    work(folder={"path": "moved"})
    run("check")
    assert Path("data/check/dataset.json").read_text() == before
    work(folder={"path": None, "labels": "none"})
    run("check")
    assert json.loads(Path("data/check/dataset.json").read_text())["parameters"]["labels"] == "none"


def test_channels_are_regions_of_their_own(work, unpainted):
    root = work(k=2, data={"dataset": "folder", "root": "in", "clip_seconds": 0.5, "channels": "each"})
    t = np.arange(8000) / 16_000
    (root / "in").mkdir()
    for i in range(4):
        both = np.stack([np.sin(2 * np.pi * f * t) for f in (200, 4000 + i)], axis=1)
        soundfile.write(
            root / f"in/{i}.wav", 0.3 * both * [i != 3, 1], 16_000
        )  # the last one's first channel is silent
    for stage in STAGES:
        run(*stage.split())
    shutil.copy(ROOT / "clusters.yaml", root)
    run("report")
    tables = [pd.read_csv(path, sep="\t") for path in sorted(Path("data/clusters/exports/raven").iterdir())]
    assert [table["Channel"].tolist() for table in tables] == [[1, 2]] * 3 + [[2]]
    assert pd.read_csv("data/clusters/files.csv")["timeline"].tolist()[0].count("|") == 1
