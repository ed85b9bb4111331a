"""Every data set keeps one contract; each is read from a tiny copy of its layout, and two from real recordings."""

import re
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from datasets_fixture import LAYOUTS, SCENES, clip, write

from audioclust import registry
from audioclust.datasets import dcase2018_task5, fsdd, librispeech, speech_commands
from audioclust.datasets._unpack import Contents, digest
from audioclust.datasets.dcase2018_task5 import DCASE2018Task5
from audioclust.datasets.esc50 import ESC50
from audioclust.datasets.fsdd import FSDD
from audioclust.datasets.librispeech import LibriSpeech
from audioclust.datasets.speech_commands import SpeechCommands
from audioclust.datasets.urbansound8k import UrbanSound8K
from audioclust.parameters import types

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings of ../shared/data are not here")
NAMES = [name for name in registry.names("datasets") if name != "scenes"]  # scenes has tests of its own
WITH_TEXTS = ("librispeech",)
PUBLIC = [name for name in NAMES if name != "folder"]


@pytest.fixture(params=NAMES)
def corpus(request, tmp_path):
    """Return the name of a data set, the data set with its defaults, and the folder that holds a tiny copy of it."""
    LAYOUTS[request.param](tmp_path)
    return request.param, registry.get("datasets", request.param)(), tmp_path


def test_the_table_keeps_the_contract(corpus):
    name, dataset, root = corpus
    table, labels = dataset.recordings(root), registry.module("datasets", name).LABELS
    assert list(table.columns) == ["path", "group", *labels, *(["text"] if name in WITH_TEXTS else [])]
    assert len(table) > 1 and table["path"].is_unique and table["path"].is_monotonic_increasing
    assert list(table.index) == list(range(len(table)))
    assert all(isinstance(value, str) for value in table.to_numpy().ravel())
    assert all((root / path).is_file() and not path.startswith("/") for path in table["path"])
    assert table[labels[0]].nunique() > 1


def test_the_corpus_own_folder_is_taken_too(corpus):
    name, dataset, root = corpus
    inside = root if name == "folder" else next(path for path in root.iterdir() if path.is_dir())
    above, own = dataset.recordings(root), dataset.recordings(inside)
    assert [root / path for path in above["path"]] == [inside / path for path in own["path"]]
    pd.testing.assert_frame_equal(above.drop(columns="path"), own.drop(columns="path"))


def test_no_recording_is_opened(corpus, monkeypatch):
    _, dataset, root = corpus
    for path in root.rglob("*.wav"):
        path.write_bytes(b"")
    monkeypatch.setattr(soundfile, "SoundFile", None)
    assert len(dataset.recordings(root)) > 1


def test_a_wrong_value_stops_at_once_and_is_named(corpus):
    _, dataset, root = corpus
    kind = type(dataset)
    for name in types(kind):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\.{name} = 0\.5"):
            kind(**{name: 0.5}).recordings(root)


@pytest.mark.parametrize("name", NAMES)
def test_another_folder_is_refused_with_the_way_out(name, tmp_path):
    write(tmp_path / "thesis.txt", ["no corpus"])
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))) as caught:
        registry.get("datasets", name)().recordings(tmp_path)
    assert "data.root" in str(caught.value) or name == "folder"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_corpus_says_where_it_comes_from(name, tmp_path, monkeypatch):
    """What would be fetched: each file has a checksum, a hexadecimal digest of its algorithm."""
    module, fetched = registry.module("datasets", name), []
    monkeypatch.setattr(module.web, "fetch_and_unpack", lambda *call: fetched.append(call))
    monkeypatch.setattr(module.web, "check_space", lambda *_: None)
    registry.get("datasets", name)().download(tmp_path)
    assert fetched and module.LICENSE and module.CITATION
    for url, checksum, archive, target, _ in fetched:
        text = f"sha256:{checksum.sha256}" if isinstance(checksum, Contents) else checksum
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", text)
        assert "{" not in url and archive.parent == tmp_path and target.is_relative_to(tmp_path)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_corpus_says_in_which_folders_it_lies(name, tmp_path):
    LAYOUTS[name](tmp_path)
    [folder] = (path.name for path in tmp_path.iterdir())
    assert folder in registry.module("datasets", name).FOLDERS


@pytest.mark.parametrize(
    ("dataset", "found"),
    [
        (SpeechCommands(version=1), ["speech_commands_v0.01"]),
        (LibriSpeech(["dev-clean", "dev-other"]), ["dev-clean", "dev-other"]),
    ],
)
def test_only_what_is_asked_for_is_fetched(dataset, found, tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(speech_commands.web, "fetch_and_unpack", lambda *call: fetched.append(call))
    dataset.download(tmp_path)
    assert [archive.name for _, _, archive, _, _ in fetched] == [f"{name}.tar.gz" for name in found]


def test_fsdd_splits_by_take(tmp_path):
    LAYOUTS["fsdd"](tmp_path)
    clip(tmp_path / "free-spoken-digit-dataset-1.0.10/recordings/my_own_words_here.wav")
    parts = {split: FSDD(split=split).recordings(tmp_path) for split in ("all", "train", "test")}
    assert all("_5.wav" in path for path in parts["train"]["path"])
    assert set(parts["all"]["path"]) == set(parts["train"]["path"]) | set(parts["test"]["path"])
    assert len(parts["all"]) == 8 and len(parts["test"]) == 4
    assert (parts["all"]["group"] == parts["all"]["speaker"]).all()


def test_librispeech_reads_sex_and_subsets(tmp_path):
    LAYOUTS["librispeech"](tmp_path)
    table = LibriSpeech().recordings(tmp_path).set_index("speaker")
    assert table["sex"].groupby("speaker").first().to_dict() == {"61": "M", "84": "F", "99": ""}
    assert sorted(table["group"]) == ["61-70", "84-121", "84-122", "99-5"]
    assert set(LibriSpeech(subsets=["dev-clean"]).recordings(tmp_path)["speaker"]) == {"84"}
    alone = LibriSpeech().recordings(tmp_path / "LibriSpeech/dev-clean/84")
    assert set(alone["sex"]) == {"F"}, "SPEAKERS.TXT lies above"
    with pytest.raises(FileNotFoundError, match="test-other"):
        LibriSpeech(subsets=["dev-clean", "test-other"]).recordings(tmp_path)


def test_librispeech_reads_transcripts_without_the_number_of_the_reader(tmp_path):
    LAYOUTS["librispeech"](tmp_path)
    chapter = tmp_path / "LibriSpeech/dev-clean/84/121"
    clip(chapter / "84-121-0001.flac")
    write(chapter / "84-121.trans.txt", ["84-121-0000 KELO MIBA", "84-121-0001 SUTI", "84-121-0002 OF NO FILE"])
    table = LibriSpeech().recordings(tmp_path)
    assert dict(zip(table["path"], table["text"], strict=True)) == {
        "LibriSpeech/dev-clean/84/121/84-121-0000.flac": "KELO MIBA",
        "LibriSpeech/dev-clean/84/121/84-121-0001.flac": "SUTI",
        "LibriSpeech/dev-clean/84/122/84-122-0003.flac": "A WORD",
        "LibriSpeech/test-clean/61/70/61-70-0001.flac": "A WORD",
        "LibriSpeech/test-clean/99/5/99-5-0000.flac": "",
    }
    assert set(LibriSpeech(subsets=["dev-clean"]).recordings(tmp_path)["text"]) == {"KELO MIBA", "SUTI", "A WORD"}
    for file in tmp_path.rglob("*.trans.txt"):
        file.unlink()
    assert list(LibriSpeech().recordings(tmp_path)) == ["path", "group", "speaker", "sex"]


def test_librispeech_without_subsets_has_a_folder_of_its_own_in_the_cache():
    """It takes all that lies in its folder: what others have fetched must not count."""
    assert LibriSpeech().cached == "librispeech-test-clean"
    assert LibriSpeech(["dev-clean"]).cached == LibriSpeech(["test-clean", "dev-other"]).cached == "librispeech"


def test_librispeech_checksums_are_those_of_torchaudio():
    published = pytest.importorskip("torchaudio.datasets.librispeech")._CHECKSUMS
    theirs = {url.rsplit("/", 1)[1].removesuffix(".tar.gz"): f"sha256:{digest}" for url, digest in published.items()}
    assert theirs == librispeech.CHECKSUMS
    assert set(librispeech.SIZES) == set(theirs)


def test_speech_commands_checksums_are_those_of_torchaudio():
    published = pytest.importorskip("torchaudio.datasets.speechcommands")._CHECKSUMS
    assert {f"sha256:{digest}" for digest in published.values()} == set(speech_commands.CHECKSUMS.values())


def test_esc50_groups(tmp_path):
    LAYOUTS["esc50"](tmp_path)
    table = ESC50().recordings(tmp_path)
    assert dict(zip(table["category"], table["major"], strict=True)) == {
        "dog": "animals", "thunderstorm": "nature", "crying_baby": "human", "hand_saw": "urban"
    }  # fmt: skip
    assert sorted(ESC50(esc10=True).recordings(tmp_path)["category"]) == ["crying_baby", "dog"]
    assert set(table["group"]) == {"fold1", "fold2", "fold5"}


def test_urbansound8k_groups_clips_of_one_recording(tmp_path):
    LAYOUTS["urbansound8k"](tmp_path)
    table = UrbanSound8K().recordings(tmp_path)
    assert table.groupby("group").size().to_dict() == {"100032": 1, "7061": 2}
    assert set(table["class"]) == {"gun_shot", "dog_bark"}


def test_speech_commands_takes_words(tmp_path):
    LAYOUTS["speech_commands"](tmp_path)
    table = SpeechCommands().recordings(tmp_path)
    assert table.groupby("word").size().to_dict() == {"no": 1, "yes": 2}
    assert set(table["speaker"]) == {"004ae714", "0a7c2a8d"} and (table["group"] == table["speaker"]).all()
    assert set(SpeechCommands(words=["yes", "yes"]).recordings(tmp_path)["word"]) == {"yes"}
    with pytest.raises(ValueError, match=r"'yess' is not in .*no, yes"):
        SpeechCommands(words=["yes", "yess"]).recordings(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"speech_commands_v0\.01"):
        SpeechCommands(version=1).recordings(tmp_path)


def test_dcase_listens_to_the_nodes_asked_for(tmp_path):
    LAYOUTS["dcase2018_task5"](tmp_path)
    one, both = DCASE2018Task5().recordings(tmp_path), DCASE2018Task5(nodes=[1, 2]).recordings(tmp_path)
    assert set(one["node"]) == {"1"} and set(both["node"]) == {"1", "2"} and len(both) == 2 * len(one) == 40
    assert (one.groupby("group")["scene"].nunique() == 1).all(), "a session has one label"
    with pytest.raises(ValueError, match=r"nodes = \[4\]"):
        DCASE2018Task5(nodes=[4]).recordings(tmp_path)


def test_dcase_balances_over_sessions(tmp_path):
    LAYOUTS["dcase2018_task5"](tmp_path)
    table = DCASE2018Task5(balance=4).recordings(tmp_path)
    assert table.groupby("scene").size().to_dict() == dict(zip(SCENES, (4, 4, 2), strict=True))
    sizes = table.groupby(["scene", "group"]).size()
    assert sizes["absence"].tolist() in ([1, 1, 2], [1, 2, 1], [2, 1, 1]) and sizes["cooking"].tolist() == [2, 2]
    pd.testing.assert_frame_equal(table, DCASE2018Task5(balance=4).recordings(tmp_path))
    everything = set(DCASE2018Task5().recordings(tmp_path)["path"])
    assert set(table["path"]) < everything == set(DCASE2018Task5(balance=99).recordings(tmp_path)["path"])


def test_dcase_is_not_recognised_before_its_last_archive():
    """meta.txt is what the loader looks for: it must come after the sound, or half a corpus would do."""
    parts = list(dcase2018_task5.CHECKSUMS)
    assert parts[-1] == "meta" and sum(part.startswith("audio.") for part in parts) == 23 and len(parts) == 25
    assert len(set(dcase2018_task5.CHECKSUMS.values())) == 25


def test_dcase_asks_for_the_room_of_what_is_left(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dcase2018_task5.web, "check_space", lambda folder, needed, what: asked.append(needed))
    monkeypatch.setattr(dcase2018_task5.web, "fetch_and_unpack", lambda *_: None)
    DCASE2018Task5().download(tmp_path)
    write(tmp_path / "DCASE2018-task5-dev/meta.txt", [])
    for part in dcase2018_task5.CHECKSUMS:
        write(tmp_path / f"DCASE2018-task5-dev.{part}.zip.done", ["DCASE2018-task5-dev"])
        (tmp_path / f"DCASE2018-task5-dev.{part}.zip.done").write_text("DCASE2018-task5-dev")
    DCASE2018Task5().download(tmp_path)
    assert 93e9 < asked[0] < 96e9 and asked[1] == 0


@REAL
def test_real_fsdd():
    table = FSDD().recordings(DATA / "fsdd")
    assert len(table) == 3000 and table["speaker"].nunique() == 6
    assert table.groupby("digit").size().to_dict() == {str(digit): 300 for digit in range(10)}
    assert len(FSDD(split="test").recordings(DATA)) == 300, "found below the folder above, too"


@REAL
def test_the_checksum_of_fsdd_is_that_of_the_real_recordings():
    assert digest(DATA / "fsdd/recordings") == fsdd.CHECKSUM.sha256
    folder, version = fsdd.CHECKSUM.folder, fsdd.FOLDERS[0].rpartition("-")[2]
    assert folder == f"{fsdd.FOLDERS[0]}/recordings" and fsdd.URL.endswith(f"/v{version}.tar.gz")


@REAL
def test_real_librispeech():
    test = LibriSpeech().recordings(DATA / "librispeech-mini/test-other")
    assert list(test) == ["path", "group", "speaker", "sex"], "no transcripts lie there"
    assert test.groupby("speaker").size().tolist() == [10] * 10
    assert test.groupby("sex")["speaker"].nunique().to_dict() == {"F": 5, "M": 5}
    train = LibriSpeech(subsets=["train-clean-100"]).recordings(DATA / "librispeech-mini")
    assert train["speaker"].nunique() == 251
    assert train.groupby("sex")["speaker"].nunique().to_dict() == {"F": 125, "M": 126}
    assert not set(train["speaker"]) & set(test["speaker"])
