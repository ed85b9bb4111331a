"""scenes: the files come out whole and alike, the sources obey their physics, the classes overlap but are there."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.ndimage import median_filter
from scipy.signal import stft, welch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audioclust import registry
from audioclust.datasets import scenes
from audioclust.datasets.scenes import Scenes
from audioclust.synthesis import rooms, sources, voices
from audioclust.synthesis.recipes import RECIPES, clip

RATE = sources.RATE
SMALL = {"clips_per_class": 2, "seconds": 0.5, "sessions": 2, "seed": 3}


def digests(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.*")}


def clips(scene: str, count: int = 6, seconds: float = 3.0) -> np.ndarray:
    """(count, samples) of one class, each from another session."""
    return np.stack([clip(scene, i, int(seconds * RATE), rooms.session(0, i), 0) for i in range(count)])


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Decibels (..., 257 bins, frames), 16 ms apart."""
    return 20 * np.log10(np.abs(stft(samples, RATE, nperseg=512, noverlap=256)[2]) + 1e-7)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("rendered")
    Scenes(**SMALL).download(root)
    return root


def test_is_registered_and_its_parts_are_not():
    assert "scenes" in registry.names("datasets")


def test_recordings_lists_every_clip_with_class_and_session(rendered):
    table = Scenes(**SMALL).recordings(rendered)
    assert list(table.columns) == ["path", "group", "scene"]
    assert len(table) == 18 and table["scene"].nunique() == 9 and table["path"].is_monotonic_increasing
    assert sorted(table["group"].unique()) == ["s00", "s01"]
    assert (table.groupby("scene")["group"].nunique() == 2).all(), "sessions are shared by all classes"
    info = soundfile.info(rendered / table["path"][0])
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (RATE, 1, "PCM_16", RATE // 2)


def test_same_parameters_give_the_same_bytes_on_any_number_of_workers(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "SHARD", 9)  # two jobs, so two processes where there are two cores
    Scenes(**SMALL).download(tmp_path)
    assert digests(tmp_path) == digests(rendered)


def test_more_clips_leave_the_first_ones_as_they_are(rendered, tmp_path):
    Scenes(**SMALL | {"clips_per_class": 3}).download(tmp_path)
    few, more = digests(rendered), digests(tmp_path)
    assert sum(name.endswith(".wav") for name in more) == 27
    assert all(more[name] == digest for name, digest in few.items() if name.endswith(".wav"))


def test_another_seed_gives_other_sounds_and_another_session_too():
    one, other_seed = (clip("eating", 0, RATE, rooms.session(0, 0), seed) for seed in (0, 1))
    other_room = clip("eating", 0, RATE, rooms.session(0, 1), 0)
    assert abs(np.corrcoef(one, other_seed)[0, 1]) < 0.3
    assert not np.allclose(one, other_room)


def test_a_killed_rendering_is_completed_and_what_was_there_is_kept(tmp_path):
    Scenes(**SMALL).download(tmp_path)
    whole = digests(tmp_path)
    lost, kept = (tmp_path / "scenes/working" / f"working_0000{i}.wav" for i in (0, 1))
    (tmp_path / "scenes/manifest.csv").unlink()
    lost.rename(lost.with_suffix(".part"))
    lost.with_suffix(".part").write_bytes(b"cut short")
    before = kept.stat().st_mtime_ns
    with pytest.raises(FileNotFoundError, match="download"):
        Scenes(**SMALL).recordings(tmp_path)
    Scenes(**SMALL).download(tmp_path)
    assert digests(tmp_path) == whole and kept.stat().st_mtime_ns == before


def test_a_complete_folder_is_left_alone(rendered, monkeypatch):
    monkeypatch.setattr(scenes, "_render", lambda *_: pytest.fail("rendered again"))
    Scenes(**SMALL).download(rendered)


def test_a_lost_clip_is_told_and_rendered_again(tmp_path):
    Scenes(**SMALL).download(tmp_path)
    whole, lost = digests(tmp_path), tmp_path / "scenes/other/other_00001.wav"
    lost.unlink()
    with pytest.raises(FileNotFoundError, match="other_00001"):
        Scenes(**SMALL).recordings(tmp_path)
    Scenes(**SMALL).download(tmp_path)
    assert digests(tmp_path) == whole


@pytest.mark.parametrize("change", [{"seed": 4}, {"seconds": 0.6}, {"sessions": 1}, {"clips_per_class": 1}])
def test_other_parameters_render_anew(tmp_path, change):
    Scenes(**SMALL).download(tmp_path / "twice")
    with pytest.raises(FileNotFoundError, match="asked for"):
        Scenes(**SMALL | change).recordings(tmp_path / "twice")
    Scenes(**SMALL | change).download(tmp_path / "twice")
    Scenes(**SMALL | change).download(tmp_path / "once")
    assert digests(tmp_path / "twice") == digests(tmp_path / "once")


def test_each_set_of_parameters_has_a_folder_of_its_own_in_the_cache():
    changes = [{}, {"seed": 4}, {"seconds": 0.6}, {"sessions": 1}, {"clips_per_class": 1}]
    assert len({Scenes(**SMALL | change).cached for change in changes}) == 5
    assert Scenes(seconds=4).cached == Scenes(seconds=4.0).cached == Scenes().cached
    assert re.fullmatch("scenes-[0-9a-f]{16}", Scenes().cached)


def test_only_our_own_files_are_cleared(tmp_path):
    Scenes(**SMALL | {"clips_per_class": 1}).download(tmp_path)
    mine = tmp_path / "scenes/other/my_recording.wav"
    mine.write_bytes(b"mine")
    Scenes(**SMALL | {"clips_per_class": 1, "seed": 8}).download(tmp_path)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "bad", [{"clips_per_class": 0}, {"seconds": 0.1}, {"seconds": float("nan")}, {"sessions": 0}, {"seed": -1}]
)
def test_values_out_of_range_are_refused_before_any_work(tmp_path, bad):
    [(name, value)] = bad.items()
    dataset = Scenes(**bad)
    for run in (dataset.download, dataset.recordings):
        with pytest.raises(ValueError, match=rf"Scenes\.{name} = {value}: "):
            run(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scene", RECIPES)
def test_levels_are_sane(scene):
    for samples in clips(scene, 4, 1.1):
        rms = 20 * np.log10(samples.std())
        assert np.isfinite(samples).all() and np.abs(samples).max() <= 0.9
        assert -62 < rms < -8, f"neither silence nor clipping, got {rms:.1f} dB"
        assert abs(samples.mean()) < 1e-5


def test_wavetable_is_the_sum_of_its_harmonics():
    amplitudes, offsets = np.array([1.0, 0.5, 0.25]), np.array([0.1, 2.0, 4.0])
    phase = sources.turns(np.full(4000, 211.0))
    exact = sum(
        a * np.cos(2 * np.pi * h * phase + o) for h, (a, o) in enumerate(zip(amplitudes, offsets, strict=True), 1)
    )
    np.testing.assert_allclose(sources.wavetable(phase, amplitudes, offsets), exact, atol=5e-3)


def test_a_motor_sounds_at_multiples_of_its_speed_only():
    sound = sources.motor(np.random.default_rng(0), np.full(RATE, 200.0), -3)
    power = np.abs(np.fft.rfft(sound)) ** 2  # 1 Hz per bin
    assert power[200:7600:200].sum() > 0.999 * power.sum()


@pytest.mark.parametrize("slope", [0, -3, -6])
def test_noise_falls_by_its_slope(slope):
    frequencies, power = welch(sources.tilted_noise(np.random.default_rng(0), 10 * RATE, slope), RATE, nperseg=1024)
    inner = (frequencies > 100) & (frequencies < 6000)
    fitted = np.polyfit(np.log2(frequencies[inner]), 10 * np.log10(power[inner]), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.3)


def test_levels_are_set_as_asked():
    noise = np.random.default_rng(0).standard_normal(RATE)
    assert 20 * np.log10(np.sqrt(np.mean(sources.rms_at(noise, -30) ** 2))) == pytest.approx(-30)
    assert 20 * np.log10(np.abs(sources.peak_at(noise, -12)).max()) == pytest.approx(-12)
    assert not sources.rms_at(np.zeros(8), -30).any()


def test_events_beyond_the_end_are_cut():
    laid = sources.place(100, [0, 90 / RATE, 5.0], lambda: np.ones(20))
    assert laid.sum() == 30 and laid[:20].all() and laid[90:].all()


@pytest.mark.parametrize("rt60", [0.2, 0.5, 0.8])
def test_a_room_decays_in_its_reverberation_time(rt60):
    tail = rooms._tail(np.random.default_rng(1), rt60)
    late = sources.band(tail, 500, 2500)[int(0.045 * RATE) :]  # behind the early reflections
    energy = 10 * np.log10(np.cumsum(late[::-1] ** 2)[::-1] / np.sum(late**2))  # Schroeder's integral
    first, last = np.argmax(energy < -5), np.argmax(energy < -25)
    assert 60 / 20 * (last - first) / RATE == pytest.approx(rt60, rel=0.25)


def test_a_vowel_resonates_at_its_formants():
    gain = voices._tract_gain(voices.VOWELS[4][:, None])[:, 0]  # hod: 730, 1090, 2440 Hz
    peaks = np.flatnonzero((gain[1:-1] > gain[:-2]) & (gain[1:-1] > gain[2:])) + 1
    np.testing.assert_allclose(peaks[:3] * RATE / voices.WINDOW, [730, 1090, 2440], atol=80)


@pytest.mark.parametrize("pitch", [110, 220])
def test_a_voice_has_its_pitch_and_the_rhythm_of_syllables(pitch):
    speech = voices.voice(np.random.default_rng(2), 6 * RATE, pitch=pitch, rate=4, pause=0.3)
    lags = np.fft.irfft(np.abs(np.fft.rfft(speech, 2 * len(speech))) ** 2)
    period = 60 + np.argmax(lags[60:230])
    assert RATE / period == pytest.approx(pitch, rel=0.25)
    assert 0.35 < _syllabic_share(speech) < 1


def _syllabic_share(samples: np.ndarray) -> float:
    """Share of the envelope's modulation (0.5 to 30 Hz) that lies between 2 and 8 Hz."""
    envelope = np.abs(stft(samples, RATE, nperseg=512, noverlap=256)[2]).sum(axis=0)
    modulation = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
    rate = np.fft.rfftfreq(len(envelope), 256 / RATE)
    return modulation[(rate >= 2) & (rate <= 8)].sum() / modulation[(rate >= 0.5) & (rate <= 30)].sum()


def _depth(samples: np.ndarray) -> float:
    """How far the level moves: standard deviation of the frames' decibels."""
    return 10 * np.log10((10 ** (spectrogram(samples) / 10)).sum(axis=0)).std()


def _tonality(samples: np.ndarray) -> float:
    """How far the strongest line of 300 to 4000 Hz stands above its surroundings (320 Hz), in dB."""
    decibels = 10 * np.log10(np.median(np.abs(stft(samples, RATE, nperseg=2048)[2]) ** 2, axis=1))
    return float((decibels - median_filter(decibels, 41))[38:512].max())


def _onsets(samples: np.ndarray) -> int:
    """Frames whose level above 1.5 kHz jumps by more than 3 dB."""
    level = 10 * np.log10((10 ** (spectrogram(samples)[48:] / 10)).sum(axis=0))
    return int((np.diff(level) > 3).sum())


@pytest.mark.parametrize("scene", ["social_activity", "watching_tv"])
def test_talk_and_television_move_and_a_vacuum_cleaner_is_steady(scene):
    assert np.mean([_depth(x) for x in clips(scene)]) > 1.5 * np.mean([_depth(x) for x in clips("vacuum_cleaner")])


def test_talk_is_modulated_as_speech():
    speech, frying = (np.mean([_syllabic_share(x) for x in clips(s, 10)]) for s in ("social_activity", "cooking"))
    assert speech > 1.2 * frying


@pytest.mark.parametrize("scene", ["absence", "eating", "other"])
def test_a_vacuum_cleaner_has_lines(scene):
    lines = np.median([_tonality(x) for x in clips("vacuum_cleaner")])
    assert lines > 3 + np.median([_tonality(x) for x in clips(scene)])


def test_work_has_onsets_and_absence_has_none():
    assert np.mean([_onsets(x) for x in clips("working", 10)]) > 5 + np.mean([_onsets(x) for x in clips("absence", 10)])


def test_a_television_is_cut_off_by_its_loudspeaker():
    def treble(scene):
        spectra = [welch(RECIPES[scene](np.random.default_rng(i), 2 * RATE), RATE, nperseg=512)[1] for i in range(8)]
        return np.median([s[-20:].sum() / s.sum() for s in spectra])

    assert treble("watching_tv") < 0.1 * treble("dishwashing")


def test_classes_are_above_chance_and_below_perfect():
    count, names = 14, list(RECIPES)
    sound = np.concatenate([clips(scene, count, 2.0) for scene in names])
    bands = spectrogram(sound)[:, 2:].reshape(len(sound), 15, 17, -1).mean(axis=2)
    features = np.concatenate([bands.mean(axis=2), bands.std(axis=2), bands.max(axis=2)], axis=1)
    truth, rooms = np.repeat(names, count), np.tile(np.arange(count), len(names))
    clusters = KMeans(9, n_init=5, random_state=0).fit_predict(StandardScaler().fit_transform(features))
    nmi = normalized_mutual_info_score(truth, clusters)
    assert 0.35 < nmi < 0.85
    assert nmi > 2 * normalized_mutual_info_score(rooms, clusters), "the class is heard before the room"
    learnt = cross_val_predict(make_pipeline(StandardScaler(), LogisticRegression(C=0.1)), features, truth, cv=3)
    assert 0.65 < np.mean(learnt == truth) < 1
