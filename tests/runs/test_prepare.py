"""Recordings to clips: what is cut, named and rejected; the same bytes after a kill and on any number of workers."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import soundfile

from audioclust.runs import prepare as module
from audioclust.runs.label import CLIP
from audioclust.runs.prepare import Prepare

OUTPUTS = ("audio.npy", "clips.csv", "durations.npy", "format.json", "info.json", "rejected.csv")


def write(root, name: str, seconds: float = 0.5, rate: int = 16000, channels: int = 1, seed: int = 0) -> None:
    """Write noise; ``name`` may have folders."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(root / name, x, rate)


def table(*paths: str, **columns) -> pd.DataFrame:
    return pd.DataFrame({"path": list(paths), "group": "g"} | (columns or {"label": "a"}))


def run(tmp_path, recordings: pd.DataFrame, out: str = "out", **settings):
    """Return audio (n, samples), the clip table, the rejections and info.json."""
    settings = {"workers": 1, "clip_seconds": 0.5, "max_rejected": 1.0} | settings
    Prepare(**settings).run(recordings, tmp_path, tmp_path / out, scratch=tmp_path / "scratch")
    clips, rejected = (pd.read_csv(tmp_path / out / f"{n}.csv", keep_default_na=False) for n in ("clips", "rejected"))
    return (
        np.load(tmp_path / out / "audio.npy"),
        clips,
        rejected,
        json.loads((tmp_path / out / "info.json").read_text()),
    )


def outputs(folder) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in OUTPUTS]


def test_the_files_agree(tmp_path):
    write(tmp_path, "b.wav", 0.3)
    write(tmp_path, "a.wav", 0.9, seed=1)
    audio, clips, rejected, info = run(tmp_path, table("b.wav", "a.wav", label=["y", "x"]))
    assert (audio.dtype, audio.shape, audio.flags.c_contiguous) == (np.int16, (2, 8000), True)
    assert list(clips.columns) == [*CLIP, "label"]
    assert clips[["path", "start", "duration", "label"]].values.tolist() == [
        ["a.wav", 0, 0.5, "x"],
        ["b.wav", 0, 0.3, "y"],
    ]
    assert len(rejected) == 0
    assert info == {"clips": 2, "recordings": 2, "rejected": 0} and list(info) == sorted(info)
    form = json.loads((tmp_path / "out/format.json").read_text())
    assert form == {"samples": 8000, "sample_rate": 16000}
    np.testing.assert_array_equal(np.load(tmp_path / "out/durations.npy"), [0.5, 0.3])
    assert not (tmp_path / "scratch").exists()
    # No conversion is due at 16 kHz and 16 bits: the samples are the file's own, then zeros.
    original = soundfile.read(tmp_path / "b.wav", dtype="int16")[0]
    assert np.array_equal(audio[1], np.pad(original, (0, 8000 - len(original))))
    assert np.array_equal(audio[0], soundfile.read(tmp_path / "a.wav", dtype="int16")[0][:8000])


def test_split_drops_a_remainder_under_half_a_clip_but_keeps_the_only_clip(tmp_path):
    for name, seconds in (("a.wav", 1.2), ("b.wav", 1.3), ("c.wav", 0.2)):
        write(tmp_path, name, seconds)
    audio, clips, _, _ = run(tmp_path, table("a.wav", "b.wav", "c.wav"), long="split")
    assert clips.groupby("path")["duration"].agg(list).to_dict() == {
        "a.wav": [0.5, 0.5],
        "b.wav": [0.5, 0.5, 0.3],
        "c.wav": [0.2],
    }
    assert clips["start"].tolist() == [0, 0.5, 0, 0.5, 1.0, 0]
    original = soundfile.read(tmp_path / "b.wav", dtype="int16")[0]
    assert np.array_equal(audio[2:5].ravel()[: len(original)], original)


def test_a_remainder_shorter_than_min_seconds_is_dropped(tmp_path):
    write(tmp_path, "a.wav", 1.3)
    assert len(run(tmp_path, table("a.wav"), long="split", min_seconds=0.3)[0]) == 3
    assert len(run(tmp_path, table("a.wav"), "other", long="split", min_seconds=0.31)[0]) == 2
    # Longer than a clip: whole clips of a long enough recording stay.
    assert len(run(tmp_path, table("a.wav"), "third", long="split", min_seconds=0.5)[0]) == 2


def test_each_channel_is_a_clip_of_its_own(tmp_path):
    write(tmp_path, "a.wav", 0.5, channels=3)
    audio, clips, _, _ = run(tmp_path, table("a.wav"), channels="each")
    assert np.array_equal(audio.T, soundfile.read(tmp_path / "a.wav", dtype="int16")[0])
    assert clips["clip_id"].is_unique
    mean, _, _, _ = run(tmp_path, table("a.wav"), "mean", channels="mean")
    assert np.abs(mean[0] - audio.mean(axis=0)).max() <= 0.51


def test_a_clip_id_does_not_depend_on_the_other_recordings(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        write(tmp_path, name, 1.0)
    _, few, _, _ = run(tmp_path, table("b.wav"), long="split")
    _, many, _, _ = run(tmp_path, table("a.wav", "b.wav", "c.wav"), "many", long="split")
    assert many["clip_id"].is_unique
    assert many.loc[many["path"] == "b.wav", "clip_id"].tolist() == few["clip_id"].tolist()
    assert few["clip_id"].str.fullmatch("[0-9a-f]{12}").all()


def test_names_with_spaces_and_letters_of_any_script_and_twice_in_different_folders(tmp_path):
    names = ["one/take 1.wav", "two/take 1.wav", "zażółć 録音.wav", "with,comma.flac"]
    for seed, name in enumerate(names):
        write(tmp_path, name, seed=seed)
    audio, clips, _, _ = run(tmp_path, table(*names))
    assert clips["path"].tolist() == sorted(names)
    assert clips["clip_id"].is_unique
    assert len(np.unique(audio, axis=0)) == len(names)


def test_paths_are_relative_however_they_are_given(tmp_path):
    write(tmp_path, "one/a.wav")
    _, clips, _, _ = run(tmp_path, table(str(tmp_path / "one/a.wav")))
    _, same, _, _ = run(tmp_path, table("one/../one/./a.wav"), "same")
    assert clips["path"].tolist() == ["one/a.wav"]
    assert clips.equals(same)
    with pytest.raises(ValueError, match="listed twice"):
        run(tmp_path, table("one/a.wav", "./one/a.wav"))


def test_every_labelling_is_a_column(tmp_path):
    write(tmp_path, "a.wav")
    write(tmp_path, "b.wav")
    clips = run(tmp_path, table("a.wav", "b.wav", digit=["seven", None], speaker="theo"))[1]
    assert clips[["digit", "speaker"]].values.tolist() == [["seven", "theo"], ["", "theo"]]
    clips = run(tmp_path, table("a.wav").drop(columns="label"), "unlabelled")[1]
    assert list(clips.columns) == list(CLIP)


def test_other_labels_leave_the_sounds_files_alone(tmp_path):
    write(tmp_path, "a.wav")
    run(tmp_path, table("a.wav", digit="1"), "one")
    run(tmp_path, table("a.wav", digit="2", speaker="x"), "two")
    changed = {n for n in OUTPUTS if (tmp_path / "one" / n).read_bytes() != (tmp_path / "two" / n).read_bytes()}
    assert changed == {"clips.csv"}


def test_bad_tables_are_refused(tmp_path):
    write(tmp_path, "a.wav")
    with pytest.raises(ValueError, match=r"a labelling is called 'start'"):
        run(tmp_path, table("a.wav", start="1"))
    with pytest.raises(ValueError, match=r"listed twice.*a\.wav"):
        run(tmp_path, table("a.wav", "a.wav"))
    with pytest.raises(ValueError, match="no recordings"):
        run(tmp_path, table())
    with pytest.raises(ValueError, match=r"clip_seconds = 1e-06"):
        run(tmp_path, table("a.wav"), clip_seconds=1e-6)
    with pytest.raises(ValueError, match=r"workers = 0"):
        run(tmp_path, table("a.wav"), workers=0)


def damaged(root) -> dict[str, str]:
    """Write one recording for each reason there is, and a sound one; return path -> reason."""
    write(root, "good.wav")
    write(root, "short.wav", 0.01)
    soundfile.write(root / "silent.wav", np.zeros(8000), 16000)
    soundfile.write(root / "nan.wav", np.array([0.1] * 4000 + [np.nan]), 16000, subtype="FLOAT")
    soundfile.write(root / "none.wav", np.zeros(0), 16000)
    soundfile.write(root / "rate.wav", np.ones(100) / 2, 1)
    (root / "bytes.wav").write_bytes(b"")
    (root / "text.wav").write_text("not a recording")
    return {
        "bytes.wav": "empty", "missing.wav": "unreadable", "nan.wav": "not finite", "none.wav": "empty",
        "rate.wav": "unreadable", "short.wav": "too short", "silent.wav": "silent", "text.wav": "unreadable",
    }  # fmt: skip


def test_damaged_recordings_are_set_aside_with_their_reason(tmp_path):
    expected = damaged(tmp_path)
    audio, clips, rejected, info = run(tmp_path, table("good.wav", *expected))
    assert clips["path"].tolist() == ["good.wav"]
    assert dict(zip(rejected["path"], rejected["reason"], strict=True)) == expected
    assert (len(audio), info["rejected"]) == (1, len(expected))
    assert rejected["detail"].str.len().min() > 0


def test_too_many_rejected_stops_after_writing_the_list(tmp_path):
    expected = damaged(tmp_path)
    with pytest.raises(ValueError, match=r"8 of 9 .*3 unreadable.*2 empty"):
        run(tmp_path, table("good.wav", *expected), max_rejected=0.5)
    assert len(pd.read_csv(tmp_path / "out/rejected.csv")) == len(expected)
    assert not (tmp_path / "out/audio.npy").exists()
    run(tmp_path, table("good.wav", *expected), max_rejected=8 / 9)


def test_a_silent_stretch_of_a_long_recording_loses_only_its_clip(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.1, 24000)
    x[8000:16000] = 0
    soundfile.write(tmp_path / "a.wav", x, 16000)
    _, clips, rejected, info = run(tmp_path, table("a.wav"), long="split")
    assert clips["start"].tolist() == [0, 1.0]
    assert rejected[["start", "reason"]].values.tolist() == [[0.5, "silent"]]
    assert info["rejected"] == 0  # the recording itself is in use


def test_damage_late_in_a_recording_takes_its_early_clips_too(tmp_path, monkeypatch):
    monkeypatch.setattr("audioclust.clips.audio.BLOCK", 4000)  # clips are written before the damage is met
    write(tmp_path, "b.wav")
    x = np.random.default_rng(0).normal(0, 0.1, 24000)
    x[-1] = np.nan
    for name in ("a.wav", "c.wav"):
        soundfile.write(tmp_path / name, x, 16000, subtype="FLOAT")
    audio, clips, rejected, _ = run(tmp_path, table("a.wav", "b.wav", "c.wav"), long="split")
    assert (clips["path"].tolist(), rejected["path"].tolist()) == (["b.wav"], ["a.wav", "c.wav"])
    assert np.array_equal(audio[0], soundfile.read(tmp_path / "b.wav", dtype="int16")[0])
    assert (tmp_path / "out/audio.npy").stat().st_size == 128 + audio.nbytes  # numpy's header, and nothing left behind


@pytest.fixture
def several(tmp_path, monkeypatch) -> pd.DataFrame:
    """Seven recordings of two rates in shards of two, one of them damaged."""
    monkeypatch.setattr(module, "SHARD", 2)
    for i in range(6):
        write(tmp_path, f"{i}.wav", 0.4 + 0.2 * i, (16000, 44100)[i % 2], 1 + i % 3, seed=i)
    (tmp_path / "6.wav").write_text("no")
    return table(*(f"{i}.wav" for i in range(7)))


def test_bytes_do_not_depend_on_workers_shards_or_the_order_given(tmp_path, several, monkeypatch):
    run(tmp_path, several, "one", long="split")
    run(tmp_path, several.iloc[::-1], "two", long="split", workers=2)
    monkeypatch.setattr(module, "SHARD", 100)
    run(tmp_path, several, "three", long="split")
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two") == outputs(tmp_path / "three")


def stopped(tmp_path, several, monkeypatch, after: int) -> None:
    """Run until ``after`` shards are done, as if killed then."""
    inner, done = module._shard, []

    def shard(*arguments):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(1)
        return inner(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_shard", shard)
        run(tmp_path, several, "killed", long="split")


def counted(monkeypatch) -> list[str]:
    """Return a list that grows by the path of each recording decoded from now on."""
    inner, decoded = module._recording, []
    monkeypatch.setattr(module, "_recording", lambda path, *rest: decoded.append(path) or inner(path, *rest))
    return decoded


def test_finished_shards_are_not_decoded_again(tmp_path, several, monkeypatch):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert decoded == ["4.wav", "5.wav", "6.wav"]
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


@pytest.mark.parametrize("suffix", [".raw", ".json"])
def test_a_shard_that_lost_its_end_is_decoded_again(tmp_path, several, monkeypatch, suffix):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    for path in (tmp_path / "scratch").glob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:-10])
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert len(decoded) == 7
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


def test_a_shard_whose_samples_changed_is_decoded_again(tmp_path, several, monkeypatch):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    for path in (tmp_path / "scratch").glob("*.raw"):
        path.write_bytes(bytes(path.stat().st_size))
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert len(decoded) == 7
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


def test_shards_of_other_parameters_or_of_edited_recordings_are_not_reused(tmp_path, several, monkeypatch):
    stopped(tmp_path, several, monkeypatch, after=3)
    before = (tmp_path / "0.wav").stat()
    write(tmp_path, "0.wav", 0.4, seed=99)
    assert (tmp_path / "0.wav").stat().st_size == before.st_size
    os.utime(tmp_path / "0.wav", ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    decoded = counted(monkeypatch)
    run(tmp_path, several, "edited", long="split")
    assert decoded == ["0.wav", "1.wav", "6.wav"]
    stopped(tmp_path, several, monkeypatch, after=3)
    decoded.clear()
    run(tmp_path, several, "other", long="crop")
    assert len(decoded) == 7


PROGRAM = """
import sys, resource
import pandas as pd
from pathlib import Path
from audioclust.runs import prepare as module
root, out, long, shard = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
module.SHARD = shard
paths = sorted(p.name for p in root.glob("*.wav"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prepare = module.Prepare(workers=1, clip_seconds=1.0, long=long)
prepare.run(pd.DataFrame({"path": paths, "group": ""}), root, root / out, scratch=root / "scratch")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def program(root, out: str, long: str, shard: int) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(root), out, long, str(shard)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_run_killed_by_sigkill_ends_in_the_same_bytes(tmp_path):
    for i in range(40):
        write(tmp_path, f"{i:02d}.wav", 5.0, 44100, 2, seed=i)
    process = subprocess.Popen(
        program(tmp_path, "out", "split", 1), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "scratch").glob("*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = len(list((tmp_path / "scratch").glob("*.json")))
    assert 3 <= left < 40
    assert not (tmp_path / "out/clips.csv").exists()
    subprocess.run(program(tmp_path, "out", "split", 1), check=True, capture_output=True)
    shutil.copytree(tmp_path / "out", tmp_path / "resumed")
    subprocess.run(program(tmp_path, "out", "split", 100), check=True, capture_output=True)
    assert outputs(tmp_path / "resumed") == outputs(tmp_path / "out")


@pytest.mark.parametrize("long", ["crop", "split"])
def test_a_long_recording_needs_no_more_memory_than_a_few_blocks(tmp_path, long):
    """Ten minutes of 44.1 kHz stereo are 202 MB as float32; blocks of 2 MB and their copies must do."""
    pytest.importorskip("resource")
    noise = np.random.default_rng(0).normal(0, 0.1, (44100 * 10, 2))
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 44100, 2) as file:
        for _ in range(60):
            file.write(noise)
    done = subprocess.run(program(tmp_path, "out", long, 100), check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60
    assert len(np.load(tmp_path / "out/audio.npy", mmap_mode="r")) == (600 if long == "split" else 1)
