"""The list of recordings: it changes with what the files hold, and with nothing else."""

import os
import shutil
from itertools import pairwise

import pandas as pd
import pytest

from audioclust.datasets.folder import Folder
from audioclust.runs import recordings
from audioclust.runs.recordings import Source, write


@pytest.fixture
def root(tmp_path):
    for name in ("b/2.wav", "a/1.wav"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(name.encode())
    return tmp_path / "in"


def listed(root):
    """Return all that is written about a folder."""
    out = root.parent / "out"
    write(Folder().recordings(root), root, out, root.parent / "known.csv")
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


def test_the_list(root):
    said = write(Folder().recordings(root), root, root.parent / "out", root.parent / "known.csv")
    assert said == f"2 recordings, 0.0 MB, in {root}"
    table = pd.read_csv(root.parent / "out/recordings.csv", keep_default_na=False)
    assert table.to_dict("list") == {"path": ["a/1.wav", "b/2.wav"], "group": ["", ""], "label": ["a", "b"]}
    files = pd.read_csv(root.parent / "out/files.csv")
    assert files["path"].tolist() == ["a/1.wav", "b/2.wav"] and files["bytes"].tolist() == [7, 7]
    assert files["digest"].nunique() == 2
    assert (root.parent / "out/info.json").read_text() == '{\n "bytes": 14,\n "other_files": 0,\n "recordings": 2\n}\n'


def test_it_does_not_change_with_time_and_place(root, tmp_path):
    first = listed(root)
    os.utime(root / "a/1.wav", (1, 1))
    assert listed(root) == first
    moved = tmp_path / "elsewhere/in"
    shutil.copytree(root, moved)
    assert listed(moved) == first


def test_it_changes_with_what_a_file_holds_and_with_the_files(root):
    seen = [listed(root)]
    stat = (root / "a/1.wav").stat()
    (root / "a/1.wav").write_bytes(b"a/2.wav")  # as long as before
    os.utime(root / "a/1.wav", ns=(stat.st_mtime_ns, stat.st_mtime_ns + 1))
    seen.append(listed(root))
    (root / "b/notes.txt").touch()
    seen.append(listed(root))
    (root / "b/2.wav").rename(root / "b/3.wav")
    seen.append(listed(root))
    (root / "a/1.wav").rename(root / "b/1.wav")
    seen.append(listed(root))
    assert all(one != other for one, other in pairwise(seen))


def test_what_lies_behind_links_is_listed(root, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/1.wav").write_bytes(b"1")
    (root / "c").symlink_to(tmp_path / "other")
    (root / "c/here").symlink_to(root)  # a circle
    first = listed(root)
    assert b"c/1.wav" in first["files.csv"]
    (tmp_path / "other/1.wav").write_bytes(b"22")
    assert listed(root) != first


def test_names_that_are_no_utf8_and_what_cannot_be_read(root, capfd):
    (root / "nowhere.wav").symlink_to(root / "absent")
    os.mkfifo(root / "pipe.wav")
    with open(os.fsencode(root) + b"/caf\xe9.wav", "wb") as stream:
        stream.write(b"x")
    files = listed(root)["files.csv"].decode()
    assert "caf\\xe9.wav,1," in files and "pipe.wav,0,\n" in files and "nowhere.wav,0,\n" in files


def test_a_file_is_read_once(root, monkeypatch):
    read = []
    digest = recordings._digest
    monkeypatch.setattr(recordings, "_digest", lambda path: read.append(os.path.basename(path)) or digest(path))
    first = listed(root)
    assert sorted(read) == ["1.wav", "2.wav"]
    read.clear()
    assert listed(root) == first and read == []
    (root / "a/1.wav").write_bytes(b"another")
    assert listed(root) != first and read == ["1.wav"]
    read.clear()
    (root.parent / "known.csv").write_text("path,bytes\n" + '"')  # half written
    listed(root)
    assert sorted(read) == ["1.wav", "2.wav"]


class Made:
    """A set that is rendered: one recording that holds ``content``."""

    def __init__(self, content):
        self.content = content

    def recordings(self, root):
        if not (root / "x.wav").is_file() or (root / "x.wav").read_text() != self.content:
            raise FileNotFoundError(f"x.wav of {self.content} is not in {root}")
        return pd.DataFrame({"path": ["x.wav"]})

    def download(self, root):
        (root / "x.wav").write_text(self.content)


def test_an_experiments_copy_reads_the_recordings_of_the_project_and_changes_none(tmp_path, monkeypatch):
    project, copy = tmp_path / "project", tmp_path / "project/.dvc/tmp/exps/one"
    for folder in (project, copy):
        (folder / "raw").mkdir(parents=True)
    monkeypatch.chdir(project)
    source = Source("made", "raw")
    assert source.find(Made("1"), project)[0].resolve() == project / "raw"  # rendered there
    monkeypatch.chdir(copy)
    assert source.find(Made("1"), project)[0] == project / "raw"
    assert not (copy / "raw/x.wav").exists()
    root, _ = source.find(Made("2"), project)
    assert root.resolve() == copy / "raw" and (copy / "raw/x.wav").read_text() == "2"
    assert (project / "raw/x.wav").read_text() == "1"


def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "copy").mkdir()
    for project in (tmp_path, tmp_path / "copy"):
        monkeypatch.chdir(tmp_path / "copy")
        with pytest.raises(FileNotFoundError, match=r"data\.root = .*nowhere: no such folder"):
            Source("folder", "nowhere").find(Folder(), project)
    with pytest.raises(FileNotFoundError):
        Source("made", "nowhere").find(Made("1"))
