"""Stage mixtures: where recordings are found, what is written, and that errors name the keys of the section."""

from pathlib import Path

import pandas as pd
import pytest
from separation_fixture import tones

from audioclust.parameters import validate
from audioclust.runs.mixtures import Mixtures, listed
from audioclust.runs.recordings import write
from audioclust.separation.corpus import Corpus, read_mixtures
from audioclust.separation.mixtures import tests as draw


class Tones:
    """A corpus that needs no recordings."""

    def __init__(self, genders="mmff", error=None):
        self.genders, self.error = genders, error

    def read(self, root, rate, workers):
        if self.error is not None:
            raise self.error
        return tones(self.genders)


class DataSet:
    """One whose recordings are not there."""

    def recordings(self, root):
        raise FileNotFoundError(f"data.root = {root}: there is nothing; set data.dataset=tones")

    def download(self, root):
        raise FileNotFoundError("data.root = here: it cannot be fetched")


def test_the_corpus_and_its_test_mixtures_are_written(tmp_path):
    settings = Mixtures("tones", two=3, three=2, seconds=0.5, seed=4)
    said = settings.run("mixtures", Tones(), None, tmp_path)
    corpus = Corpus.load(tmp_path)
    pd.testing.assert_frame_equal(corpus.utterances, tones().utterances, check_dtype=False)
    drawn = read_mixtures(tmp_path / "mixtures.csv")
    pd.testing.assert_frame_equal(drawn, draw(tones(), two=3, three=2, seconds=0.5, seed=4), check_dtype=False)
    assert said == (
        "mixtures: 0.1 minutes of 8 sources, train 4 utterances of 4, closed 4 utterances of 4, open 4 utterances of "
        "4; test mixtures: 3 closed of 2, 2 closed of 3, 3 open of 2, 2 open of 3"
    )


def test_equal_settings_write_equal_bytes(tmp_path):
    for name in ("one", "other"):
        Mixtures("tones", two=2, three=0).run("mixtures", Tones(), None, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_rejected_recordings_are_said(tmp_path):
    class Partly(Tones):
        def read(self, root, rate, workers):
            corpus = tones()
            corpus.rejected = pd.DataFrame([["a.wav", "silent", "no sound"]], columns=["path", "reason", "detail"])
            return corpus

    said = Mixtures("tones", two=1, three=0).run("music", Partly(), None, tmp_path)
    assert said.endswith("; 1 recordings left out, see rejected.csv")
    assert "a.wav,silent,no sound" in (tmp_path / "rejected.csv").read_text()


def test_too_few_speakers_stop_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"mixtures of 3 sources need 3 speakers, and the closed set has 2"):
        Mixtures("tones", two=1, three=1).run("mixtures", Tones("mf"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_embedded_corpus_needs_no_folder():
    for name in ("voices", "instruments"):
        assert Mixtures(name, root="nowhere").find("mixtures", None) is None


def test_the_folder_of_the_project_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "project"
    (project / "in").mkdir(parents=True)
    assert Mixtures("stems", "in").find("music", None, project) == project / "in"
    (tmp_path / "here").mkdir()
    assert Mixtures("stems", "here").find("music", None, project) == Path("here")
    assert Mixtures("stems", str(tmp_path / "here")).find("music", None, project) == tmp_path / "here"


def test_errors_name_the_keys_of_the_section(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"music\.root = nowhere: no such folder; set it to that"):
        Mixtures("stems", "nowhere").find("music", None)
    with pytest.raises(FileNotFoundError, match=r"mixtures\.root = nowhere: no such folder; set mixtures\.root to"):
        Mixtures("speakers", "nowhere").find("mixtures", ("tones", DataSet()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"mixtures\.root = here: it cannot be fetched"):
        Mixtures("speakers", str(tmp_path / "empty")).find("mixtures", ("tones", DataSet()))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "data.root is no text"), ValueError),
        (ValueError("data.root is no text"), ValueError),
        (FileNotFoundError(2, "No such file", "data.root"), FileNotFoundError),
    ],
)
def test_every_error_of_a_corpus_can_be_said(tmp_path, error, kind):
    with pytest.raises(kind, match=r"music\.root"):
        Mixtures("tones").run("music", Tones(error=error), None, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"two": -1}, r"Mixtures\.two = -1"),
        ({"seconds": 0}, r"Mixtures\.seconds = 0: greater than 0"),
        ({"length": "mean"}, r"Mixtures\.length = 'mean': 'min' or 'max'"),
        ({"sample_rate": 100}, r"Mixtures\.sample_rate = 100"),
        ({"workers": -2}, r"Mixtures\.workers = -2"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        validate(Mixtures("voices", **changes))


def test_the_list_of_files_is_sorted_relative_and_without_what_is_hidden(tmp_path):
    for name in ("b/2.wav", "b/1.wav", "a.flac", ".git/config", "b/.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert listed(tmp_path)["path"].tolist() == ["a.flac", "b/1.wav", "b/2.wav"]
    assert listed(None)["path"].tolist() == []
    hidden = tmp_path / ".hidden"  # a folder that is named so is still the user's choice
    hidden.mkdir()
    (hidden / "x.wav").write_text("x")
    assert listed(hidden)["path"].tolist() == ["x.wav"]


def test_the_list_takes_names_that_are_no_utf_8(tmp_path):
    (tmp_path / "in").mkdir()
    (Path(str(tmp_path / "in")) / b"caf\xe9.wav".decode("utf-8", "surrogateescape")).write_text("x")
    (tmp_path / "in/gone.wav").symlink_to("nowhere")
    write(listed(tmp_path / "in"), tmp_path / "in", tmp_path / "out", tmp_path / "digests.csv")
    assert len(pd.read_csv(tmp_path / "out/files.csv")) == 1
    assert write(listed(None), None, tmp_path / "none", tmp_path / "none.csv").startswith("0 recordings")
