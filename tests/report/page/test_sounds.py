"""Which clips can be heard, and that their MP3 is what they sound like."""

import io

import numpy as np
import pytest
import soundfile
from page_fixture import LABELS, RATE, N, page

from audioclust.report.page import Report, _sounds

ALL = np.arange(N)


def test_all_can_be_heard_in_turns_of_the_clusters(tmp_path):
    found = list(_sounds.order(page(tmp_path), Report(audio="all"), ALL))
    assert sorted(found) == list(range(N))
    assert LABELS[found[:8]].tolist() == [0, 1, 4, -1] * 2 and found[:3] == [0, 24, 38]


def test_exemplars_are_those_of_the_table_and_of_the_clusters_with_the_edges(tmp_path):
    found = sorted(_sounds.order(page(tmp_path), Report(audio="exemplars"), ALL))
    assert found == [0, 1, 2, 22, 23, 24, 25, 26, 36, 37, 38, 39, 40, 44, 45, 48]


def test_a_sample_takes_exemplars_and_edges_first_then_others_at_random(tmp_path):
    found = list(_sounds.order(page(tmp_path), Report(sounds=7), ALL))
    own = [row for row in found if LABELS[row] == 0]
    assert own[:5] == [0, 1, 2, 22, 23] and len(own) == 7 and set(own[5:]) < set(range(3, 22))
    assert [int((LABELS[found] == c).sum()) for c in (1, 4, -1)] == [7, 7, 4]
    assert found == list(_sounds.order(page(tmp_path), Report(sounds=7), ALL))


def test_none_is_none(tmp_path):
    assert _sounds.encoded(page(tmp_path), Report(audio="none"), ALL) == ({}, ["All sounds: report.audio is none."])


def test_where_there_is_no_more_room_fewer_are_taken_and_it_is_said(tmp_path):
    whole, said = _sounds.encoded(page(tmp_path), Report(audio="all"), ALL)
    assert len(whole) == N and said == []
    half = sum(map(len, whole.values())) * _sounds.BASE64 / _sounds.MB / 2
    found, said = _sounds.encoded(page(tmp_path), Report(audio="all", most_mb=half), ALL)
    assert 0.4 * N < len(found) < 0.6 * N and sum(map(len, found.values())) * _sounds.BASE64 <= half * _sounds.MB
    why = f"report.audio is all, and {half:g} MB (report.most_mb) hold no more"
    assert said == [f"The sounds of {N - len(found)} of 50 clips: {why}."]


def test_an_mp3_has_the_signal_and_no_padding(tmp_path):
    shown = page(tmp_path)
    found, _ = _sounds.encoded(shown, Report(audio="all"), ALL)
    for row in (24, 25):
        wave, rate = soundfile.read(io.BytesIO(found[row]))
        assert rate == RATE and len(wave) == round(shown.signal[row] * RATE)
        spectrum = np.abs(np.fft.rfft(wave))
        assert np.argmax(spectrum) * rate / len(wave) == pytest.approx(400 + 500 * LABELS[row], abs=3)


@pytest.mark.parametrize(
    ("rate", "own"), [(44100, 44100), (96000, 48000), (250_000, 48000), (15000, 12000), (4000, 8000)]
)
def test_a_rate_that_mp3_does_not_have_becomes_the_next_lower_one(rate, own):
    assert _sounds.own_rate(rate) == own
    wave = (6000 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)).astype(np.int16)
    found, heard = soundfile.read(io.BytesIO(_sounds.mp3(wave, rate)))
    assert heard == own and abs(len(found) - own) <= 1
    assert np.argmax(np.abs(np.fft.rfft(found))) == pytest.approx(500, abs=1)


def test_the_shortest_clip_has_a_sound():
    assert len(_sounds.mp3(np.zeros(1, np.int16), 96000)) > 100


def test_what_lies_too_high_for_mp3_is_said(tmp_path):
    _, said = _sounds.encoded(page(tmp_path, rate=96000), Report(audio="all"), ALL)
    assert said == ["Of the sounds what lies above 24 kHz, which MP3 does not hold."]
