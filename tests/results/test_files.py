"""Files that are whole or not there, on a full disk too."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from disk_fixture import largest

from audioclust.results import files


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path):
    path = tmp_path / "new/x"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.whole(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(path.parent) == ["x"]


def test_a_folder_takes_the_place_of_an_older_one_or_leaves_it(tmp_path):
    folder = tmp_path / "new/folder"
    for name in ("first", "second"):
        with files.whole_folder(folder) as part:
            (part / name).write_text("x")
        assert os.listdir(folder) == [name]
    with pytest.raises(KeyboardInterrupt), files.whole_folder(folder) as part:
        (part / "third").write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(folder) == ["second"] and os.listdir(folder.parent) == ["folder"]


def test_an_older_folder_comes_back_where_a_run_was_killed_between_two_renames(tmp_path):
    folder = tmp_path / "folder"
    killed = subprocess.Popen(["true"])
    killed.wait()
    aside = tmp_path / f".folder.1.{killed.pid}.part/old"
    aside.mkdir(parents=True)
    (aside / "older").write_text("x")
    with pytest.raises(KeyboardInterrupt), files.whole_folder(folder):
        raise KeyboardInterrupt
    assert os.listdir(folder) == ["older"] and os.listdir(tmp_path) == ["folder"]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path):
    with largest(1000), pytest.raises(OSError, match=r"File too large.*x\.npy"):
        files.write_array(tmp_path / "x.npy", np.arange(1000))
    assert os.listdir(tmp_path) == []
    files.write_array(tmp_path / "x.npy", np.arange(1000))
    assert len(np.load(tmp_path / "x.npy")) == 1000


def test_a_folder_that_refuses_names_the_file(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/y").touch()
    with pytest.raises(OSError) as caught:
        files.write_text(tmp_path / "x", "text")
    assert caught.value.filename == str(tmp_path / "x") and os.listdir(tmp_path) == ["x"]


def test_part_files_of_killed_processes_go_and_those_of_others_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".x.1.{dead.pid}.part", f".x.1.{os.getppid()}.part", f".y.1.{dead.pid}.part"]
    for name in names:
        (tmp_path / name).touch()
    files.write_text(tmp_path / "x", "text")
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], "x"])


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.zeros((0, 4), np.float16), np.array("é"), np.arange(12).reshape(3, 4)[:, ::2]],
    ids=["floats", "empty", "text", "not contiguous"],
)
def test_arrays_are_written_as_numpy_writes_them(tmp_path, array):
    files.write_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are told by /proc")
def test_the_part_file_of_a_killed_process_goes_also_while_that_is_a_zombie(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    part = tmp_path / f".table.csv.1.{process.pid}.part"
    part.write_bytes(b"half")
    files.write_text(tmp_path / "table.csv", "whole")
    assert part.exists()  # its process may be writing still
    process.kill()
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)  # nobody has asked for its status
    files.write_text(tmp_path / "table.csv", "whole")
    assert not part.exists()
    process.wait()
