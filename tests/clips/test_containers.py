"""What containers claim: lengths that are unknown, wrong or not there, and recordings that are joined."""

import struct
from contextlib import closing

import numpy as np
import pytest
import soundfile
from damage import encoded

from audioclust.clips.audio import open_recording
from audioclust.clips.containers import examine
from audioclust.clips.rejected import Incomplete

RATE = 16000
SOUND = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).clip(-1, 1)
SAMPLES = np.rint(SOUND * 32767).astype("<i2").tobytes()
FORMAT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def wav(samples: bytes = SAMPLES, *, size: int | None = None, before: bytes = b"", behind: bytes = b"") -> bytes:
    size = len(samples) if size is None else size
    body = b"WAVE" + FORMAT + before + b"data" + struct.pack("<I", size) + samples + behind
    return b"RIFF" + struct.pack("<I", len(body)) + body


def seconds(tmp_path, content: bytes) -> float:
    (tmp_path / "a").write_bytes(content)
    with closing(open_recording(tmp_path / "a")) as recording:
        found = sum(map(len, recording.read()))
        recording.finish()
        assert recording.seconds == pytest.approx(found / recording.rate, abs=0.1)
    return found / recording.rate


def refused(tmp_path, content: bytes, match: str) -> None:
    with pytest.raises(Incomplete, match=match):
        seconds(tmp_path, content)


@pytest.mark.parametrize("size", [0, 0x7FFFEFFC, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe_does_not_know_its_length(tmp_path, size):
    assert seconds(tmp_path, wav(size=size)) == 3
    refused(tmp_path, wav(SAMPLES[:-1], size=size), "cut within a sample")


def test_a_wav_of_24_bits_and_five_channels_written_to_a_pipe(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([SOUND] * 5, axis=1), RATE, subtype="PCM_24")
    content = (tmp_path / "a.wav").read_bytes()
    at = content.index(b"data") + 4
    assert seconds(tmp_path, content[:at] + struct.pack("<I", 0x7FFFEFFB) + content[at + 4 :]) == 3


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG"])
def test_half_a_file_is_no_recording_of_half_the_length(tmp_path, kind):
    soundfile.write(tmp_path / "whole", SOUND, RATE, format=kind, subtype="VORBIS" if kind == "OGG" else "PCM_16")
    content = (tmp_path / "whole").read_bytes()
    assert seconds(tmp_path, content) == 3
    refused(tmp_path, content[: len(content) // 2], "cut|damaged")


def test_tags_of_any_length_hide_no_cut(tmp_path):
    tags = chunk(b"LIST", b"INFO" + b"".join(chunk(b"ICMT", b"x" * 200) for _ in range(14)))
    assert seconds(tmp_path, wav(before=tags)) == 3
    refused(tmp_path, wav(before=tags)[: -len(SAMPLES) // 2], "cut: 48000 of 96000 bytes")


@pytest.mark.parametrize(
    "behind",
    [chunk(b"LIST", b"INFO"), chunk(b"guan", b"odd"), b"LIST" + struct.pack("<I", 500) + b"cut", b"\0" * 5000,
     b"TAG" + b"x" * 125, b"\0\0ID3" + b"x" * 900],
)  # fmt: skip
def test_what_tag_editors_and_recorders_leave_behind_the_samples_is_no_sound(tmp_path, behind):
    assert seconds(tmp_path, wav(behind=behind)) == 3


def test_a_chunk_of_odd_size_may_lack_its_filling_byte(tmp_path):
    odd = b"xtra" + struct.pack("<I", 7) + b"1234567"
    for before in (odd + b"\0", odd):
        (tmp_path / "a").write_bytes(wav(before=before))
        assert examine(tmp_path / "a").samples == len(SAMPLES)


def test_a_header_that_counts_itself_in_loses_nothing(tmp_path):
    for more in (8, 36, 44):
        assert seconds(tmp_path, wav(size=len(SAMPLES) + more)) == 3
    refused(tmp_path, wav(size=len(SAMPLES) + 45), "cut")


def test_a_recording_that_went_on_after_its_header_was_written_is_not_taken_for_its_beginning(tmp_path):
    refused(tmp_path, wav(size=len(SAMPLES) // 4), "72000 bytes follow")


@pytest.mark.parametrize("kind", ["wav", "rf64", "w64", "aiff", "au", "caf", "flac", "m4a", "wma", "webm"])
def test_joined_files_of_formats_that_hold_one_recording_are_refused(tmp_path, kind):
    refused(tmp_path, 2 * encoded(kind), "follow")


@pytest.mark.parametrize("kind", ["mp3", "mp3 without a length", "aac", "ogg", "opus"])
def test_joined_files_of_formats_that_are_streams_are_one_recording(tmp_path, kind):
    assert seconds(tmp_path, 2 * encoded(kind)) == pytest.approx(12, abs=0.2)


def test_a_stream_that_changes_its_rate_on_the_way_is_refused(tmp_path):
    for rate in (16000, 32000):
        soundfile.write(tmp_path / f"{rate}.mp3", SOUND, rate)
    both = (tmp_path / "16000.mp3").read_bytes() + (tmp_path / "32000.mp3").read_bytes()
    with pytest.raises(Exception, match="goes on with 32000 Hz"):
        seconds(tmp_path, both)


@pytest.mark.parametrize("lost", [1, 100])
def test_an_mp3_with_an_end_that_is_missing_is_cut(tmp_path, lost):
    refused(tmp_path, encoded("mp3 without a length")[:-lost], "cut")


def test_an_mp3_that_knows_its_length_is_cut_between_frames_too(tmp_path):
    content = encoded("mp3")
    ends = [at for at in range(len(content) - 4) if content[at] == 0xFF and content[at + 1] & 0xF6 == 0xF2]
    refused(tmp_path, content[: ends[len(ends) // 2]], "cut|damaged")


def test_tags_at_both_ends_of_an_mp3_are_no_sound(tmp_path):
    sound = encoded("mp3 without a length")
    id3 = b"ID3\x03\0\0\0\0\0\x64" + bytes(100)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 5000, 1, 0xA0000000) + bytes(5000)
    whole = seconds(tmp_path, sound)
    for content in (
        id3 + sound,
        id3 + id3 + sound,
        id3 + bytes(20_000) + sound,
        sound + b"TAG" + b"x" * 125,
        sound + ape,
    ):
        assert seconds(tmp_path, content) == whole


@pytest.mark.parametrize("place", [0.3, 0.6])
def test_a_page_of_ogg_that_is_missing_or_comes_twice_is_seen(tmp_path, place):
    content = encoded("opus")
    pages = [at for at in range(len(content)) if content.startswith(b"OggS", at)]
    a, b = pages[int(place * len(pages))], pages[int(place * len(pages)) + 1]
    refused(tmp_path, content[:a] + content[b:], "missing")
    refused(tmp_path, content[:b] + content[a:], "missing")
    refused(tmp_path, content[: pages[-1]], "end of a stream")


def test_flac_written_to_a_pipe_does_not_know_its_length(tmp_path):
    content = bytearray(encoded("flac"))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    assert seconds(tmp_path, bytes(content)) == 6
    refused(tmp_path, bytes(content[:-500]), "cut|damaged")


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "m4a alac", "aac", "webm", "wma"])
def test_a_section_is_what_the_whole_has_there(tmp_path, kind):
    """Coders that predict need a while; where they do, the section begins to within a hundredth of the level."""
    (tmp_path / "a").write_bytes(encoded(kind))
    with closing(open_recording(tmp_path / "a")) as recording:
        whole = np.concatenate(list(recording.read()))
        for start in (1, recording.rate * 3 + 7):
            part = np.concatenate(list(recording.read(start, recording.rate)))
            assert len(part) == recording.rate
            expected = whole[start : start + len(part)]
            shifts = range(-24, 25) if kind == "webm" else [0]  # whose clock ticks in milliseconds
            errors = [np.abs(np.roll(expected, shift, axis=0) - part)[50:-50].max() for shift in shifts]
            assert min(errors) < 0.01
