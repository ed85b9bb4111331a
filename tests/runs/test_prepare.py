"""Recordings to clips: what is cut, named and rejected; the same bytes after a kill and on any number of workers."""

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
from damage_fixture import accepted
from disk_fixture import largest
from prepare_fixture import OUTPUTS, counted, outputs, table, write

from audioclust.results import unfinished
from audioclust.runs.label import CLIP
from audioclust.runs.prepare import Prepare, decode, sections, summary


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
    assert list(info) == sorted(info) and {name: number for name, number in info.items() if number} == {
        "clips": 2, "recordings": 2, "seconds": 0.8, "seconds_left_out": 0.4,
    }  # fmt: skip
    form = json.loads((tmp_path / "out/format.json").read_text())
    assert form == {"samples": 8000, "sample_rate": 16000}
    np.testing.assert_array_equal(np.load(tmp_path / "out/durations.npy"), [0.5, 0.3])
    assert not (tmp_path / "scratch").exists()
    # No conversion is due at 16 kHz and 16 bits: the samples are the file's own, then zeros.
    original = soundfile.read(tmp_path / "b.wav", dtype="int16")[0]
    assert np.array_equal(audio[1], np.pad(original, (0, 8000 - len(original))))
    assert np.array_equal(audio[0], soundfile.read(tmp_path / "a.wav", dtype="int16")[0][:8000])


def rate_of(tmp_path, rates, **settings):
    """The sample rate of the clips of the recordings in ``tmp_path``."""
    table_ = table(*sorted(path.name for path in tmp_path.glob("*.wav")))
    settings = {"workers": 1, "clip_seconds": 0.5, "max_rejected": 1.0} | settings
    Prepare(**settings).run(table_, tmp_path, tmp_path / "out", scratch=tmp_path / "scratch", rates=rates)
    form = json.loads((tmp_path / "out/format.json").read_text())
    assert np.load(tmp_path / "out/audio.npy").shape[1] == form["samples"] == form["sample_rate"] // 2
    return form["sample_rate"]


def test_the_rate_is_as_high_as_wanted_and_as_recordings_have_it(tmp_path):
    write(tmp_path, "a.wav", rate=22050)
    assert rate_of(tmp_path, (16000, 16000)) == 16000, "no encoder asks for more"
    assert rate_of(tmp_path, (16000, 44100)) == 22050
    write(tmp_path, "b.wav", rate=48000)
    (tmp_path / "c.wav").write_bytes(b"damaged")
    assert rate_of(tmp_path, (16000, 44100)) == 44100
    assert rate_of(tmp_path, (16000, 44100), sample_rate=8000) == 8000, "what is said stands"
    (tmp_path / "b.wav").unlink()
    write(tmp_path, "a.wav", rate=8000)
    assert rate_of(tmp_path, (16000, 44100)) == 16000, "the log-mels want as much"


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


def test_each_clip_has_the_text_of_its_recording(tmp_path):
    write(tmp_path, "a.wav", 1.5)
    write(tmp_path, "b.wav")
    recordings = table("a.wav", "b.wav", label=["x", "y"], text=['ke"lo, miba', ""])
    clips = run(tmp_path, recordings, long="split")[1]
    assert list(clips.columns) == [*CLIP, "label", "text"]
    assert clips["text"].tolist() == ['ke"lo, miba'] * 3 + [""]


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
    monkeypatch.setattr("audioclust.clips.plain.BLOCK", 4000)  # clips are written before the damage is met
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
    """Seven recordings of two rates, a task each, one of them damaged."""
    monkeypatch.setattr(sections, "TASK", 0)
    for i in range(6):
        write(tmp_path, f"{i}.wav", 0.4 + 0.2 * i, (16000, 44100)[i % 2], 1 + i % 3, seed=i)
    (tmp_path / "6.wav").write_text("no")
    return table(*(f"{i}.wav" for i in range(7)))


def test_bytes_do_not_depend_on_workers_tasks_or_the_order_given(tmp_path, several, monkeypatch):
    run(tmp_path, several, "one", long="split")
    run(tmp_path, several.iloc[::-1], "two", long="split", workers=2)
    monkeypatch.setattr(sections, "TASK", 300)
    run(tmp_path, several, "three", long="split")
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two") == outputs(tmp_path / "three")


def stopped(tmp_path, several, monkeypatch, after: int) -> None:
    """Run until ``after`` tasks are done, as if killed then."""
    inner, done = decode.shard, []

    def shard(*arguments):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(1)
        return inner(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(decode, "shard", shard)
        run(tmp_path, several, "killed", long="split")


def test_finished_tasks_are_not_decoded_again(tmp_path, several, monkeypatch):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert decoded == ["2.wav", "3.wav", "4.wav", "5.wav", "6.wav"]
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


def test_a_folder_that_was_moved_resumes(tmp_path, several, monkeypatch):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    (tmp_path / "scratch").rename(tmp_path / "moved")
    decoded = counted(monkeypatch)
    prepare = Prepare(workers=1, clip_seconds=0.5, max_rejected=1.0, long="split")
    prepare.run(several, tmp_path, tmp_path / "again", scratch=tmp_path / "moved")
    assert len(decoded) == 5
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


@pytest.mark.parametrize("suffix", [".raw", ".json"])
def test_a_task_that_lost_its_end_is_decoded_again(tmp_path, several, monkeypatch, suffix):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    for path in (tmp_path / "scratch").rglob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:-10])
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert len(decoded) == 7
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


def test_a_task_whose_samples_changed_is_decoded_again(tmp_path, several, monkeypatch):
    run(tmp_path, several, "whole", long="split")
    stopped(tmp_path, several, monkeypatch, after=2)
    for path in (tmp_path / "scratch").rglob("*.raw"):
        path.write_bytes(bytes(path.stat().st_size))
    decoded = counted(monkeypatch)
    run(tmp_path, several, "again", long="split")
    assert len(decoded) == 7
    assert outputs(tmp_path / "again") == outputs(tmp_path / "whole")


def test_no_damage_of_a_finished_task_is_accepted(tmp_path, several, monkeypatch):
    stopped(tmp_path, several, monkeypatch, after=3)
    (folder,) = (tmp_path / "scratch").iterdir()
    settings = Prepare(sample_rate=16000, clip_seconds=0.5, long="split").settings
    for suffix in (".json", ".raw"):
        paths = sorted(folder.glob(f"*{suffix}"))

        def kept(path):
            return decode.known(path.with_suffix(".json"), path.with_suffix(".raw"), settings)

        assert len(paths) == 3 and all(map(kept, paths))
        assert accepted(paths, kept) == []


def test_a_recording_replaced_by_one_of_its_size_and_time_is_decoded_again(tmp_path, several, monkeypatch):
    stopped(tmp_path, several, monkeypatch, after=1)
    before = (tmp_path / "0.wav").stat()
    write(tmp_path, "new.wav", 0.4, seed=99)
    os.utime(tmp_path / "new.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new.wav").replace(tmp_path / "0.wav")
    assert (tmp_path / "0.wav").stat().st_size == before.st_size
    decoded = counted(monkeypatch)
    run(tmp_path, several, "replaced", long="split")
    assert decoded[0] == "0.wav"


def beside(monkeypatch, other) -> None:
    """Have ``other`` run once, in the middle of the next run: after its last task."""
    inner, calls = summary.counts, []

    def counts(*arguments):
        calls.append(1)
        if len(calls) == 1:
            other()
        return inner(*arguments)

    monkeypatch.setattr(summary, "counts", counts)


@pytest.mark.parametrize("settings", [{"long": "split"}, {"long": "crop"}], ids=["the same", "others"])
def test_a_run_that_ends_takes_nothing_from_one_beside_it(tmp_path, several, monkeypatch, settings):
    run(tmp_path, several, "whole", long="split")
    beside(monkeypatch, lambda: run(tmp_path, several, "beside", **settings))
    decoded = counted(monkeypatch)
    run(tmp_path, several, "out", long="split")
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole")
    assert len(decoded) == (7 if settings["long"] == "split" else 14)  # finished tasks are shared
    assert not (tmp_path / "scratch").exists()


def test_what_killed_runs_left_goes_after_a_while(tmp_path, several, monkeypatch):
    stopped(tmp_path, several, monkeypatch, after=2)
    run(tmp_path, several, "other", long="crop")
    assert list((tmp_path / "scratch").rglob("*.raw"))
    monkeypatch.setattr(unfinished, "WAITS", -1)
    run(tmp_path, several, "third", long="crop", min_seconds=0.06)
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("size", [500, 30_000, 100_000], ids=["every task", "a task", "the clips"])
def test_a_full_disk_leaves_no_part_and_the_next_run_ends_in_the_same_bytes(tmp_path, several, size, workers):
    run(tmp_path, several, "whole", long="split")
    with largest(size), pytest.raises(OSError, match="File too large: '"):
        run(tmp_path, several, "out", long="split", workers=workers)
    assert not list(tmp_path.rglob("*.part"))
    run(tmp_path, several, "out", long="split", workers=workers)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole")


def test_tasks_of_other_parameters_or_of_edited_recordings_are_not_reused(tmp_path, several, monkeypatch):
    stopped(tmp_path, several, monkeypatch, after=3)
    before = (tmp_path / "0.wav").stat()
    write(tmp_path, "0.wav", 0.4, seed=99)
    assert (tmp_path / "0.wav").stat().st_size == before.st_size
    os.utime(tmp_path / "0.wav", ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    decoded = counted(monkeypatch)
    run(tmp_path, several, "edited", long="split")
    assert decoded == ["0.wav", "3.wav", "4.wav", "5.wav", "6.wav"]
    stopped(tmp_path, several, monkeypatch, after=3)
    decoded.clear()
    run(tmp_path, several, "other", long="crop")
    assert len(decoded) == 7


PROGRAM = """
import sys, resource
import pandas as pd
from pathlib import Path
from audioclust.runs.prepare import Prepare, sections
root, out, long, task = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
sections.TASK = task
paths = sorted(p.name for p in root.glob("*.wav"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prepare = Prepare(workers=1, clip_seconds=1.0, long=long)
prepare.run(pd.DataFrame({"path": paths, "group": ""}), root, root / out, scratch=root / "scratch")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def program(root, out: str, long: str, task: int) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(root), out, long, str(task)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_run_killed_by_sigkill_ends_in_the_same_bytes(tmp_path):
    for i in range(40):
        write(tmp_path, f"{i:02d}.wav", 5.0, 44100, 2, seed=i)
    process = subprocess.Popen(
        program(tmp_path, "out", "split", 0), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "scratch").rglob("*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = len(list((tmp_path / "scratch").rglob("*.json")))
    assert 3 <= left < 40
    assert not (tmp_path / "out/clips.csv").exists()
    subprocess.run(program(tmp_path, "out", "split", 0), check=True, capture_output=True)
    shutil.copytree(tmp_path / "out", tmp_path / "resumed")
    subprocess.run(program(tmp_path, "out", "split", 300), check=True, capture_output=True)
    assert outputs(tmp_path / "resumed") == outputs(tmp_path / "out")


@pytest.mark.parametrize("long", ["crop", "split"])
def test_a_long_recording_needs_no_more_memory_than_a_few_blocks(tmp_path, long):
    """Ten minutes of 44.1 kHz stereo are 202 MB as float32; blocks of 2 MB and their copies must do."""
    pytest.importorskip("resource")
    noise = np.random.default_rng(0).normal(0, 0.1, (44100 * 10, 2))
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 44100, 2) as file:
        for _ in range(60):
            file.write(noise)
    done = subprocess.run(program(tmp_path, "out", long, 300), check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60
    assert len(np.load(tmp_path / "out/audio.npy", mmap_mode="r")) == (600 if long == "split" else 1)


def sound(seconds: float = 0.5, rate: int = 16000) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * 440 * t) + np.random.default_rng(0).normal(0, 0.02, len(t))


@pytest.mark.parametrize("scale", [1e-9, 1e-5, 3.0, 32768.0, 1e20])
def test_a_level_that_16_bits_do_not_hold_is_scaled_to_them(tmp_path, scale):
    soundfile.write(tmp_path / "a.wav", sound() * scale, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", sound(), 16000, subtype="FLOAT")
    audio, clips, rejected, info = run(tmp_path, table("a.wav", "b.wav"))
    assert len(rejected) == 0
    assert np.corrcoef(audio[0], audio[1])[0, 1] > 0.9999 and 8000 < np.abs(audio[0].astype(int)).max() <= 32767
    assert (info["scaled_down"], info["scaled_up"]) == (scale > 1, scale < 1)
    assert clips["level"].tolist() == pytest.approx(20 * np.log10(np.array([scale, 1]) * np.std(sound())), abs=0.01)


def test_24_bits_below_the_smallest_step_of_16_keep_their_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", sound() * 2**-14, 16000, subtype="PCM_24")
    audio, _, _, info = run(tmp_path, table("a.wav"))
    assert np.corrcoef(audio[0], sound())[0, 1] > 0.999 and info["scaled_up"] == 1


def test_a_quiet_recording_of_16_bits_stays_as_it_is(tmp_path):
    codes = np.random.default_rng(0).integers(-3, 4, 8000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", codes, 16000)
    audio, _, _, info = run(tmp_path, table("a.wav"))
    assert np.array_equal(audio[0], codes) and info["scaled_up"] == 0


def test_a_whole_recording_has_one_scale(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "SECTION", 1.0)
    monkeypatch.setattr(sections, "ASKED", 0)
    x = sound(5.0)
    x[32000:40000] *= 8
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    audio, _, _, info = run(tmp_path, table("a.wav"), long="split")
    assert info["scaled_down"] == 1
    assert np.abs(audio.ravel() / 32768 * np.abs(x).max() - x).max() < 2 * np.abs(x).max() / 32768


def test_channels_that_cancel_out_are_silent_for_a_reason(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([sound(), -sound()], axis=1), 16000)
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), 16000)
    write(tmp_path, "c.wav")
    _, _, rejected, _ = run(tmp_path, table("a.wav", "b.wav", "c.wav"))
    assert rejected["reason"].tolist() == ["silent", "silent"]
    assert ["cancel out" in detail for detail in rejected["detail"]] == [True, False]
    assert len(run(tmp_path, table("a.wav"), "each", channels="each")[0]) == 2


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_long_recording_is_decoded_in_sections_that_join_seamlessly(tmp_path, monkeypatch, rate):
    write(tmp_path, "a.wav", 6.3, rate)
    write(tmp_path, "b.wav", 0.5, rate, seed=1)
    expected = run(tmp_path, table("a.wav", "b.wav"), "whole", long="split")
    monkeypatch.setattr(sections, "SECTION", 1.0)
    monkeypatch.setattr(sections, "ASKED", 0)
    decoded = counted(monkeypatch)
    found = run(tmp_path, table("a.wav", "b.wav"), "parts", long="split")
    assert decoded == ["a.wav"] * 7 + ["b.wav"]
    assert found[1].equals(expected[1]) and found[3] == expected[3]
    # soxr's last bits depend on where it began.
    assert np.abs(found[0].astype(int) - expected[0]).max() <= (0 if rate == 16000 else 1)


def test_damage_in_one_section_takes_the_whole_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "SECTION", 1.0)
    monkeypatch.setattr(sections, "ASKED", 0)
    x = np.random.default_rng(0).normal(0, 0.1, 64000)
    x[40000] = np.nan
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    write(tmp_path, "b.wav")
    _, clips, rejected, _ = run(tmp_path, table("a.wav", "b.wav"), long="split")
    assert clips["path"].tolist() == ["b.wav"]
    assert rejected[["path", "reason"]].values.tolist() == [["a.wav", "not finite"]]


def test_copies_are_counted_and_kept(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        write(tmp_path, name)
    write(tmp_path, "d.wav", seed=1)
    audio, _, _, info = run(tmp_path, table("a.wav", "b.wav", "c.wav", "d.wav"))
    assert (len(audio), info["copies"]) == (4, 2)


@pytest.mark.parametrize(("raw", "shown"), [(b"caf\xe9.wav", "caf\\xe9.wav"), (b"cr\rlf.wav", "cr\\rlf.wav")])
def test_a_name_that_no_table_holds_is_listed_and_the_run_goes_on(tmp_path, raw, shown):
    name = os.fsdecode(raw)
    write(tmp_path, "a.wav")
    try:
        (tmp_path / "a.wav").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes no such names")
    write(tmp_path, "b.wav")
    _, clips, rejected, _ = run(tmp_path, table(name, "b.wav"))
    assert clips["path"].tolist() == ["b.wav"]
    assert rejected[["path", "reason"]].values.tolist() == [[shown, "unreadable"]]


def test_one_bad_recording_stops_no_small_folder(tmp_path):
    for i in range(4):
        write(tmp_path, f"{i}.wav", seed=i)
    (tmp_path / "bad.wav").write_text("no")
    names = [*(f"{i}.wav" for i in range(4)), "bad.wav"]
    assert len(run(tmp_path, table(*names), max_rejected=0.05)[0]) == 4
    with pytest.raises(ValueError, match="1 of 5 recordings cannot be used"):
        run(tmp_path, table(*names), max_rejected=0)
    with pytest.raises(ValueError, match="1 of 1 recordings cannot be used"):
        run(tmp_path, table("bad.wav"), max_rejected=0.05)


def test_the_summary_says_what_was_not_used(tmp_path):
    write(tmp_path, "long.wav", 130)
    for i in range(3):
        write(tmp_path, f"{i}.wav", seed=i // 2)
    (tmp_path / "bad.wav").write_text("no")
    recordings = table("0.wav", "1.wav", "2.wav", "bad.wav", "long.wav")
    recordings.attrs["other_files"] = 2
    prepare = Prepare(workers=1, clip_seconds=4.0, max_rejected=1.0)
    said = prepare.run(recordings, tmp_path, tmp_path / "out", scratch=tmp_path / "scratch")
    assert said == (
        "4 of 7 files used: 4 clips, 0:06 of sound; 2 files are no recordings; not used: 1 unreadable "
        "(data/clips/rejected.csv); 1 are copies of another one, and kept; 2:06 of long.wav not used (data.long)"
    )
    said = Prepare(workers=1, clip_seconds=4.0, long="split", max_rejected=1.0).run(
        recordings, tmp_path, tmp_path / "out", scratch=tmp_path / "scratch"
    )
    assert "data.long" not in said
