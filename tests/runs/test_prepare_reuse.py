"""Recordings that were decoded before are not decoded again, wherever they lie; the outputs are as from nothing."""

import shutil

import numpy as np
import pytest
import soundfile
from prepare_fixture import counted, outputs, table, write

from audioclust.results import kept as kept_module
from audioclust.results.kept import Kept, prune
from audioclust.runs.prepare import Prepare, decode, reuse, sections

SETTINGS = {"workers": 1, "clip_seconds": 0.5, "max_rejected": 1.0, "long": "split"}


@pytest.fixture
def grown(tmp_path):
    """Prepare all recordings of a folder, with what is kept of others; return the digests of the outputs."""

    def grown(root, out="out", code="code", kept=True, **settings):
        paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        shelf = Kept(tmp_path / "kept", code) if kept else None
        prepare = Prepare(**SETTINGS | settings)
        prepare.run(table(*paths), root, tmp_path / out, scratch=tmp_path / "scratch", kept=shelf)
        return outputs(tmp_path / out)

    return grown


@pytest.fixture
def root(tmp_path):
    """Five recordings of three rates, one of them loud, one quiet."""
    for i in range(4):
        write(tmp_path / "in", f"{i}.wav", 0.4 + 0.4 * i, (16000, 44100, 8000)[i % 3], 1 + i % 2, seed=i)
    loud = np.random.default_rng(9).normal(0, 3, 30000)
    soundfile.write(tmp_path / "in/loud.wav", loud, 16000, subtype="FLOAT")
    return tmp_path / "in"


def add(root):
    """Add two recordings, before and between the others."""
    write(root, "00.wav", 0.7, seed=7)
    write(root, "2a.flac", 1.3, 22050, seed=8)


def test_added_recordings_are_decoded_alone(root, grown, monkeypatch):
    grown(root)
    add(root)
    decoded = counted(monkeypatch)
    found = grown(root)
    assert decoded == ["00.wav", "2a.flac"]
    assert found == grown(root, "fresh", kept=False)
    decoded.clear()
    (root / "1.wav").unlink()
    assert grown(root) == grown(root, "fresh", code="another")
    assert decoded == ["0.wav", "00.wav", "2.wav", "2a.flac", "3.wav", "loud.wav"]  # by the code that is another


def test_a_recording_is_known_by_its_content(root, grown, monkeypatch, tmp_path):
    grown(root)
    shutil.move(root, tmp_path / "moved")
    moved = tmp_path / "moved"
    (moved / "deep/er").mkdir(parents=True)
    (moved / "3.wav").rename(moved / "deep/er/new name.wav")
    shutil.copy(moved / "0.wav", moved / "copy.wav")
    decoded = counted(monkeypatch)
    found = grown(moved)
    assert decoded == []
    assert found == grown(moved, "fresh", kept=False)
    write(moved, "0.wav", 0.4, seed=70)  # the same name, another content
    decoded.clear()
    grown(moved)
    assert decoded == ["0.wav"]


def test_a_name_that_no_table_holds_is_rejected_though_its_content_is_known(root, grown):
    grown(root)
    (root / "1.wav").rename(root / "1\r.wav")
    assert grown(root) == grown(root, "fresh", kept=False)


def test_a_recording_of_several_sections_is_kept_as_one(root, grown, monkeypatch):
    """Its level is known after all of them, so that it is decoded twice from nothing."""
    monkeypatch.setattr(sections, "SECTION", 1.0)
    monkeypatch.setattr(sections, "ASKED", 0)
    grown(root)
    add(root)
    decoded = counted(monkeypatch)
    found = grown(root)
    assert decoded == ["00.wav", "2a.flac", "2a.flac"]
    assert found == grown(root, "fresh", kept=False)


@pytest.mark.parametrize(
    "settings",
    [{"clip_seconds": 0.4}, {"sample_rate": 8000}, {"channels": "first"}, {"min_seconds": 0.1}, {"overlap": 0.5},
     {"min_level": -60.0}, {"long": "crop"}, {"code": "edited"}],
    ids=str,
)  # fmt: skip
def test_other_settings_and_other_code_decode_anew(root, grown, monkeypatch, settings):
    grown(root)
    decoded = counted(monkeypatch)
    assert grown(root, **settings) == grown(root, "fresh", **settings | {"kept": False})
    assert len(decoded) == 10
    decoded.clear()
    grown(root)  # what was kept before is still there
    assert decoded == []


@pytest.mark.parametrize("damage", ["array", "cut", "index", "gone", "no index"])
def test_what_is_damaged_is_decoded_again(root, grown, monkeypatch, tmp_path, damage):
    whole = grown(root)
    (array,), (index,) = tmp_path.glob("kept/*/*.npy"), tmp_path.glob("kept/*/*.index")
    if damage == "array":  # the output and what is kept are one file
        audio = np.load(tmp_path / "out/audio.npy", mmap_mode="r+")
        audio[2, 100] += 1
        audio.flush()
    elif damage == "cut":
        array.write_bytes(array.read_bytes()[:-20000])
    elif damage == "index":
        index.write_bytes(index.read_bytes()[:-1] + b"x")
    else:
        (array if damage == "gone" else index).unlink()
    decoded = counted(monkeypatch)
    assert grown(root, "again") == whole
    assert decoded == {"array": ["1.wav"], "cut": ["loud.wav"]}.get(damage, [f"{i}.wav" for i in [0, 1, 2, 3, "loud"]])
    decoded.clear()
    assert grown(root, "third") == whole and decoded == []


def test_what_cannot_be_used_is_remembered_where_trying_again_would_not_change_it(root, grown, monkeypatch):
    write(root, "short.wav", 0.01)
    soundfile.write(root / "silent.wav", np.zeros(9000), 16000)
    soundfile.write(root / "nan.wav", np.full(9000, np.nan), 16000, subtype="FLOAT")
    (root / "text.wav").write_text("no recording")
    found = grown(root)
    decoded = counted(monkeypatch)
    assert grown(root, "again") == found
    assert decoded == ["text.wav"]


def test_a_recording_that_changes_while_it_is_decoded_is_not_kept(root, grown, monkeypatch):
    inner = decode.decoded

    def changing(section, *rest):
        found = inner(section, *rest)
        if section.path == "2.wav":
            write(root, "2.wav", 1.2, 8000, seed=50)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(decode, "decoded", changing)
        grown(root)
    decoded = counted(monkeypatch)
    assert grown(root) == grown(root, "fresh", kept=False)
    assert decoded[:2] == ["2.wav", "0.wav"]


def test_audio_does_not_stand_twice(root, grown, tmp_path):
    grown(root)
    (array,) = tmp_path.glob("kept/*/*.npy")
    assert array.samefile(tmp_path / "out/audio.npy")
    add(root)
    grown(root)
    (new,) = tmp_path.glob("kept/*/*.npy")  # the older generation holds nothing that this one lacks
    assert new.samefile(tmp_path / "out/audio.npy") and new != array
    prune(tmp_path / "kept", 50_000)
    assert new.exists(), "it takes no room"
    (tmp_path / "out/audio.npy").unlink()
    prune(tmp_path / "kept", 50_000)
    assert not list(tmp_path.glob("kept/*/*"))


def test_without_hard_links_a_copy_is_kept(root, grown, monkeypatch):
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(kept_module.os, "link", refused)
    whole = grown(root)
    decoded = counted(monkeypatch)
    assert grown(root, "again") == whole and decoded == []


def test_a_generation_that_another_run_prunes_meanwhile_is_used_to_the_end(root, grown, monkeypatch, tmp_path):
    whole = grown(root)
    inner = reuse.take

    def pruned(*arguments):
        found = inner(*arguments)
        shutil.rmtree(tmp_path / "kept")
        return found

    monkeypatch.setattr(reuse, "take", pruned)
    (tmp_path / "out/audio.npy").unlink()
    assert grown(root) == whole


def test_a_run_that_was_killed_decodes_the_rest_of_what_is_new(root, grown, monkeypatch):
    monkeypatch.setattr(sections, "TASK", 0)
    grown(root)
    add(root)
    inner = decode.shard

    def killed(task, *rest):
        if task[0].path == "2a.flac":
            raise KeyboardInterrupt
        return inner(task, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decode, "shard", killed)
        grown(root)
    decoded = counted(monkeypatch)
    assert grown(root) == grown(root, "fresh", kept=False)
    assert decoded[0] == "2a.flac" and len(decoded) == 1 + 7


@pytest.mark.parametrize("where", ["before", "after"], ids=["it takes what is kept", "it has written its outputs"])
def test_runs_side_by_side_share_what_is_kept(root, grown, monkeypatch, where):
    grown(root)
    add(root)
    name, calls = {"before": "take", "after": "put"}[where], []
    inner = getattr(reuse, name)

    def beside(*arguments):
        calls.append(name)
        if len(calls) == 1:
            grown(root, "beside")
        return inner(*arguments)

    monkeypatch.setattr(reuse, name, beside)
    found = grown(root)
    decoded = counted(monkeypatch)
    assert grown(root, "again") == found and decoded == []
    assert grown(root, "fresh", kept=False) == found
