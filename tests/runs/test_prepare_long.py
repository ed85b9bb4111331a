"""Long recordings: clips that overlap, and silence that is left out by its level."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from prepare_fixture import counted, table, write

from audioclust.runs.prepare import Prepare, sections

RATE = 16000


def run(tmp_path, recordings: pd.DataFrame, out: str = "out", **settings):
    """Return audio (n, samples), the clip table, the rejections, info.json and the summary."""
    settings = {"workers": 1, "clip_seconds": 0.5, "max_rejected": 1.0, "long": "split"} | settings
    said = Prepare(**settings).run(recordings, tmp_path, tmp_path / out, scratch=tmp_path / "scratch")
    clips, rejected = (pd.read_csv(tmp_path / out / f"{n}.csv", keep_default_na=False) for n in ("clips", "rejected"))
    info = json.loads((tmp_path / out / "info.json").read_text())
    return np.load(tmp_path / out / "audio.npy"), clips, rejected, info, said


def expected(samples: int, hop: int, length: int) -> list[tuple[int, int]]:
    """Start and length of each clip: whole ones, then one that ends with the recording, if it is half as long."""
    found, start = [], 0
    while start + samples < length:
        found.append((start, samples))
        start += hop
    if not found or length - start >= samples / 2:
        found.append((start, length - start))
    return found


@pytest.mark.parametrize("overlap", [0.0, 0.25, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("length", [3000, 8000, 8001, 12000, 12001, 20000, 31999])
def test_clips_begin_at_multiples_of_the_hop(tmp_path, overlap, length):
    x = np.random.default_rng(0).integers(-9000, 9000, length).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", x, RATE)
    audio, clips, _, info, _ = run(tmp_path, table("a.wav"), overlap=overlap)
    found = expected(8000, round(8000 * (1 - overlap)), length)
    assert [(round(s * RATE), round(d * RATE)) for s, d in clips[["start", "duration"]].values] == found
    for clip, (start, samples) in zip(audio, found, strict=True):
        np.testing.assert_array_equal(clip, np.pad(x[start : start + samples], (0, 8000 - samples)))
    assert info["seconds"] == pytest.approx((found[-1][0] + found[-1][1]) / RATE, abs=1e-3), "shared sound counts once"
    assert np.isclose(clips["level"], [10 * np.log10(np.mean((x[s : s + n] / 32768) ** 2)) for s, n in found],
                      atol=0.01).all()  # fmt: skip


@pytest.mark.parametrize("seconds", [6.3, 5.0, 4.75, 0.5])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_sections_of_clips_that_overlap_join_seamlessly(tmp_path, monkeypatch, rate, seconds):
    write(tmp_path, "a.wav", seconds, rate, channels=2)
    whole = run(tmp_path, table("a.wav"), "whole", overlap=0.75, channels="each")
    monkeypatch.setattr(sections, "SECTION", 1.0)
    monkeypatch.setattr(sections, "ASKED", 0)
    decoded = counted(monkeypatch)
    found = run(tmp_path, table("a.wav"), "parts", overlap=0.75, channels="each")
    assert len(decoded) == max(1, np.ceil((seconds - 0.375) / 1.0))  # eight clips each, 0.125 s apart
    assert found[1].equals(whole[1]) and found[3] == whole[3]
    assert np.abs(found[0].astype(int) - whole[0]).max() <= (0 if rate == RATE else 1)


def test_the_clips_of_all_channels_have_one_start(tmp_path):
    write(tmp_path, "a.wav", 1.0, channels=2)
    _, clips, _, info, _ = run(tmp_path, table("a.wav"), overlap=0.5, channels="each")
    assert clips["start"].tolist() == [0, 0, 0.25, 0.25, 0.5, 0.5] and clips["clip_id"].is_unique
    assert info["seconds"] == 2.0


def test_each_clip_has_the_group_and_the_labels_of_its_recording(tmp_path):
    write(tmp_path, "a.wav", 1.0)
    write(tmp_path, "b.wav", 0.75)
    recordings = table("a.wav", "b.wav", label=["x", "y"]).assign(group=["g", "h"])
    _, clips, _, _, _ = run(tmp_path, recordings, overlap=0.5)
    assert clips[["path", "group", "label"]].values.tolist() == [["a.wav", "g", "x"]] * 3 + [["b.wav", "h", "y"]] * 2
    np.testing.assert_array_equal(np.load(tmp_path / "out/durations.npy"), clips["duration"])


def test_overlap_is_refused_where_clips_are_not_cut(tmp_path):
    write(tmp_path, "a.wav")
    with pytest.raises(ValueError, match=r"data\.overlap = 0\.5: only data\.long=split"):
        run(tmp_path, table("a.wav"), overlap=0.5, long="crop")


def steps(*levels: float) -> np.ndarray:
    """Noise of half a second at each level, dBFS."""
    noise = np.random.default_rng(0).normal(size=(len(levels), 8000))
    noise /= np.sqrt((noise**2).mean(axis=1, keepdims=True))
    return (noise * 10 ** (np.array(levels)[:, None] / 20)).ravel()


def test_clips_below_a_level_are_left_out_and_counted(tmp_path):
    soundfile.write(tmp_path / "a.wav", steps(-20, -51, -49, -70, -30), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", steps(-60, -55), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.wav", np.zeros(8000), RATE)
    audio, clips, rejected, info, said = run(
        tmp_path, table("a.wav", "b.wav", "c.wav"), min_level=-50.0, max_rejected=0.0
    )
    assert clips[["path", "start"]].values.tolist() == [["a.wav", 0], ["a.wav", 1.0], ["a.wav", 2.0]]
    assert len(audio) == 3 and (clips["level"] >= -50).all()
    assert (info["quiet_clips"], info["quiet_recordings"], info["rejected"], info["seconds"]) == (4, 2, 0, 1.5)
    assert rejected[["path", "start", "reason"]].values.tolist() == [
        ["a.wav", 0.5, "quiet"], ["a.wav", 1.5, "quiet"], ["b.wav", 0, "quiet"], ["b.wav", 0.5, "quiet"],
        ["c.wav", 0, "silent"],
    ]  # fmt: skip
    assert rejected["detail"][0] == "-51.0 dBFS; data.min_level is -50.0"
    assert said == (
        "1 of 3 files used: 3 clips, 0:02 of sound; not used: 1 silent (data/clips/rejected.csv); left out: 4 clips "
        "below -50 dBFS, and with them 2 recordings (data.min_level)"
    )


def test_without_a_level_a_silent_recording_is_rejected_and_a_quiet_one_is_not(tmp_path):
    soundfile.write(tmp_path / "b.wav", steps(-60), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.wav", np.zeros(8000), RATE)
    _, clips, _, info, said = run(tmp_path, table("b.wav", "c.wav"))
    assert clips["path"].tolist() == ["b.wav"] and info["rejected"] == 1 and "min_level" not in said


def test_the_end_of_a_recording_that_is_quiet_is_not_said_to_be_cut_off(tmp_path):
    soundfile.write(tmp_path / "a.wav", steps(-20, -70, -70, -70), RATE, subtype="FLOAT")
    _, _, _, info, said = run(tmp_path, table("a.wav"), min_level=-50.0)
    assert info["seconds_left_out"] == 0 and "data.long" not in said


def test_nothing_loud_enough_is_an_error_with_a_way_out(tmp_path):
    soundfile.write(tmp_path / "a.wav", steps(-60, -55), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"data\.min_level = -50\.0: no clip of 1 recordings is as loud.*lower"):
        run(tmp_path, table("a.wav"), min_level=-50.0)
    assert pd.read_csv(tmp_path / "out/rejected.csv")["reason"].tolist() == ["quiet", "quiet"]
    assert not (tmp_path / "out/audio.npy").exists()


def test_a_level_is_that_of_the_recording_before_it_is_scaled_to_16_bits(tmp_path):
    soundfile.write(tmp_path / "a.wav", steps(-90, -110), RATE, subtype="FLOAT")
    _, clips, _, info, _ = run(tmp_path, table("a.wav"), min_level=-100.0)
    assert clips["level"].tolist() == [-90.0] and info["scaled_up"] == 1
