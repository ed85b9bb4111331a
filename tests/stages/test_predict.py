"""``python stages/predict.py``: rows on the standard output, why recordings have none on the other, and the status."""

import errno
import io
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fitted as project_
import params as params_module
from audioclust.runs.predict.export import fitted
from audioclust.runs.predict.saved import save
from params import Params

STAGE = Path(__file__).resolve().parents[2] / "stages/predict.py"
CELL = "simclr/pca/kmeans/1"


def predict(*arguments, monkeypatch, capsys) -> pd.DataFrame:
    """Run the stage as its script does, and return the rows that it prints."""
    monkeypatch.setattr(sys, "argv", [str(STAGE), *map(str, arguments)])
    monkeypatch.setattr(sys, "path", sys.path.copy())
    main = runpy.run_path(str(STAGE))["main"]
    params_module.run(main)
    return pd.read_csv(io.StringIO(capsys.readouterr().out))


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.chdir(project.path)
    return project


def fitted_labels(cell):
    outputs = project_.outputs(Params())
    _, labels = outputs.find(cell)
    return pd.Series(labels, outputs.clips["path"])


def test_rows_are_all_that_stands_on_the_standard_output(project, tmp_path):
    new = tmp_path / "a, b.txt"
    new.write_text("no sound")
    command = [sys.executable, "stages/predict.py", "--cell", CELL, project.recordings, new, tmp_path / "absent.wav"]
    done = subprocess.run(command, cwd=project.path, env=project.env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 3, done.stderr
    rows = pd.read_csv(io.StringIO(done.stdout))
    assert len(rows) == 36 and rows["known"].all()
    assert f"{new}: unreadable: no sound that FFmpeg knows" in done.stderr
    assert f"{tmp_path / 'absent.wav'}: unreadable: no such file" in done.stderr


class Closed(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_reader_that_has_seen_enough_ends_it_in_silence(here, monkeypatch, capsys):
    closed, ends = Closed(), []
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(os, "dup2", lambda one, other: ends.append(other))
    monkeypatch.setattr(sys, "argv", [str(STAGE), "--cell", CELL, str(here.recordings)])
    params_module.run(runpy.run_path(str(STAGE))["main"])
    assert ends == [sys.__stdout__.fileno()] and "rror" not in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["best", CELL, "simclr/none/temi", "byol_a_random/tsne/agglomerative/0"])
def test_the_recordings_that_were_clustered_have_the_clusters_that_the_stages_found(here, cell, monkeypatch, capsys):
    rows = predict("--cell", cell, here.recordings, monkeypatch=monkeypatch, capsys=capsys)
    wanted = fitted_labels(project_.named(cell))
    assert rows["path"].tolist() == [str(here.recordings.parent / path) for path in wanted.index]
    assert np.array_equal(rows["cluster"], wanted)


def test_the_reported_cell_gives_the_list_again(here, monkeypatch, capsys):
    rows = predict(here.recordings, monkeypatch=monkeypatch, capsys=capsys)
    listed = pd.read_csv("data/clusters/clips.csv")
    assert rows["path"].tolist() == [str(here.recordings.parent / path) for path in listed["path"]]
    same = ["start", "end", "cluster", "name", "confidence"]
    pd.testing.assert_frame_equal(rows[same], listed[same])


def test_a_model_elsewhere_needs_no_project_and_a_file_is_whole_or_not_there(here, tmp_path, monkeypatch, capsys):
    outputs = project_.outputs(Params())
    cell, found = outputs.find(CELL)
    save(fitted(outputs, cell, found).relabelled(found, {0: "zero"}), tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    more = {"monkeypatch": monkeypatch, "capsys": capsys}
    rows = predict("--model", "model", here.recordings, **more)
    assert set(rows["name"][rows["cluster"] == 0]) == {"zero"} and rows["name"][rows["cluster"] != 0].isna().all()
    with pytest.raises(pd.errors.EmptyDataError):
        predict("--model", "model", "--out", "clusters.csv", here.recordings, **more)
    pd.testing.assert_frame_equal(pd.read_csv("clusters.csv"), rows)
    with pytest.raises(SystemExit, match=r"no model\.json"):
        predict("--model", "absent", "--out", "clusters.csv", here.recordings, **more)
    pd.testing.assert_frame_equal(pd.read_csv("clusters.csv"), rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell", "simclr/pca/kmaens/1"], "there is no such cell; did you mean 'simclr/pca/kmeans'"),
        (["--cell", "simclr"], "there is no such cell"),
        (["--limit", "-1"], "must be a number above 0"),
        (["--limit", "far"], "must be a number above 0"),
    ],
)
def test_what_cannot_be_is_an_error_in_a_line(here, arguments, said, monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        predict(*arguments, here.recordings, monkeypatch=monkeypatch, capsys=capsys)
    assert said in f"{ended.value} {capsys.readouterr().err}"
