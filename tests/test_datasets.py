"""Every data set keeps one contract; each is read from a tiny copy of its layout, and two from real recordings."""

import re
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from datasets_fixture import LAYOUTS, SCENES, clip, write

from audioclust import registry
from audioclust.datasets import dcase2018_task5, esc50, folder, fsdd, librispeech, speech_commands, urbansound8k

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
REAL = pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings of ../shared/data are not here")
NAMES = [name for name in registry.names("datasets") if name != "scenes"]  # scenes has tests of its own
PUBLIC = [name for name in NAMES if name != "folder"]


@pytest.fixture(params=NAMES)
def corpus(request, tmp_path):
    """Return a data set's module and the folder that holds a tiny copy of it."""
    LAYOUTS[request.param](tmp_path)
    return registry.module("datasets", request.param), tmp_path


def test_the_table_keeps_the_contract(corpus):
    module, root = corpus
    table = module.recordings(root)
    assert list(table.columns) == ["path", "group", *module.LABELS]
    assert len(table) > 1 and table["path"].is_unique and table["path"].is_monotonic_increasing
    assert list(table.index) == list(range(len(table)))
    assert all(isinstance(value, str) for value in table.to_numpy().ravel())
    assert all((root / path).is_file() and not path.startswith("/") for path in table["path"])
    assert table[module.LABELS[0]].nunique() > 1


def test_the_corpus_own_folder_is_taken_too(corpus):
    module, root = corpus
    inside = root if module is folder else next(path for path in root.iterdir() if path.is_dir())
    above, own = module.recordings(root), module.recordings(inside)
    assert [root / path for path in above["path"]] == [inside / path for path in own["path"]]
    pd.testing.assert_frame_equal(above.drop(columns="path"), own.drop(columns="path"))


def test_no_recording_is_opened(corpus, monkeypatch):
    module, root = corpus
    for path in root.rglob("*.wav"):
        path.write_bytes(b"")
    monkeypatch.setattr(soundfile, "SoundFile", None)
    assert len(module.recordings(root)) > 1


@pytest.mark.parametrize("name", NAMES)
def test_another_folder_is_refused_with_the_way_out(name, tmp_path):
    write(tmp_path / "thesis.txt", ["no corpus"])
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))) as caught:
        registry.module("datasets", name).recordings(tmp_path)
    assert "data.root" in str(caught.value) or name == "folder"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_corpus_says_where_it_comes_from(name, tmp_path, monkeypatch):
    """What would be fetched: https or a checksum, and every checksum is a hexadecimal digest of its algorithm."""
    module, fetched = registry.module("datasets", name), []
    monkeypatch.setattr(module.web, "fetch_and_unpack", lambda *call: fetched.append(call))
    monkeypatch.setattr(module.web, "check_space", lambda *_: None)
    module.download(tmp_path)
    assert fetched and module.LICENSE and module.CITATION
    for url, checksum, archive, target, _ in fetched:
        assert url.startswith("https://") or checksum
        assert checksum is None or re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", checksum)
        assert "{" not in url and archive.parent == tmp_path and target.is_relative_to(tmp_path)


def test_fsdd_splits_by_take(tmp_path):
    LAYOUTS["fsdd"](tmp_path)
    clip(tmp_path / "free-spoken-digit-dataset-1.0.9/recordings/my_own_words_here.wav")
    parts = {split: fsdd.recordings(tmp_path, split=split) for split in ("all", "train", "test")}
    assert all("_5.wav" in path for path in parts["train"]["path"])
    assert set(parts["all"]["path"]) == set(parts["train"]["path"]) | set(parts["test"]["path"])
    assert len(parts["all"]) == 8 and len(parts["test"]) == 4
    assert (parts["all"]["group"] == parts["all"]["speaker"]).all()


def test_librispeech_reads_sex_and_subsets(tmp_path):
    LAYOUTS["librispeech"](tmp_path)
    table = librispeech.recordings(tmp_path).set_index("speaker")
    assert table["sex"].groupby("speaker").first().to_dict() == {"61": "M", "84": "F", "99": ""}
    assert sorted(table["group"]) == ["61-70", "84-121", "84-122", "99-5"]
    assert set(librispeech.recordings(tmp_path, subsets=["dev-clean"])["speaker"]) == {"84"}
    alone = librispeech.recordings(tmp_path / "LibriSpeech/dev-clean/84", subsets=None)
    assert set(alone["sex"]) == {"F"}, "SPEAKERS.TXT lies above"
    with pytest.raises(FileNotFoundError, match="test-other"):
        librispeech.recordings(tmp_path, subsets=["dev-clean", "test-other"])


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
    table = esc50.recordings(tmp_path)
    assert dict(zip(table["category"], table["major"], strict=True)) == {
        "dog": "animals", "thunderstorm": "nature", "crying_baby": "human", "hand_saw": "urban"
    }  # fmt: skip
    assert sorted(esc50.recordings(tmp_path, esc10=True)["category"]) == ["crying_baby", "dog"]
    assert set(table["group"]) == {"fold1", "fold2", "fold5"}


def test_urbansound8k_groups_clips_of_one_recording(tmp_path):
    LAYOUTS["urbansound8k"](tmp_path)
    table = urbansound8k.recordings(tmp_path)
    assert table.groupby("group").size().to_dict() == {"100032": 1, "7061": 2}
    assert set(table["class"]) == {"gun_shot", "dog_bark"}


def test_speech_commands_takes_words(tmp_path):
    LAYOUTS["speech_commands"](tmp_path)
    table = speech_commands.recordings(tmp_path)
    assert table.groupby("word").size().to_dict() == {"no": 1, "yes": 2}
    assert set(table["speaker"]) == {"004ae714", "0a7c2a8d"} and (table["group"] == table["speaker"]).all()
    assert set(speech_commands.recordings(tmp_path, words=["yes", "yes"])["word"]) == {"yes"}
    with pytest.raises(ValueError, match=r"'yess' is not in .*no, yes"):
        speech_commands.recordings(tmp_path, words=["yes", "yess"])
    with pytest.raises(FileNotFoundError, match=r"speech_commands_v0\.01"):
        speech_commands.recordings(tmp_path, version=1)


def test_dcase_listens_to_the_nodes_asked_for(tmp_path):
    LAYOUTS["dcase2018_task5"](tmp_path)
    one, both = dcase2018_task5.recordings(tmp_path), dcase2018_task5.recordings(tmp_path, nodes=[1, 2])
    assert set(one["node"]) == {"1"} and set(both["node"]) == {"1", "2"} and len(both) == 2 * len(one) == 40
    assert (one.groupby("group")["scene"].nunique() == 1).all(), "a session has one label"
    with pytest.raises(ValueError, match=r"nodes = \[4\]"):
        dcase2018_task5.recordings(tmp_path, nodes=[4])


def test_dcase_balances_over_sessions(tmp_path):
    LAYOUTS["dcase2018_task5"](tmp_path)
    table = dcase2018_task5.recordings(tmp_path, balance=4)
    assert table.groupby("scene").size().to_dict() == dict(zip(SCENES, (4, 4, 2), strict=True))
    sizes = table.groupby(["scene", "group"]).size()
    assert sizes["absence"].tolist() in ([1, 1, 2], [1, 2, 1], [2, 1, 1]) and sizes["cooking"].tolist() == [2, 2]
    pd.testing.assert_frame_equal(table, dcase2018_task5.recordings(tmp_path, balance=4))
    everything = set(dcase2018_task5.recordings(tmp_path)["path"])
    assert set(table["path"]) < everything == set(dcase2018_task5.recordings(tmp_path, balance=99)["path"])


def test_dcase_is_not_recognised_before_its_last_archive():
    """meta.txt is what the loader looks for: it must come after the sound, or half a corpus would do."""
    parts = list(dcase2018_task5.CHECKSUMS)
    assert parts[-1] == "meta" and sum(part.startswith("audio.") for part in parts) == 23 and len(parts) == 25
    assert len(set(dcase2018_task5.CHECKSUMS.values())) == 25


def test_dcase_asks_for_the_room_of_what_is_left(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dcase2018_task5.web, "check_space", lambda folder, needed, what: asked.append(needed))
    monkeypatch.setattr(dcase2018_task5.web, "fetch_and_unpack", lambda *_: None)
    dcase2018_task5.download(tmp_path)
    write(tmp_path / "DCASE2018-task5-dev/meta.txt", [])
    for part in dcase2018_task5.CHECKSUMS:
        write(tmp_path / f"DCASE2018-task5-dev.{part}.zip.done", ["DCASE2018-task5-dev"])
        (tmp_path / f"DCASE2018-task5-dev.{part}.zip.done").write_text("DCASE2018-task5-dev")
    dcase2018_task5.download(tmp_path)
    assert 93e9 < asked[0] < 96e9 and asked[1] == 0


def test_folder_labels_by_subfolder_table_or_not_at_all(tmp_path):
    LAYOUTS["folder"](tmp_path)
    table = folder.recordings(tmp_path)
    assert dict(zip(table["path"], table["label"], strict=True)) == {
        "cat/a.wav": "cat", "cat/deep/b.FLAC": "cat", "dog/c.wav": "dog"
    }  # fmt: skip
    assert set(folder.recordings(tmp_path, labels="none")["label"]) == {""}
    write(tmp_path / "labels.csv", ["path,label,group", "./dog/c.wav, bark,x"])
    assert folder.recordings(tmp_path).to_dict("records") == [{"path": "dog/c.wav", "group": "x", "label": "bark"}]
    assert len(folder.recordings(tmp_path, labels="subfolders")) == 3


def test_folder_beside_subfolders_and_in_a_single_one(tmp_path):
    clip(tmp_path / "one/a.wav")
    assert list(folder.recordings(tmp_path)["label"]) == [""], "a single subfolder tells nothing"
    assert list(folder.recordings(tmp_path, labels="subfolders")["label"]) == ["one"]
    clip(tmp_path / "two/b.wav")
    clip(tmp_path / "stray.wav")
    assert list(folder.recordings(tmp_path)["label"]) == ["one", "", "two"]


def test_folder_without_subfolders_to_label_by(tmp_path):
    clip(tmp_path / "a.wav")
    assert list(folder.recordings(tmp_path)["label"]) == [""]
    with pytest.raises(ValueError, match="none in a subfolder"):
        folder.recordings(tmp_path, labels="subfolders")


def test_folder_finds_every_ending_in_any_case(tmp_path):
    for ending in folder.ENDINGS:
        write(tmp_path / f"low{ending}", [])
        write(tmp_path / f"UP{ending.upper()}", [])
    assert len(folder.recordings(tmp_path)) == 2 * len(folder.ENDINGS)


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (["path,lable", "a.wav,x"], ValueError, r"'label' is missing.*path,lable"),
        (["file;label", "a.wav;x"], ValueError, r"'path' is missing"),
        (["path,label", "a.wav,x", "./a.wav,y"], ValueError, r"'a.wav' twice"),
        (["path,label", "b.wav,x", "c.wav,x", "a.wav,x"], FileNotFoundError, r"2 of 3 files.*'b.wav'"),
        (["path,label", "../a.wav,x"], ValueError, r"'\.\./a.wav' must be relative"),
        (["path,label", "/a.wav,x"], ValueError, r"'/a.wav' must be relative"),
        (["path,label", ",x"], ValueError, r"must be relative"),
        (["path,label"], FileNotFoundError, r"lists no recordings"),
        ([], ValueError, r"not readable"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path, lines, error, message):
    clip(tmp_path / "a.wav")
    write(tmp_path / "labels.csv", lines)
    with pytest.raises(error, match=message) as caught:
        folder.recordings(tmp_path)
    assert "labels.csv" in str(caught.value)


def test_a_table_that_is_named_must_be_there(tmp_path):
    clip(tmp_path / "a.wav")
    with pytest.raises(FileNotFoundError, match=r"truth\.csv"):
        folder.recordings(tmp_path, csv="truth.csv")
    with pytest.raises(FileNotFoundError, match=r"labels\.csv"):
        folder.recordings(tmp_path, labels="csv")


def test_a_table_out_of_a_spreadsheet(tmp_path):
    clip(tmp_path / "ä.wav")
    (tmp_path / "truth.csv").write_bytes("\ufeffpath,label\r\nä.wav,NA\r\n".encode())
    table = folder.recordings(tmp_path, csv="truth.csv")
    assert table.to_dict("records") == [{"path": "ä.wav", "group": "", "label": "NA"}]


@REAL
def test_real_fsdd():
    table = fsdd.recordings(DATA / "fsdd")
    assert len(table) == 3000 and table["speaker"].nunique() == 6
    assert table.groupby("digit").size().to_dict() == {str(digit): 300 for digit in range(10)}
    assert len(fsdd.recordings(DATA, split="test")) == 300, "found below the folder above, too"


@REAL
def test_real_librispeech():
    test = librispeech.recordings(DATA / "librispeech-mini/test-other")
    assert test.groupby("speaker").size().tolist() == [10] * 10
    assert test.groupby("sex")["speaker"].nunique().to_dict() == {"F": 5, "M": 5}
    train = librispeech.recordings(DATA / "librispeech-mini", subsets=["train-clean-100"])
    assert train["speaker"].nunique() == 251
    assert train.groupby("sex")["speaker"].nunique().to_dict() == {"F": 125, "M": 126}
    assert not set(train["speaker"]) & set(test["speaker"])
