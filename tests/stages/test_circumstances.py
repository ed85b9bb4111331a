"""Whatever ends a stage is said in one line, and whatever kills it, the next run ends in the same bytes."""

import errno
import itertools
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import kills
import numpy as np
import pytest
import torch
from disk_fixture import small_disk
from dvc.repo import Repo
from safetensors.torch import save_file

import ending
from params import ParamsError, run

ROOT = Path(__file__).resolve().parents[2]


def line(error: BaseException) -> str:
    """Return what a stage ends with that raises ``error``: one line."""

    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert isinstance(caught.value.code, str) and "\n" not in caught.value.code
    return caught.value.code


# One line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "error: a/b: no space left on the disk"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a/b"), "error: a/b: no space left on the disk"),
        (OSError("9000 requested and 4096 written"), "error: a file: no space left on the disk"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "error: a/b: permission denied: change its rights"),
        (OSError(errno.EROFS, "Read-only file system", b"a/b"), "error: a/b: read-only file system"),
        (FileNotFoundError(errno.ENOENT, "", "data/clips/audio.npy"), "clips/audio.npy: .*: `dvc repro` writes it"),
        (FileNotFoundError("nowhere: no such folder"), "error: nowhere: no such folder$"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "error: out of memory .*: close other programs"),
        (MemoryError(), "error: out of memory: close other programs, or lower"),
        (ValueError("k = 1: must be 2 or more"), "error: k = 1: must be 2 or more$"),
    ],
    ids=str,
)
def test_an_error_ends_in_a_line_that_says_what_to_do(error, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(said, line(error))


def test_memory_that_torch_and_numpy_do_not_get():
    for ask in (lambda: torch.empty(1 << 60, dtype=torch.int8), lambda: np.empty(1 << 60, np.int8)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            ask()
        assert line(caught.value).startswith("error: out of memory (")


def test_several_mistakes_in_params_keep_their_lines():
    with pytest.raises(SystemExit, match="error: one\ntwo"):
        run(lambda: (_ for _ in ()).throw(ParamsError("one\ntwo")))


def test_a_fault_of_the_code_keeps_its_traceback():
    with pytest.raises(AttributeError):
        run(lambda: None.nothing)


def test_an_interrupt_has_its_status(capsys):
    with pytest.raises(SystemExit) as caught:
        run(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted; run again to resume\n"


def test_a_full_disk_is_named_where_the_error_does_not(tmp_path, monkeypatch):
    with small_disk(tmp_path / "project", 65536):
        monkeypatch.chdir(tmp_path / "project")
        with pytest.raises(OSError) as caught:
            Path("table.csv").write_bytes(bytes(100_000))
        caught.value.filename = None
        said = line(caught.value)
        assert f"{tmp_path}/project: no space left" in said
        monkeypatch.chdir(tmp_path)


def whole_files(folder: Path) -> list[Path]:
    """Write a file of each kind that stages read."""
    for name in ("clips", "labels/grid", "models/spice/seed-0", "truth/k"):
        (folder / "data" / name).mkdir(parents=True)
    np.save(folder / "data/clips/audio.npy", np.arange(999))
    np.savez(folder / "data/labels/grid/e.npz", labels=np.arange(999))
    save_file({"a": torch.zeros(99), "b": torch.zeros(0)}, folder / "data/models/spice/seed-0/model.safetensors")
    (folder / "data/truth/k/grid.json").write_text(json.dumps({"kmeans": 9}))
    return [path for path in sorted((folder / "data").rglob("*")) if path.is_file()]


@pytest.mark.parametrize("damage", ["cut", "empty", "begins with zeros"])
@pytest.mark.parametrize("position", range(4), ids=["npy", "npz", "json", "safetensors"])
def test_a_damaged_input_is_named(position, damage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = whole_files(tmp_path)[position].relative_to(tmp_path)
    assert line(ValueError("x")) == "error: x"
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-1], "empty": b"", "begins with zeros": bytes(9) + data[9:]}[damage])
    for error in (ValueError("unreadable"), EOFError("unreadable"), KeyError("unreadable")):
        assert line(error).startswith(f"error: damaged: {path} (")
        assert "delete it and run `dvc repro` again" in line(error)


def test_what_stages_read_of_this_project_is_not_called_damaged():
    files = [path for path in sorted((ROOT / "tests/golden").rglob("*")) if path.suffix in ending.CHECKS]
    assert len(files) > 3 and not any(map(ending.is_damaged, files))


# Part files


def test_part_files_are_hidden_from_dvc():
    ignore = Repo(ROOT).dvcignore
    for path in ("data/logmel/.logmel.npy.1.2.part", "data/embeddings/simclr/.embedding.npy.1.2.part"):
        assert ignore.is_ignored_file(str(ROOT / path))
    assert not ignore.is_ignored_file(str(ROOT / "data/logmel/logmel.npy"))


# Kills


FIRST = (("check",), ("recordings",))
WORK = (("prepare",), ("label",), ("logmel",), ("pretext", "simclr"), ("grid", "simclr"),
        ("deep", "spice", "simclr"), ("deep", "temi", "simclr"))  # fmt: skip
# Those that keep unfinished work where other runs find it: shards, checkpoints, cells.
SHARING = (("prepare",), ("pretext", "simclr"), ("grid", "simclr"))
# A stage is at work once there is such a file.
BEGUN = {
    ("pretext", "simclr"): ".scratch/pretext/simclr/*/*",
    ("grid", "simclr"): ".scratch/pieces/*/*",
    ("deep", "temi", "simclr"): ".scratch/deep/temi/*/*",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Three folders in which the stages have run, the seconds of those in ``WORK``, and the bytes of a run."""
    top = tmp_path_factory.mktemp("kills")
    folders = [top / name for name in ("project", "one", "two")]
    for folder in folders:
        kills.lay_out(folder)
    seconds = kills.undisturbed(folders[0], [*FIRST, *WORK])
    for folder, name in itertools.product(folders[1:], ("data", "plots")):
        shutil.copytree(folders[0] / name, folder / name)
    return folders, {stage: seconds[stage] for stage in WORK}, kills.outputs(folders[0])


def test_stages_that_are_killed_end_in_the_same_bytes(undisturbed):
    folders, seconds, whole = undisturbed
    tally = kills.stages_killed(folders[0], whole, seconds, 8, signal.SIGKILL, np.random.default_rng(0))
    assert tally.kills == 8 and (tally.differ, tally.stuck) == (0, 0)


def test_an_interrupted_stage_says_so_in_one_line(undisturbed):
    folder = undisturbed[0][0]
    for stage, begun in BEGUN.items():
        kills.clear(folder, [stage])
        process = kills.start(folder, stage)
        while process.is_alive() and not list(folder.glob(begun)):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        process.join(20)
        said = (folder / kills.SAID).read_text()
        assert process.exitcode == 130, said
        assert "Traceback" not in said and said.endswith("interrupted; run again to resume\n")
        assert kills.ended(kills.start(folder, stage))
    assert kills.outputs(folder) == undisturbed[2]


def test_stages_on_a_full_disk_say_so_in_one_line_and_end_in_the_same_bytes_with_room(undisturbed):
    folder, full = undisturbed[0][0], []
    kills.clear(folder, WORK)
    for stage in WORK:
        process = kills.start(folder, stage, largest=1500)
        process.join(kills.LONG)
        said = (folder / kills.SAID).read_text()
        if process.exitcode:
            full.append(stage)
            assert process.exitcode == 1 and "Traceback" not in said
            assert "no space left on the disk" in said.splitlines()[-1]
        assert kills.ended(kills.start(folder, stage))
    assert len(full) == len(WORK) - 1  # label writes less
    assert kills.outputs(folder) == undisturbed[2]


def test_copies_side_by_side_end_in_the_same_bytes_when_one_is_killed(undisturbed):
    folders, seconds, whole = undisturbed
    sharing = {stage: seconds[stage] for stage in SHARING}
    tally = kills.side_by_side(tuple(folders[1:]), folders[0], whole, sharing, 2, np.random.default_rng(1))
    assert tally.kills == 2 and (tally.differ, tally.stuck) == (0, 0)
