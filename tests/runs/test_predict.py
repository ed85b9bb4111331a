"""Any cell as a model: what it was fitted to keeps its labels, other recordings find theirs, in any folder."""

import csv
import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from fitted_fixture import RATE, K, fit, record, tone

from audioclust.datasets.folder import Folder
from audioclust.points.neighbours import Neighbours
from audioclust.points.subset import NEIGHBOURS
from audioclust.runs.predict import model as of_model
from audioclust.runs.predict.export import fitted
from audioclust.runs.predict.hearing import Encoder
from audioclust.runs.predict.model import COLUMNS, side_by_side
from audioclust.runs.predict.saved import load, save
from audioclust.threads import one_thread

# A cell of each rule: the neighbours' vote, in one embedding and in two; centroids; methods on log-mels from a trained
# encoder and from none, on one embedding, on both, on two embeddings, and from a frozen encoder
KINDS = [
    "logmel_stats/tsne/spectral/1", "simclr/none/agglomerative/1", "simclr+logmel_stats/none/turtle/gamma-0.3/0",
    "logmel_stats/none/kmeans/0", "logmel_stats/pca/kmeans/1", "simclr/none/kmeans/1", "simclr/none/spice/1",
    "scratch/none/idfd/0", "scratch/none/idfd/memory/0", "simclr/none/temi/0", "logmel_stats/none/cmsc_dcca/1",
    "simclr+logmel_stats/none/turtle/0", "logmel_stats/none/scan/0",
]  # fmt: skip
kinds = pytest.mark.parametrize("name", KINDS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "in"
    record(folder)
    return folder


@pytest.fixture(scope="module")
def outputs(root, tmp_path_factory):
    with one_thread():
        return fit(root, tmp_path_factory.mktemp("fitted") / "data")


def model(outputs, name="logmel_stats/none/kmeans", labels=None, names=None):
    cell, found = outputs.find(name)
    return fitted(outputs, cell, found).relabelled(found if labels is None else labels, names or {})


def listed(outputs):
    """Return the rows of the clip table in the order in which a folder is walked."""
    return outputs.clips.sort_values(["path", "start"], key=lambda c: c.astype(float) if c.name == "start" else c)


@kinds
def test_recordings_that_a_cell_was_fitted_to_keep_their_clusters(outputs, root, name):
    _, labels = outputs.find(name)
    fit_, table = model(outputs, name), listed(outputs)
    found = fit_.predict(root, workers=1)
    assert tuple(found) == COLUMNS and found["known"].all() and not found.attrs["refused"]
    assert found["path"].tolist() == [str(root / path) for path in table["path"]]
    assert found["start"].tolist() == table["start"].astype(float).tolist()
    assert found["cluster"].tolist() == labels[table.index].tolist()
    around = labels[Neighbours(fit_.voters.x).query(NEIGHBOURS)[1]]
    sure = np.where(labels < 0, np.nan, (around == labels[:, None]).mean(axis=1))[table.index]
    np.testing.assert_array_equal(found["confidence"], np.round(sure, 2))


def test_every_cell_of_the_table_finds_what_it_was_fitted_to(outputs, root, tmp_path):
    clips = outputs.clips.assign(duration=outputs.clips["duration"].astype(float)).to_dict("records")
    audio = np.load(outputs.data / "clips/audio.npy")
    cells = [(cell, labels) for cell, labels in outputs.cells() if cell["seed"]]
    assert len(cells) > 60
    for cell, labels in cells:
        votes, known = fitted(outputs, cell, labels).votes(clips, audio, tmp_path)
        assert known.all() and np.array_equal(votes.labels, labels), cell


@pytest.mark.parametrize("name", ["logmel_stats/tsne/spectral", "logmel_stats/pca/kmeans", "logmel_stats/none/kmeans"])
def test_other_recordings_find_the_cluster_of_their_kind(outputs, tmp_path, name):
    _, labels = outputs.find(name)
    for kind in range(K):
        for take in range(5):
            tone(tmp_path / f"{kind}-{take}.wav", kind, 90 + take)
    found = model(outputs, name).predict(tmp_path, workers=1)
    own = [labels[outputs.clips["path"] == f"{kind}/0.wav"][0] for kind in range(K) for _ in range(5)]
    known = found["known"]
    assert known.mean() >= 0.7 and found["cluster"][known].tolist() == np.array(own)[known].tolist()
    assert (found["confidence"][known] >= 0.8).all()  # eight of ten neighbours


@pytest.mark.parametrize("name", [name for name in KINDS if not re.search("spectral|agglomerative|gamma|memory", name)])
def test_the_rule_of_a_clusterer_gives_its_own_labels_again(outputs, tmp_path, name):
    fit_ = model(outputs, name)
    unknown = replace(fit_, digests=np.zeros_like(fit_.digests))
    clips = outputs.clips.assign(duration=outputs.clips["duration"].astype(float)).to_dict("records")
    votes, known = unknown.votes(clips, np.load(outputs.data / "clips/audio.npy"), tmp_path)
    assert not known.any() and np.mean(votes.labels == fit_.found) > 0.95


def test_what_sounds_like_nothing_else_is_in_no_cluster_and_the_limit_says_what_that_is(outputs, tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "noise.wav", rng.normal(0, 0.3, RATE), RATE)
    tone(tmp_path / "tone.wav", 1, 77)
    fit_ = model(outputs, names={0: "low", 1: "high", 2: "middle"})
    found = fit_.predict(tmp_path, workers=1)
    noise, sound = found[found["path"].str.contains("noise")], found[found["path"].str.contains("tone")]
    assert (noise["cluster"] == -1).all() and not noise["known"].any() and (noise["distance"] > 1).all()
    assert noise["confidence"].isna().all() and (noise["name"] == "").all()
    assert sound["known"].all() and (sound["cluster"] >= 0).all() and sound["name"].iloc[0] in ("low", "high", "middle")
    assert fit_.predict(tmp_path / "noise.wav", limit=1e9, workers=1)["known"].all()


def test_a_folder_elsewhere_works_without_the_data_and_has_the_same_bytes(outputs, root, tmp_path):
    tone(tmp_path / "new.wav", 2, 88)
    names = "simclr/none/spice/1", "simclr+logmel_stats/none/turtle/0", "logmel_stats/pca/kmeans", "scratch/none/idfd"
    for number, name in enumerate(names):
        here, same = (model(outputs, name, names={0: 'zero, "null"'}) for _ in range(2))
        save(here, tmp_path / "one")
        save(same, tmp_path / "two")
        files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
        assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
        assert {file.suffix for file in files} <= {".json", ".npy", ".npz", ".safetensors"}
        shutil.move(tmp_path / "two", tmp_path / f"elsewhere-{number}")
        there = load(tmp_path / f"elsewhere-{number}")
        assert all(tmp_path in (encoder.folder or tmp_path / "x").parents for encoder in there.hearing.encoders)
        paths = [tmp_path / "new.wav", root]
        pd.testing.assert_frame_equal(there.predict(paths, workers=1), here.predict(paths, workers=1))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["logmel_stats/none/kmeans", "simclr/none/spice/1", "logmel_stats/tsne/spectral"])
def test_clusters_that_the_user_merged_split_or_dropped(outputs, root, tmp_path, name):
    _, labels = outputs.find(name)
    first, second, *_ = np.unique(labels)
    merged = np.where(labels == second, first, labels)
    halves = np.where((labels == first) & (np.arange(len(labels)) % 2 == 0), 9, labels)
    dropped = np.where(labels == first, -1, labels)
    table, edits = listed(outputs), {"merge": merged, "split": halves, "drop": dropped}
    (tmp_path / "new.wav").write_bytes((root / outputs.clips["path"][int(np.argmax(labels == first))]).read_bytes())
    samples, rate = soundfile.read(tmp_path / "new.wav")
    soundfile.write(tmp_path / "new.wav", samples * 0.99, rate)  # another digest
    expected = {"merge": {first}, "split": {first, 9}, "drop": {-1}}
    for what, wanted in edits.items():
        fit_ = model(outputs, name, labels=wanted)
        assert fit_.predict(root, workers=1)["cluster"].tolist() == wanted[table.index].tolist()
        assert {*fit_.predict(tmp_path, workers=1, limit=1e9)["cluster"]} <= expected[what], what


def test_order_hostile_names_and_what_cannot_be_read(outputs, root, tmp_path):
    names = ["b, c.wav", 'a "quoted".wav', "new\nline.wav", "=1+1.wav", "é <b>.wav"]
    for take, name in enumerate(names):
        tone(tmp_path / "in" / name, 0, 60 + take)
    (tmp_path / "in/broken.wav").write_bytes(b"RIFF nothing")
    for raw in (b"/\xe9.wav", b"/cr\r.wav"):
        shutil.copy(tmp_path / "in/b, c.wav", os.fsencode(tmp_path / "in") + raw)
    twice = [tmp_path / "in" / names[0], tmp_path / "absent.wav", tmp_path / "in", tmp_path / "in" / names[0]]
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning, match="5 have no cluster"):
        found = model(outputs).predict([*twice, tmp_path / "empty"], workers=1)
    walked = [path for path in Folder(labels="none").recordings(tmp_path / "in")["path"]]
    shown = [path for path in walked if path in names]
    expected = [names[0], *shown, names[0]]
    assert found["path"].tolist() == [str(tmp_path / "in" / name) for name in expected]
    refused = {Path(each.path).name: each.reason for each in found.attrs["refused"]}
    assert set(refused) == {"absent.wav", "broken.wav", "\\xe9.wav", "cr\\r.wav", "empty"}
    assert "no such file" in refused["absent.wav"] and "no recordings below" in refused["empty"]
    text = found.to_csv(index=False, lineterminator="\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == found["path"].tolist()


def test_long_recordings_are_heard_block_by_block_and_find_the_same(outputs, tmp_path, monkeypatch):
    tone(tmp_path / "long.wav", 1, 70, seconds=6.1)
    tone(tmp_path / "short.wav", 2, 71)
    fit_, sizes = model(outputs, "simclr/none/spice/1"), []
    whole = fit_.predict(tmp_path, workers=1)
    heard = of_model.Model.votes

    def counted(self, clips, audio, folder):
        sizes.append(len(audio))
        return heard(self, clips, audio, folder)

    monkeypatch.setattr(of_model.Model, "votes", counted)
    monkeypatch.setattr(of_model, "BLOCK", 4 * 2 * fit_.samples)
    parts = fit_.predict(tmp_path, workers=1)
    assert sizes == [4, 4, 4, 4] and len(whole) == 16
    pd.testing.assert_frame_equal(parts, whole, atol=0.002)


def test_copies_of_a_clip_keep_each_its_own_label(outputs, root):
    _, labels = outputs.find("logmel_stats/none/kmeans")
    rows = outputs.clips.index[outputs.clips["path"].isin(["0/3.wav", "copy.wav"])]
    wanted = labels.copy()
    wanted[rows] = [7, 8]
    found = model(outputs, labels=wanted).predict(root, workers=1)
    copies = found[found["path"].isin([str(root / "0/3.wav"), str(root / "copy.wav")])]
    assert copies["cluster"].tolist() == [7, 8]


def test_an_encoder_of_texts_and_log_mels_of_another_front_end_are_refused(outputs, tmp_path):
    tone(tmp_path / "new.wav", 0, 90)
    fit_ = model(outputs)
    fit_.hearing.encoders = [Encoder("text")]
    with pytest.raises(ValueError, match="the encoder text reads texts"):
        fit_.predict(tmp_path)
    fit_ = model(outputs, "simclr/none/kmeans")
    fit_.hearing.stats = fit_.hearing.stats | {"front_end": fit_.hearing.stats["front_end"] | {"hop": 80}}
    with pytest.raises(ValueError, match="hop = 80, not 160"):
        fit_.predict(tmp_path, workers=1)


def test_cells_are_found_by_name_and_others_are_an_error(outputs):
    assert outputs.find("simclr/none/temi")[0]["seed"] == 0
    with pytest.raises(
        ValueError, match=r"'simclr/none/tmei/0': there is no such cell; did you mean 'simclr/none/temi'"
    ):
        outputs.find("simclr/none/tmei/0")
    outputs = replace(outputs, prepare=replace(outputs.prepare, clip_seconds=0.5))
    with pytest.raises(ValueError, match=r"data\.clip_seconds = 0\.5: the clips in .* have 0\.4 s"):
        model(outputs)


def test_damaged_folders_and_other_formats_are_an_error(outputs, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no model\.json in it, nor in its model or data/model"):
        load(tmp_path)
    save(model(outputs, "simclr/none/temi"), tmp_path / "data/model")
    assert load(tmp_path).cell["clusterer"] == "temi"
    said = json.loads((tmp_path / "data/model/model.json").read_text())
    for change, message in (
        ({"format": 99}, "its format is 99"),
        ({"encoders": [{"name": "../../x", "parameters": {}, "trained_here": True}]}, "unknown pretext"),
    ):
        (tmp_path / "data/model/model.json").write_text(json.dumps(said | change))
        with pytest.raises(ValueError, match=message):
            load(tmp_path)
    (tmp_path / "data/model/model.json").write_text(json.dumps(said))
    (tmp_path / "data/model/arrays.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is no whole model"):
        load(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/precious.txt").touch()
    with pytest.raises(ValueError, match="holds no model"):
        save(model(outputs), tmp_path / "other")


def test_points_of_two_encoders_stand_side_by_side(outputs):
    fit_ = model(outputs, "simclr+logmel_stats/none/turtle/0")
    assert fit_.voters.x.shape[1] == sum(len(scaling.mean) for scaling in fit_.scalings)
    np.testing.assert_allclose(np.square(fit_.voters.x).sum(1), 2, rtol=1e-5)
    assert side_by_side([np.ones((2, 3))], [fit_.scalings[0]._replace(how="none")])[1] is None
