"""A recording of one's own: every rate, format and length gives files of its own rate and length that add up."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from disk_fixture import largest
from separation_fixture import SPACING, fitted, trained

from audioclust.runs import recording
from audioclust.runs.recording import separate_recording
from audioclust.separation import masks
from audioclust.separation.stft import active

TONES = 125.0, 125.0 * (SPACING + 1)  # Hz: those of the first two speakers of the fixture


def tones(rate: int, samples: int, pitches=TONES, level: float = 0.3) -> np.ndarray:
    t = np.arange(samples) / rate
    return level * np.sum([np.sin(2 * np.pi * pitch * t) for pitch in pitches], axis=0)


def written(path: Path, x: np.ndarray, rate: int, subtype: str | None = None) -> Path:
    soundfile.write(path, x, rate, subtype)
    return path


def read(folder: Path) -> list[np.ndarray]:
    return [soundfile.read(path)[0] for path in sorted(folder.glob("*.wav"))]


def names(folder: Path) -> list[str]:
    """Return the names of all that is there, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def pitch(x: np.ndarray, rate: int) -> float:
    return np.abs(np.fft.rfft(x * np.hanning(len(x)))).argmax() * rate / len(x)


def inner(x: np.ndarray, rate: int) -> np.ndarray:
    """Leave out the ends, which a resampler hears as beginning and end of the sound."""
    return x[rate // 20 : -rate // 20]


def test_bins_are_silent_where_they_are_for_the_model(tmp_path):
    """A tone 20 dB below another one is in both files if silence begins 10 dB below, and in one of them at 40 dB."""
    sound = tones(8000, 8000, TONES[:1]) + tones(8000, 8000, TONES[1:], level=0.03)
    path, model = written(tmp_path / "in.wav", sound, 8000), fitted()
    shares = {}
    for model.silence_db in (10.0, 40.0):
        separate_recording(path, 2, model, out := tmp_path / f"{model.silence_db}")
        heard = [np.abs(np.fft.rfft(x * np.hanning(len(x))))[round(TONES[1])] for x in read(out)]
        shares[model.silence_db] = min(heard) / max(heard)
    assert shares[10.0] > 0.9 and shares[40.0] < 0.5


# Rates, formats, channels


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_each_source_becomes_a_file_of_the_recordings_rate_and_length(tmp_path, rate):
    n = rate + 37
    path = written(tmp_path / "in.wav", tones(rate, n), rate)
    said = separate_recording(path, 2, trained(), tmp_path / "out")
    assert names(tmp_path / "out") == ["in-1.wav", "in-2.wav"]
    found = read(tmp_path / "out")
    for name in names(tmp_path / "out"):
        info = soundfile.info(tmp_path / "out" / name)
        assert (info.samplerate, info.frames, info.channels, info.subtype) == (rate, n, 1, "PCM_16")
    assert sorted(round(pitch(x, rate) / 125) for x in found) == [1, 5]
    for x in found:
        alone = tones(rate, n, [125.0 * round(pitch(x, rate) / 125)])
        assert np.abs(inner(x - alone, rate)).max() < 0.02, "neither late nor early"
    assert said == f"{tmp_path}/out/in-1.wav, {tmp_path}/out/in-2.wav: {n / rate:.1f} s at {rate} Hz each"


def test_channels_are_averaged(tmp_path):
    left, right = (tones(44100, 40000, [each]) for each in TONES)
    path = written(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 44100)
    separate_recording(path, "2", trained(), tmp_path / "out")
    found = read(tmp_path / "out")
    assert np.abs(inner(sum(found) - (left + right) / 2, 44100)).max() < 0.01
    assert all(x.shape == (40000,) for x in found)


@pytest.mark.parametrize("name", ["in.flac", "in.mp3", "in.ogg"])
def test_coded_recordings(tmp_path, name):
    path = written(tmp_path / name, tones(16000, 16000), 16000)
    separate_recording(path, 2, trained(), tmp_path / "out")
    found = read(tmp_path / "out")
    assert [len(x) for x in found] == [16000, 16000]
    assert sorted(round(pitch(x, 16000) / 125) for x in found) == [1, 5]


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
def test_fine_recordings_give_fine_files(tmp_path, subtype):
    x = tones(8000, 8001, level=1e-4)  # an odd number of samples of three bytes
    separate_recording(written(tmp_path / "in.wav", x, 8000, subtype), 1, trained(), tmp_path / "out")
    assert soundfile.info(tmp_path / "out/in-1.wav").subtype == "PCM_24"
    assert np.abs(read(tmp_path / "out")[0] - x).max() < 2e-7


# What the estimates add up to


def test_where_masks_part_the_bins_the_estimates_add_up_to_the_mixture(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.05, 12000)
    path = written(tmp_path / "in.wav", x, 8000, "PCM_24")
    separate_recording(path, 3, trained(), tmp_path / "out")
    found = sum(read(tmp_path / "out"))
    stft, mixture = trained().stft_, torch.from_numpy(soundfile.read(path)[0]).float()
    spectrum = stft.spectrum(mixture)
    faint = stft.signal(torch.where(active(spectrum), 0, spectrum), len(x))  # in all three
    np.testing.assert_allclose(found, (mixture + 2 * faint).numpy(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("rate", [8000, 44100])
def test_one_source_is_the_recording(tmp_path, rate):
    x = tones(rate, rate)
    separate_recording(written(tmp_path / "in.wav", x, rate), 1, trained(), tmp_path / "out")
    (found,) = read(tmp_path / "out")
    assert np.abs(inner(found - x, rate)).max() < 2e-3


def test_as_the_models_own_masks_would(tmp_path):
    x = np.random.default_rng(1).normal(0, 0.05, 8000)
    path = written(tmp_path / "in.wav", x, 8000, "PCM_24")
    separate_recording(path, 2, trained(), tmp_path / "out")
    mixture = torch.from_numpy(soundfile.read(path)[0]).float()
    spectrum = trained().stft_.spectrum(mixture)
    v, sounding = trained().embed(spectrum), active(spectrum)
    labels = masks.nearest(v, sounding, masks.centres(v[sounding], 2))
    expected = trained().stft_.signal(masks.apply(masks.from_labels(labels, 2), spectrum), 8000)
    same = [np.abs(one - two).max() for one, two in zip(read(tmp_path / "out"), expected.numpy(), strict=True)]
    assert max(same) < 1e-4


# Blocks


def blocks(monkeypatch, block: int, context: int) -> None:
    monkeypatch.setattr(recording, "BLOCK", block)
    monkeypatch.setattr(recording, "CONTEXT", context)
    monkeypatch.setattr(recording, "WRITTEN", 1000)


@pytest.mark.parametrize("rate", [8000, 22050])
def test_blocks_give_what_one_block_gives(tmp_path, monkeypatch, rate):
    """But for the onset, whose bins are between the two tones: at the seams the network sees less."""
    path = written(tmp_path / "in.wav", tones(rate, 2 * rate), rate, "PCM_24")
    separate_recording(path, 2, trained(), tmp_path / "one")
    blocks(monkeypatch, 31, 20)
    separate_recording(path, 2, trained(), tmp_path / "many")
    one, many = (sorted(read(tmp_path / name), key=lambda x: pitch(x, rate)) for name in ("one", "many"))
    for a, b in zip(one, many, strict=True):
        assert np.abs(a - b)[rate // 20 :].max() < 0.01


def test_blocks_of_one_source_are_the_whole_to_the_last_sample(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(0, 0.1, 8003)
    path = written(tmp_path / "in.wav", x, 8000, "PCM_24")
    blocks(monkeypatch, 7, 3)
    separate_recording(path, 1, trained(), tmp_path / "out")
    np.testing.assert_allclose(read(tmp_path / "out")[0], soundfile.read(path)[0], rtol=0, atol=1e-6)


def test_a_block_of_silence_within_a_recording(tmp_path, monkeypatch):
    x = np.r_[tones(8000, 8000), np.zeros(24000), tones(8000, 8000)]
    blocks(monkeypatch, 40, 10)
    separate_recording(written(tmp_path / "in.wav", x, 8000), 2, trained(), tmp_path / "out")
    found = read(tmp_path / "out")
    assert max(np.abs(y[9000:31000]).max() for y in found) < 1e-4
    assert all(0.2 < np.abs(y[1000:7000]).max() < 0.4 for y in found)


def test_equal_calls_give_equal_bytes(tmp_path, monkeypatch):
    path = written(tmp_path / "in.wav", tones(16000, 16000), 16000)
    blocks(monkeypatch, 40, 10)
    monkeypatch.setattr(recording, "POINTS", 500)
    for name in ("one", "other"):
        separate_recording(path, 2, trained(), tmp_path / name)
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
               for name in names(tmp_path / "one"))  # fmt: skip


# Short, silent, loud, broken


@pytest.mark.parametrize("samples", [1, 2, 63, 255, 257])
def test_shorter_than_a_window(tmp_path, samples):
    x = np.full(samples, 0.25)
    separate_recording(written(tmp_path / "in.wav", x, 8000), 1, trained(), tmp_path / "out")
    (found,) = read(tmp_path / "out")
    np.testing.assert_allclose(found, x, atol=1e-4)


def test_too_short_to_have_a_sample_at_the_models_rate(tmp_path):
    path = written(tmp_path / "in.wav", np.full(2, 0.25), 48000)
    try:
        separate_recording(path, 1, trained(), tmp_path / "out")
    except ValueError as error:
        assert str(error) == f"{path}: 2 samples at 48000 Hz are too short: none is left at 8000 Hz"
        assert names(tmp_path / "out") == []
    else:
        assert [len(x) for x in read(tmp_path / "out")] == [2]


def test_more_sources_than_there_are_bins(tmp_path):
    path = written(tmp_path / "in.wav", np.full(1, 0.25), 8000)
    with pytest.raises(
        ValueError, match=r"in\.wav: 400 sources need as many active bins, the mixture has \d+: ask for"
    ):
        separate_recording(path, 400, trained(), tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_silence_has_nothing_to_separate(tmp_path):
    path = written(tmp_path / "in.wav", np.zeros(8000), 8000)
    for sources in (1, 2, "auto"):
        with pytest.raises(ValueError, match=r"in\.wav: it is silent: there is nothing to separate"):
            separate_recording(path, sources, trained(), tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_what_cannot_be_read_is_named(tmp_path):
    nan = written(tmp_path / "nan.wav", np.r_[tones(8000, 4000), np.nan], 8000, "FLOAT")
    with pytest.raises(ValueError, match=r"nan\.wav: not finite: 1 samples of a block are NaN or infinite"):
        separate_recording(nan, 2, trained(), tmp_path / "out")
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    written(tmp_path / "none.wav", np.zeros(0), 8000)
    for name, message in {
        "text": "unreadable",
        "empty": "empty",
        "gone": "unreadable: no such file",
        "none": "",
    }.items():
        with pytest.raises(ValueError, match=rf"{name}\.wav: {message}"):
            separate_recording(tmp_path / f"{name}.wav", 2, trained(), tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_clipped_recording_is_separated_and_what_is_cut_is_said(tmp_path):
    x = np.clip(20 * tones(16000, 16000), -1, 1)
    said = separate_recording(written(tmp_path / "in.wav", x, 16000), 2, trained(), tmp_path / "out")
    found = read(tmp_path / "out")
    cut = sum(int((np.abs(y) > 1 - 1e-4).sum()) for y in found)
    assert cut > 100 and max(np.abs(y).max() for y in found) <= 1
    assert said.endswith("samples were beyond full scale and are cut") and int(said.split()[-9]) == pytest.approx(
        cut, 5
    )


def test_a_model_whose_weights_are_broken_is_said(tmp_path):
    broken = fitted(epochs=1, steps=1)
    with torch.no_grad():
        broken.network_.linear.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"in\.wav: the embeddings of .* bins are not finite: the model is broken"):
        separate_recording(written(tmp_path / "in.wav", tones(8000, 4000), 8000), 2, broken, tmp_path / "out")


# How many there are, and where files go


def test_the_number_is_estimated(tmp_path, monkeypatch):
    path = written(tmp_path / "in.wav", tones(8000, 8000), 8000)
    said = separate_recording(path, "auto", trained(), tmp_path / "out")
    count = len(read(tmp_path / "out"))
    assert f"; {count} sources were estimated, confidence " in said
    monkeypatch.setattr(trained(), "counter_", lambda features: (3, 0.25))
    said = separate_recording(path, "auto", trained(), tmp_path / "three")
    assert said.endswith("; 3 sources were estimated, confidence 0.25") and len(read(tmp_path / "three")) == 3


@pytest.mark.parametrize(
    ("sources", "message"),
    [("two", "--sources two: must be a number or auto"), ("2.5", "--sources 2.5: must be"), (0, "--sources 0: must be"),
     ("-1", "--sources -1: must be at least 1"), ("", "--sources : must be a number")],
)  # fmt: skip
def test_a_wrong_number_stops_before_anything_is_made(tmp_path, sources, message):
    with pytest.raises(ValueError, match=message):
        separate_recording(tmp_path / "in.wav", sources, trained(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", ["in-1.wav", "in-2.wav"])
def test_nothing_is_ever_overwritten(tmp_path, there):
    path = written(tmp_path / "in.wav", tones(8000, 4000), 8000)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("mine")
    with pytest.raises(ValueError, match=rf"{there} is there already: move it away, or choose another folder"):
        separate_recording(path, 2, trained(), tmp_path / "out")
    assert names(tmp_path / "out") == [there] and (tmp_path / "out" / there).read_text() == "mine"


def test_the_folder_may_be_the_recordings_own_and_names_odd(tmp_path):
    path = written(tmp_path / "a b.é [1].wav", tones(8000, 4000), 8000)
    before = path.read_bytes()
    separate_recording(path, 2, trained(), tmp_path)
    assert names(tmp_path) == ["a b.é [1]-1.wav", "a b.é [1]-2.wav", "a b.é [1].wav"]
    assert path.read_bytes() == before


def test_a_file_in_place_of_the_folder(tmp_path):
    path = written(tmp_path / "in.wav", tones(8000, 4000), 8000)
    with pytest.raises(OSError, match=r"in\.wav"):
        separate_recording(path, 2, trained(), path)


@pytest.mark.parametrize("size", [100, 25_000, 60_000])
def test_a_full_disk_leaves_nothing_and_is_said(tmp_path, size):
    """While it is decoded, while estimates are made, while the files are written."""
    path = written(tmp_path / "in.wav", tones(44100, 44100), 44100)
    with largest(size), pytest.raises(OSError) as caught:
        separate_recording(path, 2, trained(), tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert names(tmp_path / "out") == []
