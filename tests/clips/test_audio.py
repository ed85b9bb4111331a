"""Decoding, resampling and cutting, against soundfile, soxr in one call, and sines whose spectrum is known."""

from contextlib import closing

import numpy as np
import pytest
import soundfile
import soxr

from audioclust.clips.audio import clips, mix_channels, open_recording, to_int16
from audioclust.clips.audio import resampled as resampled_recording
from audioclust.clips.plain import BLOCK
from audioclust.clips.rejected import Rejected

# The largest error that a format may add to a sine of level 0.5: half a step of its depth, or what a lossy codec loses.
DEPTHS = {"PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 1e-7, "DOUBLE": 1e-7}


def sine(rate: int, seconds: float, channels: int = 1, frequency: float = 1000.0) -> np.ndarray:
    """Return (frames, channels) of a sine of level 0.5; each channel has half the level of the one before."""
    t = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * frequency * t)[:, None] * 0.5 ** np.arange(channels)


def decoded(path, frames=None) -> tuple[np.ndarray, int]:
    with closing(open_recording(path)) as recording:
        found = list(recording.read(0, frames))
        recording.finish()
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32), recording.rate


def resampled(path, rate=16000, policy="mean", start=0, samples=None) -> np.ndarray:
    with closing(open_recording(path)) as recording:
        return np.concatenate(list(resampled_recording(recording, rate, policy, start, samples)))


def reason(path) -> str:
    with pytest.raises(Rejected) as caught:
        decoded(path)
    assert caught.value.reason in Rejected.REASONS
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("subtype", DEPTHS)
def test_a_wav_of_any_depth_is_full_scale_at_one(tmp_path, subtype):
    x = sine(16000, 0.2)
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype=subtype)
    found, rate = decoded(tmp_path / "a.wav")
    assert (rate, found.shape, found.dtype) == (16000, x.shape, np.float32)
    assert np.abs(found - x).max() <= DEPTHS[subtype]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_24"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS")])
def test_channels_keep_their_order(tmp_path, name, subtype, channels):
    x = sine(44100, 0.3, channels, frequency=80)  # Vorbis keeps no more than the bass of the sixth channel
    soundfile.write(tmp_path / name, x, 44100, subtype=subtype)
    found, _ = decoded(tmp_path / name)
    assert found.shape == x.shape
    assert np.sqrt((found**2).mean(axis=0)) == pytest.approx(
        np.sqrt((x**2).mean(axis=0)), rel=0.25
    )  # neighbours differ by 2


def test_an_mp3_keeps_its_length_and_level(tmp_path):
    soundfile.write(tmp_path / "a.mp3", sine(44100, 1.0), 44100)
    found, rate = decoded(tmp_path / "a.mp3")
    assert (rate, len(found)) == (44100, 44100)
    assert np.sqrt((found[4410:-4410] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_a_recording_of_several_blocks_is_whole_and_may_be_read_in_part(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.1, (2 * BLOCK + 17, 1)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    assert np.array_equal(decoded(tmp_path / "a.wav")[0], x)
    assert np.array_equal(decoded(tmp_path / "a.wav", 24000)[0], x[:24000])


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_a_resampled_sine_is_the_same_sine(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", sine(rate, 2.0), rate, subtype="PCM_24")
    found = resampled(tmp_path / "a.wav")[:, 0]
    assert len(found) == 32000
    spectrum = np.abs(np.fft.rfft(found[8000:24000] * np.hanning(16000))) / 4000
    assert spectrum.argmax() == 1000  # one bin is one hertz
    assert spectrum[1000] == pytest.approx(0.5, rel=1e-3)
    assert spectrum[1010:].max() < 1e-4  # 74 dB below: no images


def test_what_the_new_rate_cannot_hold_is_gone(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(44100, 1.0, frequency=12000), 44100)
    found = resampled(tmp_path / "a.wav")
    assert np.abs(found[1600:-1600]).max() < 1e-3


@pytest.mark.parametrize("size", [997, 65536])
def test_resampling_block_by_block_is_resampling_at_once(tmp_path, monkeypatch, size):
    x = np.random.default_rng(0).normal(0, 0.1, 100_000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", x, 44100, subtype="FLOAT")
    monkeypatch.setattr("audioclust.clips.plain.BLOCK", size)
    found = resampled(tmp_path / "a.wav")[:, 0]
    expected = soxr.resample(x, 44100, 16000, quality="HQ")
    assert len(found) == len(expected)
    assert np.abs(found - expected).max() < 1e-6


def test_reading_only_what_is_needed_changes_nothing_of_it(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.1, 44100 * 4).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", x, 44100, subtype="FLOAT")
    part = resampled(tmp_path / "a.wav", samples=16000)
    whole = resampled(tmp_path / "a.wav")
    assert len(part) < len(whole)
    assert np.array_equal(part[:16000], whole[:16000])


def test_channel_policies():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(mix_channels(x, "mean")[:, 0], [1, 4, 7, 10])
    assert np.array_equal(mix_channels(x, "first")[:, 0], [0, 3, 6, 9])
    assert np.array_equal(mix_channels(x, "each"), x)


def test_recordings_that_cannot_be_used_say_why(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan, 0.1]), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "inf.wav", np.array([0.1, np.inf, 0.1]), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "rate.wav", sine(16000, 0.1), 1)
    (tmp_path / "bytes.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not a recording")
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "folder.wav").mkdir()
    assert reason(tmp_path / "bytes.wav") == "empty"
    assert len(decoded(tmp_path / "none.wav")[0]) == 0
    for name in ("nan.wav", "inf.wav"):
        with pytest.raises(Rejected, match="not finite"):
            resampled(tmp_path / name)
    for name in ("rate.wav", "text.wav", "noise.wav", "folder.wav", "missing.wav"):
        assert reason(tmp_path / name) == "unreadable"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_a_file_cut_in_the_middle_is_unreadable(tmp_path, name):
    soundfile.write(tmp_path / name, np.random.default_rng(0).normal(0, 0.1, 44100 * 3), 44100)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert reason(tmp_path / name) == "unreadable"


def test_headerless_samples_are_unreadable(tmp_path):
    (tmp_path / "a.RAW").write_bytes(bytes(1000))
    assert reason(tmp_path / "a.RAW") == "unreadable"


def test_clips_are_consecutive_whatever_the_chunks():
    x = np.arange(100, dtype=np.float32)[:, None]
    for edges in ([50], [7, 8, 93], [30, 60, 90], []):
        found = list(clips(iter(np.split(x, edges)), 30))
        assert [len(clip) for clip in found] == [30, 30, 30, 10]
        assert np.array_equal(np.concatenate(found), x)
        assert np.array_equal(*(next(clips(iter(np.split(x, edges)), 30, 1)), x[:30]))


def test_crop_of_a_short_recording_is_all_of_it():
    assert [len(clip) for clip in clips(iter([np.ones((5, 1), np.float32)]), 30, 1)] == [5]


def test_int16_round_trips_clips_and_pads():
    codes = np.array([-32768, -1, 0, 1, 32767], np.int16)
    assert np.array_equal(to_int16(codes / np.float32(32768), 7), [*codes, 0, 0])
    assert np.array_equal(to_int16(np.array([-1.5, 1.0, 1.5]), 3), [-32768, 32767, 32767])
    assert np.array_equal(to_int16(np.array([0.6, -0.6]) / 32768, 2), [1, -1])
