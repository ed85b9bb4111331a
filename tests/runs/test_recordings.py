"""The list of recordings: it changes with what the files hold, and with nothing else."""

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from datasets_fixture import LAYOUTS

from audioclust import registry
from audioclust.datasets.folder import Folder
from audioclust.datasets.fsdd import FSDD
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

    def __init__(self, content="1"):
        self.content, self.cached = content, f"made-{content}"

    def recordings(self, root):
        path = root / "fsdd/x.wav"  # a folder of a known data set
        if not path.is_file() or path.read_text() != self.content:
            raise FileNotFoundError(f"x.wav of {self.content} is not in {root}")
        return pd.DataFrame({"path": ["fsdd/x.wav"]})

    def download(self, root):
        (root / "fsdd").mkdir(exist_ok=True)
        (root / "fsdd/x.wav").write_text(self.content)


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOCLUST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/datasets"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a checkout's ``data/raw``, which Git fills with a README; the working directory is the checkout."""
    folder = tmp_path / "checkout/data/raw"
    folder.mkdir(parents=True)
    (folder / "README.md").touch()
    monkeypatch.chdir(tmp_path / "checkout")
    return folder


def test_a_set_that_is_not_there_comes_into_the_cache_once_for_all_checkouts(checkout, cache, tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(FSDD, "download", lambda self, root: fetched.append(root) or LAYOUTS["fsdd"](root))
    folder, table = Source("fsdd").find(FSDD())
    assert folder == cache / "fsdd" and len(table) == 8 and (folder / table["path"][0]).is_file()
    (tmp_path / "other/data/raw").mkdir(parents=True)
    (tmp_path / "other/data/raw/notes.txt").touch()
    monkeypatch.chdir(tmp_path / "other")
    assert Source("fsdd").find(FSDD(split="test"))[0] == cache / "fsdd"
    assert fetched == [cache / "fsdd"] and tree(checkout) == ["README.md"]
    assert not list(cache.rglob(".*")), "nothing is left of the lock"


def test_what_is_written_does_not_depend_on_where_a_set_lies(checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(FSDD, "download", lambda self, root: LAYOUTS["fsdd"](root))
    LAYOUTS["fsdd"](tmp_path / "mine")
    written = []
    for root in ("data/raw", str(tmp_path / "mine")):
        folder, table = Source("fsdd", root).find(FSDD())
        write(table, folder, tmp_path / "out", tmp_path / "known.csv")
        written.append([folder, *(file.read_bytes() for file in sorted((tmp_path / "out").iterdir()))])
    assert written[0][0] != written[1][0] and written[0][1:] == written[1][1:]


def test_a_set_that_is_in_the_root_is_read_there(checkout, cache):
    LAYOUTS["fsdd"](checkout)
    (checkout / "mine.wav").touch()
    folder, table = Source("fsdd").find(FSDD())
    assert folder == Path("data/raw") and len(table) == 8 and not cache.exists()


def test_an_empty_root_is_filled_and_then_left_alone(cache, tmp_path):
    (tmp_path / "empty").mkdir()
    source = Source("made", str(tmp_path / "empty"))
    assert source.find(Made())[0] == tmp_path / "empty" and tree(tmp_path / "empty") == ["fsdd/x.wav"]
    assert source.find(Made("2"))[0] == cache / "made-2"
    assert (tmp_path / "empty/fsdd/x.wav").read_text() == "1", "another set of parameters does not overwrite it"


@pytest.mark.parametrize("dataset", ["scenes", "fsdd"])
@pytest.mark.parametrize("name", ["mine.wav", "birds/wren/1.FLAC"])
def test_nothing_comes_into_a_folder_of_the_users_own_recordings(dataset, name, cache, tmp_path):
    path = tmp_path / "own" / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(FileNotFoundError, match=r"look like your own recordings: set data\.dataset=folder") as caught:
        Source(dataset, str(tmp_path / "own")).find(registry.get("datasets", dataset)())
    assert all(part in str(caught.value) for part in (f"data.root = {tmp_path / 'own'}", repr(name), dataset))
    assert tree(tmp_path / "own") == [name] and not cache.exists()


def test_recordings_behind_a_link_are_the_users_own_too(cache, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.wav").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/circle").symlink_to(tmp_path / "own")
    with pytest.raises(FileNotFoundError, match=r"such as 'linked/a\.wav'"):
        Source("fsdd", str(tmp_path / "own")).find(FSDD())


def test_folders_of_other_sets_are_not_taken_for_the_users_own(checkout, cache, monkeypatch):
    for name in set(LAYOUTS) - {"fsdd", "folder"}:
        LAYOUTS[name](checkout)
    (checkout / "scenes").mkdir()
    (checkout / "scenes/other.wav").touch()
    before = tree(checkout)
    monkeypatch.setattr(FSDD, "download", lambda self, root: LAYOUTS["fsdd"](root))
    assert Source("fsdd").find(FSDD())[0] == cache / "fsdd"
    assert tree(checkout) == before


@pytest.mark.parametrize("empty", [True, False])
def test_what_was_cut_short_is_continued_in_the_same_place(empty, checkout, cache, tmp_path):
    class Cut(Made):
        def download(self, root):
            (root / "part").write_text("so far")
            raise RuntimeError("cut")

    (tmp_path / "empty").mkdir()
    source = Source("made", str(tmp_path / "empty") if empty else "data/raw")
    place = tmp_path / "empty" if empty else cache / "made-1"
    with pytest.raises(RuntimeError, match="cut"):
        source.find(Cut())
    assert source.find(Made())[0] == place
    assert tree(place) == ["fsdd/x.wav", "part"], "the mark is gone"


@pytest.mark.parametrize("empty", [True, False])
def test_processes_that_want_one_set_wait_for_the_one_that_fetches_it(empty, checkout, cache, tmp_path, capsys):
    started = []

    class Slow(Made):
        def download(self, root):
            started.append(root)
            (root / "fsdd").mkdir()  # a second one would fail
            time.sleep(0.2)
            super().download(root)

    (tmp_path / "empty").mkdir()
    source = Source("made", str(tmp_path / "empty") if empty else "data/raw")
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        found = [threads.submit(lambda: (barrier.wait(), source.find(Slow()))[1]) for _ in range(4)]
    place = tmp_path / "empty" if empty else cache / "made-1"
    assert [each.result()[0] for each in found] == [place] * 4 and started == [place]
    assert f"waiting for another process that fills {place}" in capsys.readouterr().out
    assert tree(place) == ["fsdd/x.wav"]


def test_sets_with_other_parameters_do_not_touch_each_other(checkout, cache):
    first, second = (Source("made").find(Made(content))[0] for content in "12")
    assert (first, second) == (cache / "made-1", cache / "made-2")
    assert [(folder / "fsdd/x.wav").read_text() for folder in (first, second)] == ["1", "2"]


def test_a_cache_that_cannot_be_written_is_named(checkout, tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(RuntimeError, match=r"made-1 cannot be written to .*cache.*set AUDIOCLUST_CACHE"):
        Source("made").find(Made())


def test_an_experiments_copy_reads_the_recordings_of_the_project_and_changes_none(checkout, cache, monkeypatch):
    project, copy = checkout.parents[1], checkout.parents[1] / ".dvc/tmp/exps/one"
    Made().download(checkout)
    (copy / "data/raw").mkdir(parents=True)
    (copy / "data/raw/README.md").touch()
    monkeypatch.chdir(copy)
    source = Source("made")
    assert source.find(Made("1"), project)[0] == checkout
    assert source.find(Made("2"), project)[0] == cache / "made-2"
    assert tree(copy) == ["data/raw/README.md"] and (checkout / "fsdd/x.wav").read_text() == "1"


def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "copy").mkdir()
    for project in (tmp_path, tmp_path / "copy"):
        monkeypatch.chdir(tmp_path / "copy")
        for name, dataset in (("folder", Folder()), ("made", Made())):
            with pytest.raises(FileNotFoundError, match=r"data\.root = .*nowhere: no such folder"):
                Source(name, "nowhere").find(dataset, project)
    assert not (tmp_path / "copy/nowhere").exists()
