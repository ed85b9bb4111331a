"""A user's own folder: what is found in it, where labels come from, and what a table may say."""

import os
import unicodedata
from pathlib import Path

import pytest
from datasets_fixture import LAYOUTS, write

from audioclust.datasets import folder
from audioclust.datasets.folder import Folder

NFC, NFD = (unicodedata.normalize(form, "Übung é") for form in ("NFC", "NFD"))


def labels(root: Path, **settings) -> dict[str, str]:
    """Return path -> label."""
    table = Folder(**settings).recordings(root)
    return dict(zip(table["path"], table["label"], strict=True))


def said(root: Path, **settings) -> list[str]:
    return Folder(**settings).recordings(root).attrs["said"]


def touch(root: Path, *names: str) -> None:
    """Make empty files: no recording is opened here."""
    for name in names:
        write(root / name, [])


def test_labels_by_subfolder_table_or_not_at_all(tmp_path):
    LAYOUTS["folder"](tmp_path)
    assert labels(tmp_path) == {"cat/a.wav": "cat", "cat/deep/b.FLAC": "cat", "dog/c.wav": "dog"}
    assert said(tmp_path) == ["labels: from 2 subfolders"]
    assert set(labels(tmp_path, labels="none").values()) == {""}
    assert said(tmp_path, labels="none") == ["labels: none"]
    write(tmp_path / "labels.csv", ["path,label,group", "./dog/c.wav, bark,x", "cat/a.wav,meow,y"])
    assert Folder().recordings(tmp_path).to_dict("records") == [
        {"path": "cat/a.wav", "group": "y", "label": "meow"},
        {"path": "dog/c.wav", "group": "x", "label": "bark"},
    ]
    assert said(tmp_path) == [
        "labels: from labels.csv",
        "recordings that labels.csv does not list: 1, the first is 'cat/deep/b.FLAC'",
    ]
    assert len(labels(tmp_path, labels="subfolders")) == 3


def test_subfolders_are_labels_unasked_where_2_to_100_hold_every_recording(tmp_path):
    touch(tmp_path, "one/a.wav")
    assert labels(tmp_path) == {"one/a.wav": ""}
    assert "here 1 hold 1 of 1" in said(tmp_path)[0]
    touch(tmp_path, *(f"{i}/a.wav" for i in range(99)))
    assert said(tmp_path) == ["labels: from 100 subfolders"]
    touch(tmp_path, "99/a.wav")
    assert set(labels(tmp_path).values()) == {""}
    assert "labels: none" in said(tmp_path)[0] and "here 101 hold 101 of 101" in said(tmp_path)[0]
    assert said(tmp_path, labels="subfolders") == ["labels: from 101 subfolders"]


def test_a_recording_beside_subfolders(tmp_path):
    touch(tmp_path, "one/a.wav", "two/b.wav", "stray.wav")
    assert set(labels(tmp_path).values()) == {""}
    assert "here 2 hold 2 of 3" in said(tmp_path)[0]
    assert labels(tmp_path, labels="subfolders") == {"one/a.wav": "one", "two/b.wav": "two", "stray.wav": ""}
    assert said(tmp_path, labels="subfolders") == ["labels: from 2 subfolders; recordings without one: 1 of 3"]


def test_without_subfolders_to_label_by(tmp_path):
    touch(tmp_path, "a.wav")
    assert labels(tmp_path) == {"a.wav": ""}
    with pytest.raises(ValueError, match="none in a subfolder"):
        labels(tmp_path, labels="subfolders")


def test_a_single_label_is_refused_with_the_way_out(tmp_path):
    touch(tmp_path, "only/a.wav", "only/b.wav")
    with pytest.raises(ValueError, match=r"every label is 'only' \(labels: from 1 sub.*set folder\.labels to none"):
        labels(tmp_path, labels="subfolders")
    write(tmp_path / "labels.csv", ["path,label", "only/a.wav,x", "only/b.wav,"])
    with pytest.raises(ValueError, match=r"every label is 'x' \(labels: from labels\.csv"):
        labels(tmp_path)
    write(tmp_path / "labels.csv", ["path,label", "only/a.wav,", "only/b.wav,"])
    assert set(labels(tmp_path).values()) == {""}, "a table without labels chooses recordings"


def test_every_ending_is_found_in_any_case_and_other_files_are_counted(tmp_path):
    for ending in folder.ENDINGS:
        touch(tmp_path, f"low{ending}", f"UP{ending.upper()}")
    table = Folder().recordings(tmp_path)
    assert len(table) == 2 * len(folder.ENDINGS) and table.attrs["other_files"] == 0
    touch(tmp_path, "notes.txt", "sub/labels.csv", "sub/wav", ".hidden.txt", "sub/.DS_Store", ".git/config")
    write(tmp_path / "labels.csv", ["path,label", "low.wav,x", "low.ogg,y"])
    assert Folder().recordings(tmp_path).attrs["other_files"] == 3
    assert Folder(labels="none").recordings(tmp_path).attrs["other_files"] == 3
    (tmp_path / "labels.csv").rename(tmp_path / "sub/truth.csv")
    assert Folder(csv="./sub/truth.csv").recordings(tmp_path).attrs["other_files"] == 3


def test_links_are_followed_but_not_in_a_circle(tmp_path):
    touch(tmp_path, "disk/1.wav", "disk/deep/2.wav", "root/dog/3.wav", "elsewhere.wav")
    root = tmp_path / "root"
    (root / "cat").symlink_to(tmp_path / "disk")
    (root / "dog/4.wav").symlink_to(tmp_path / "elsewhere.wav")
    (root / "dog/up").symlink_to(root)
    (tmp_path / "disk/deep/again").symlink_to(root / "cat")
    (root / "self").symlink_to("self")
    assert labels(root) == {
        "cat/1.wav": "cat", "cat/deep/2.wav": "cat", "dog/3.wav": "dog", "dog/4.wav": "dog"
    }  # fmt: skip
    assert said(root)[1:] == [
        "linked folders, behind which DVC sees no change (then run dvc repro -s -f prepare): 1, the first is 'cat'",
        "links that lead nowhere: 1, the first is 'self'",
        "links back to a folder that they lie in, not followed: 2, the first is 'cat/deep/again'",
    ]


def test_links_that_lead_nowhere_are_listed_or_said(tmp_path):
    """A recording is listed, to be rejected with its reason; what else it may have been is said."""
    touch(tmp_path, "a/1.wav")
    for name in ("a/2.wav", "b"):
        (tmp_path / name).symlink_to(tmp_path / "unmounted" / name)
    table = Folder().recordings(tmp_path)
    assert table["path"].tolist() == ["a/1.wav", "a/2.wav"] and table.attrs["other_files"] == 0
    assert "links that lead nowhere: 1, the first is 'b'" in table.attrs["said"]


def test_a_folder_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    """The superuser may read all, so the refusal is made up."""
    touch(tmp_path, "a/1.wav", "b/1.wav", "lost+found/x")
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert said(tmp_path) == [
        "labels: from 2 subfolders", "folders that cannot be read: 1, the first is 'lost+found'"
    ]  # fmt: skip
    monkeypatch.setattr(os, "scandir", lambda path: scandir(Path(path) / "lost+found"))
    with pytest.raises(FileNotFoundError, match=r"no recordings below .*; folders that cannot be read: 1"):
        labels(tmp_path)


def test_names_that_are_no_utf8_stay_in_the_table(tmp_path):
    for name in (b"caf\xe9/1.wav", b"tea/na\xefve.wav"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        try:
            touch(path.parent, path.name)
        except OSError:
            pytest.skip("this file system takes UTF-8 only")
    assert labels(tmp_path) == {os.fsdecode(b"caf\xe9/1.wav"): r"caf\xe9", os.fsdecode(b"tea/na\xefve.wav"): "tea"}
    "\n".join(said(tmp_path)).encode()


UNSEEN = ("dog", " dog", "dog\t", "dog\u00a0", "\u202fdog\u2007", "d\u200bog", "\ufeffdog", "dog\u200d\u2060")


def test_what_cannot_be_seen_makes_no_class(tmp_path):
    pairs = list(zip(UNSEEN, (NFC, NFD, f" {NFD}", f"{NFC}\u00a0", *[NFC] * 4), strict=True))
    for i, pair in enumerate(pairs):
        for j, name in enumerate(pair):
            touch(tmp_path, f"{name}/{i}{j}.wav")
    assert set(labels(tmp_path).values()) == {"dog", NFC}
    assert said(tmp_path) == ["labels: from 2 subfolders"]
    rows = [f'{i}.wav,"{label}","{group}"' for i, (label, group) in enumerate([*pairs, ("two\u00a0words", "x")])]
    write(tmp_path / "flat/labels.csv", ["path,label,group", *rows])
    touch(tmp_path / "flat", *(f"{i}.wav" for i in range(len(rows))))
    table = Folder().recordings(tmp_path / "flat")
    assert set(table["label"]) == {"dog", "two words"} and set(table["group"]) == {NFC, "x"}


def test_labels_that_differ_by_case_alone_stay_apart_with_a_warning(tmp_path):
    touch(tmp_path, "Dog/1.wav", "dog/1.wav", "cat/1.wav", "STRASSE/1.wav", "straße/1.wav")
    assert len(set(labels(tmp_path).values())) == 5
    assert said(tmp_path)[1:] == [
        "warning: labels that differ by case alone stay classes of their own: 'Dog' and 'dog', 'STRASSE' and 'straße'"
    ]


@pytest.mark.parametrize("disk, table", [(NFC, NFD), (NFD, NFC), (f" {NFD}", NFC), (NFC, f"{NFD}"), (NFC, f" {NFC}")])
def test_paths_of_a_table_match_however_they_are_spelt(tmp_path, disk, table):
    touch(tmp_path, f"{disk}.wav", "b.wav", "odd.raw")
    write(tmp_path / "labels.csv", ["path,label", f'"{table}.wav ",x', "b.wav,y", "odd.raw ,y"])
    assert labels(tmp_path) == {f"{disk}.wav": "x", "b.wav": "y", "odd.raw": "y"}


def test_the_exact_spelling_comes_first(tmp_path):
    touch(tmp_path, f"{NFC}.wav", f"{NFD}.wav", "..c.wav")
    write(tmp_path / "labels.csv", ["path,label", f"{NFC}.wav,c", f"{NFD}.wav,d", "..c.wav,e"])
    assert labels(tmp_path) == {f"{NFC}.wav": "c", f"{NFD}.wav": "d", "..c.wav": "e"}


@pytest.mark.parametrize("column", ["transcript", "caption"])
def test_a_column_of_the_table_is_the_text(tmp_path, column):
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    rows = ['a.wav,x,"Kelo,  miba\n\nsuti\u00a0vura "', "b.wav,y,", "c.wav,y,NA"]
    write(tmp_path / "labels.csv", [f"path,label,{column}", *rows])
    table = Folder().recordings(tmp_path)
    assert list(table) == ["path", "group", "label", "text"]
    assert table["text"].tolist() == ["Kelo, miba suti vura", "", "NA"]
    assert said(tmp_path) == [
        "labels: from labels.csv", f"texts: from column {column!r} of labels.csv; recordings without one: 1 of 3"
    ]  # fmt: skip


def test_a_table_of_texts_needs_no_labels(tmp_path):
    touch(tmp_path, "a.wav", "b.wav")
    write(tmp_path / "labels.csv", ["transcript,path", "kelo,a.wav", "miba,b.wav"])
    table = Folder().recordings(tmp_path)
    assert table["text"].tolist() == ["kelo", "miba"] and set(table["label"]) == {""}


@pytest.mark.parametrize(
    "lines",
    [["path,label,text", "a.wav,x,kelo", "b.wav,y,miba"], ["path,label,caption", "a.wav,x,", "b.wav,y, "]],
    ids=["no column of texts", "an empty one"],
)
def test_without_texts_there_is_no_column(tmp_path, lines):
    touch(tmp_path, "a.wav", "b.wav")
    write(tmp_path / "labels.csv", lines)
    assert list(Folder().recordings(tmp_path)) == ["path", "group", "label"]


def test_labels_are_never_read_as_texts(tmp_path):
    touch(tmp_path, "cat/a.wav", "dog/b.wav")
    assert list(Folder().recordings(tmp_path)) == ["path", "group", "label"]
    for label in ("cat", "dog"):
        write(tmp_path / "labels.csv", ["path,label,caption", f"cat/a.wav,{label},kelo", "dog/b.wav,bird,miba"])
        assert Folder().recordings(tmp_path)["text"].tolist() == ["kelo", "miba"]


def test_texts_that_hold_their_label_are_warned_of(tmp_path):
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    rows = ["a.wav,dog,a Dog barks", "b.wav,cat,a concatenation", "c.wav,,"]
    write(tmp_path / "labels.csv", ["path,label,caption", *rows])
    assert said(tmp_path)[2].startswith("warning: texts that hold their own label as a word: 1 of 3")


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (["path,lable", "a.wav,x"], ValueError, r"'label' is missing.*path,lable"),
        (["file;label", "a.wav;x"], ValueError, r"'path' is missing"),
        (["path,label,label", "a.wav,x,y"], ValueError, r"'label' .* twice"),
        (["path,label,caption,caption", "a.wav,x,y,z"], ValueError, r"'caption' .* twice"),
        (["label,caption", "x,y"], ValueError, r"'path' is missing"),
        (["path,label", "a.wav,x", "./a.wav,y"], ValueError, r"'a.wav' twice, in lines 2 and 3"),
        (["path,label", "a.wav,x", '"a.wav ",y'], ValueError, r"'a.wav' twice"),
        (["path,label", "b.wav,x", "c.wav,x", "a.wav,x"], FileNotFoundError, r"2 of 3 files.*'b.wav' in line 2"),
        (["path,label", "../a.wav,x"], ValueError, r"line 2: the path '\.\./a.wav' must be relative"),
        (["path,label", "/a.wav,x"], ValueError, r"'/a.wav' must be relative"),
        (["path,label", ",x"], ValueError, r"must be relative"),
        (["path,label"], FileNotFoundError, r"lists no recordings"),
        ([], ValueError, r"the first line must name path,label"),
        (["path,label", "", "a.wav,bark, loud"], ValueError, r"line 3 has 3 fields, .* names 2: 'a.wav,bark,loud'"),
        (["path,label,group", "a.wav,x"], ValueError, r"line 2 has 2 fields, .* names 3"),
        (["path,label", '"a', 'b",x', "a.wav,x,y"], ValueError, r"line 4 has 3 fields"),
        (["path,label", 'a.wav,"x', "b.wav,y"], ValueError, r"line 2: .*double quotes"),
        (["path,label", 'a.wav,"x"y'], ValueError, r"line 2: .*double quotes"),
        (["path,label", "a.wav,x\rb.wav,y"], ValueError, r"line 2 holds a carriage return without a line feed"),
        (["path,label\ra.wav,x"], ValueError, r"line 1 holds a carriage return"),
        (["path,label", "a.wav,x\0"], ValueError, r"line 2 holds a NUL byte"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path, lines, error, message):
    touch(tmp_path, "a.wav")
    write(tmp_path / "labels.csv", lines)
    with pytest.raises(error, match=message) as caught:
        Folder().recordings(tmp_path)
    assert "labels.csv" in str(caught.value)


@pytest.mark.parametrize("encoding, line, byte", [("utf-16", 1, "0xff"), ("latin-1", 2, "0xe9"), ("cp1252", 2, "0xe9")])
def test_another_encoding_is_refused_with_the_line(tmp_path, encoding, line, byte):
    (tmp_path / "labels.csv").write_bytes("path,label\na.wav,café\nb.wav,x\n".encode(encoding))
    with pytest.raises(ValueError, match=rf"line {line}: the byte {byte} is no UTF-8; save the table as UTF-8"):
        Folder().recordings(tmp_path)


def test_a_table_that_is_named_must_be_there(tmp_path):
    touch(tmp_path, "a.wav")
    with pytest.raises(FileNotFoundError, match=r"truth\.csv"):
        Folder(csv="truth.csv").recordings(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"labels\.csv"):
        Folder(labels="csv").recordings(tmp_path)


def test_a_table_out_of_a_spreadsheet(tmp_path):
    """A byte-order mark, CRLF, empty lines and rows, labels that pandas takes for missing, commas and quotes."""
    touch(tmp_path, "ä.wav", "b.wav", 'quo"te.wav', "a,b.wav", "new\nline.wav")
    rows = [
        "ä.wav,NA",
        "",
        ",",
        'b.wav, "bark, loud"',
        'quo"te.wav,nan',
        '"a,b.wav","6"" nail"',
        '"new\nline.wav",None',
    ]
    (tmp_path / "truth.csv").write_bytes("\r\n".join(["\ufeffpath,label", *rows, ""]).encode())
    assert labels(tmp_path, csv="truth.csv") == {
        "ä.wav": "NA", "b.wav": "bark, loud", 'quo"te.wav': "nan", "a,b.wav": '6" nail', "new\nline.wav": "None"
    }  # fmt: skip
