"""The log-mel front end against the three that BYOL-A was published with, and its run over all clips."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from disk_fixture import largest, small_disk

from audioclust.clips.logmel import EPS, FrontEnd, LogMel
from audioclust.parameters import types
from audioclust.runs.logmel import SHARD, compute
from audioclust.views.clips import Moments, moments_of

# Half a second of 16 kHz noise and tones with the log-mels of torchaudio's default, nnAudio 0.3.4 and librosa 0.9,
# settings of nttcslab/byol-a (1024/160, 64 bands, 60-7800 Hz); only frames that do not see the cut end.
GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "byola_frontend.npz"))
SHARED = Path(__file__).resolve().parents[3] / "shared" / "golden"


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return rng.normal(0, 2000, (2 * SHARD + 3, 1600)).astype(np.int16)


@pytest.mark.parametrize(
    "mel_scale, peer",
    [("htk", "logmel_torchaudio"), ("slaney", "logmel_nnaudio"), ("slaney", "logmel_librosa_reflect")],
)
def test_published_front_ends(mel_scale, peer):
    found = LogMel(FrontEnd(mel_scale=mel_scale))(torch.from_numpy(GOLDEN["wav"])).numpy()
    frames = GOLDEN[peer].shape[2]
    np.testing.assert_allclose(found[:, :, :frames], GOLDEN[peer], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the large golden arrays are not on this machine")
@pytest.mark.parametrize(
    "file, mel_scale, peer",
    [
        ("audio/byola_frontend", "htk", "logmel_torchaudio"),
        ("audio/byola_frontend", "slaney", "logmel_torchaudio_slaney"),
        ("audio/byola_frontend", "slaney", "logmel_nnaudio"),
        ("audio/byola_frontend", "slaney", "logmel_librosa_reflect"),
        ("methods/byola_logmel", "htk", "lms_torchaudio"),
        ("methods/byola_logmel", "slaney", "lms_nnaudio"),
    ],
)
def test_published_front_ends_whole(file, mel_scale, peer):
    golden = np.load(SHARED / f"{file}.npz")
    found = LogMel(FrontEnd(mel_scale=mel_scale))(torch.from_numpy(np.atleast_2d(golden["wav"]))).numpy()
    np.testing.assert_allclose(found, golden[peer], rtol=1e-4, atol=1e-4)


def test_the_two_mel_scales_are_nats_apart():
    wave = torch.from_numpy(GOLDEN["wav"])
    assert (LogMel(FrontEnd(mel_scale="htk"))(wave) - LogMel(FrontEnd())(wave)).mean() > 3


@pytest.mark.parametrize("samples, hop", [(1600, 160), (1601, 160), (1759, 160), (1600, 100)])
def test_number_of_frames(samples, hop):
    assert LogMel(FrontEnd(hop=hop))(torch.zeros(3, samples)).shape == (3, 64, 1 + samples // hop)


def test_silence_is_the_logarithm_of_the_floor():
    found = LogMel(FrontEnd())(torch.zeros(1, 1600))
    torch.testing.assert_close(found, torch.full_like(found, -23 * np.log(2)))


@pytest.mark.parametrize("build", [LogMel, FrontEnd.check, FrontEnd.axes])
def test_bands_above_half_the_rate_are_refused(build):
    with pytest.raises(ValueError, match=r"f_max=7800.0 .* 4000.0"):
        build(FrontEnd(sample_rate=8000))
    with pytest.raises(ValueError, match="f_min=5000"):
        build(FrontEnd(f_min=5000.0, f_max=4000.0))


@pytest.mark.parametrize("name", types(FrontEnd))
def test_a_wrong_value_stops_at_once_and_is_named(name):
    with pytest.raises(ValueError, match=rf"FrontEnd\.{name} = -1: "):
        LogMel(FrontEnd(**{name: -1}))


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_axes_are_the_centres_of_the_bands(mel_scale):
    """A sine in the centre of a band is loudest in that band."""
    front_end = FrontEnd(mel_scale=mel_scale, f_min=300.0, n_mels=20)
    axes, time = front_end.axes(), torch.arange(3200, dtype=torch.float64) / 16000
    assert axes["hop_seconds"] == 0.01 and len(axes["mel_hz"]) == 20
    sines = torch.stack([torch.sin(2 * np.pi * hertz * time) for hertz in axes["mel_hz"]]).float()
    assert LogMel(front_end)(sines).mean(2).argmax(1).tolist() == list(range(20))


def test_clips_too_short_to_be_reflected_are_refused(tmp_path):
    with pytest.raises(ValueError, match="512 samples are too short"):
        compute(np.zeros((2, 512), np.int16), 16000, tmp_path / "logmel.npy", FrontEnd(), workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_that_names_the_file(clips, tmp_path, workers):
    def computed(out):
        compute(clips, 16000, out / "logmel.npy", FrontEnd(), workers=workers)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    whole = computed(tmp_path / "whole")
    with largest(200_000), pytest.raises(OSError, match=r"File too large: .*logmel\.npy"):
        computed(tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []
    assert computed(tmp_path / "full") == whole


def test_a_small_disk_is_an_error_that_names_the_file(clips, tmp_path):
    with small_disk(tmp_path / "disk", 65536):
        out = tmp_path / "disk/logmel.npy"
        with pytest.raises(OSError, match=r"No space left on device: .*logmel\.npy"):
            compute(clips, 16000, out, FrontEnd(), workers=1)
        assert list(out.parent.iterdir()) == []


def test_file_holds_every_clip_and_its_statistics(clips, tmp_path):
    stats = compute(clips, 16000, tmp_path / "logmel.npy", FrontEnd(), workers=1)
    found = np.load(tmp_path / "logmel.npy")
    expected = LogMel(FrontEnd())(torch.from_numpy(clips.astype(np.float32) / 32768)).numpy()
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=5e-3)
    whole = found.astype(np.float64)
    assert (stats["mean"], stats["std"]) == pytest.approx((whole.mean(), whole.std()), abs=1e-6)
    assert stats["front_end"] == asdict(FrontEnd()) | {"clip_seconds": 0.1} and stats["hop_seconds"] == 0.01
    assert json.loads((tmp_path / "stats.json").read_text()) == stats
    moments = moments_of(found, torch.from_numpy(np.load(tmp_path / "frames.npy")))
    assert Moments(**json.loads((tmp_path / "moments.json").read_text())) == moments
    names = ["frames.npy", "info.json", "logmel.npy", "moments.json", "stats.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def padded(clips, samples, whole, path, **settings):
    """Return the log-mels and their statistics of clips (n, at least samples), cut there and padded to ``whole``."""
    audio = np.zeros((len(clips), whole), np.int16)
    for row, clip, n in zip(audio, clips, samples, strict=True):
        row[:n] = clip[:n]
    rate = settings.pop("rate", 16000)
    stats = compute(audio, rate, path, FrontEnd(**settings), durations=np.array(samples) / rate, workers=1)
    return np.load(path), stats


@pytest.mark.parametrize(("rate", "samples", "frames"), [
    (16000, [6400, 6321, 1, 16000, 1120, 1121], [41, 41, 2, 101, 8, 9]), (8000, [3200, 560, 561], [41, 8, 9]),
    (44100, [17640, 3087, 3088], [41, 8, 9]),
])  # fmt: skip
def test_frames_with_signal(rate, samples, frames, tmp_path):
    """Frame j is centred on j hops of 10 ms: 0.4 s end on that of frame 40; there are at most as many as in a clip."""
    audio = np.ones((len(samples), rate), np.int16)
    durations = np.round(np.array(samples) / rate, 6)
    compute(audio, rate, tmp_path / "logmel.npy", FrontEnd(), durations=durations, workers=1)
    assert np.load(tmp_path / "frames.npy").tolist() == frames


@pytest.mark.parametrize("samples", [1280, 1281, 1300, 1439, 700, 513, 512, 300, 20])
@pytest.mark.parametrize("settings", [{}, {"rate": 8000}, {"hop": 600}], ids=str)
def test_a_log_mel_does_not_depend_on_the_padding(clips, samples, settings, tmp_path):
    short, stats = padded(clips[:3], [samples] * 3, 1800, tmp_path / "short.npy", **settings)
    long, same = padded(clips[:3], [samples] * 3, 4800, tmp_path / "long.npy", **settings)
    frames = np.load(tmp_path / "frames.npy")[0]
    np.testing.assert_array_equal(short[..., :frames], long[..., :frames])
    assert np.unique(long[..., frames:]) == np.float16(np.log(EPS))
    assert (long[..., :frames].max(1) > np.float16(np.log(EPS)) + 1).all()  # no frame of the signal is of its padding
    assert (stats["mean"], stats["std"]) == (same["mean"], same["std"])


@pytest.mark.parametrize("samples", [1600, 1567, 1280, 800, 513])
def test_a_padded_clip_is_as_one_that_ends_there(clips, samples, tmp_path):
    short, _ = padded(clips[:3], [samples] * 3, samples, tmp_path / "short.npy")
    long, _ = padded(clips[:3], [samples] * 3, 4800, tmp_path / "long.npy")
    np.testing.assert_allclose(short, long[..., : short.shape[2]], atol=0.01)  # one float16 step


def test_a_clip_of_one_sample(clips, tmp_path):
    mels, _ = padded(clips[:3], [1] * 3, 4800, tmp_path / "logmel.npy", rate=48000)
    assert np.isfinite(mels).all()


def test_statistics_are_those_of_the_signal(clips, tmp_path):
    samples = np.where(np.arange(len(clips)) % 3, 1600, 1000)
    mels, stats = padded(clips, samples, 1600, tmp_path / "logmel.npy")
    frames = np.load(tmp_path / "frames.npy")
    signal = np.concatenate([row[:, :n].ravel() for row, n in zip(mels, frames, strict=True)]).astype(np.float64)
    assert (stats["mean"], stats["std"]) == pytest.approx((signal.mean(), signal.std()), abs=1e-6)


def test_bytes_do_not_depend_on_the_number_of_workers(clips, tmp_path):
    one = compute(clips, 16000, tmp_path / "one.npy", FrontEnd(), workers=1)
    two = compute(clips, 16000, tmp_path / "two.npy", FrontEnd(), workers=2)
    assert one == two
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_tone_keeps_its_band_whatever_the_rate(tmp_path, rate):
    def peak(rate):
        tone = np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)
        compute((tone[None] * 20000).astype(np.int16), rate, tmp_path / f"{rate}.npy", FrontEnd(), workers=1)
        mels = np.load(tmp_path / f"{rate}.npy")
        return mels.shape, mels[0].mean(1).argmax(), mels[0].mean(1).max()

    shape, band, level = peak(16000)
    other_shape, other_band, other_level = peak(rate)
    assert shape == other_shape and band == other_band
    assert other_level == pytest.approx(level, abs=0.05)
