"""One encoder over all clips: same bytes whatever the number of workers, errors that name the clip."""

import json

import numpy as np
import pytest
from disk_fixture import largest, small_disk
from sklearn.metrics import normalized_mutual_info_score

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.clusterers.kmeans import KMeans
from audioclust.runs.embed import Embed
from audioclust.runs.logmel import compute

FULL = np.full(150, 0.31)  # seconds of signal: 32 frames
SHORT = 0.01 * np.random.default_rng(1).integers(12, 32, 150)


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "logmel.npy", rng.normal(-9, 4, (150, 64, 32)).astype(np.float16))
    np.save(tmp_path / "audio.npy", rng.integers(-9000, 9000, (150, 4960)).astype(np.int16))
    return {"logmel": tmp_path / "logmel.npy", "waveform": tmp_path / "audio.npy"}


def frames_of(durations):
    """Return frames of 10 ms."""
    return np.rint(durations * 100).astype(np.int64) + 1


def run(source, out, name="logmel_stats", section=None, durations=FULL, **settings):
    np.save(source["logmel"].with_name("frames.npy"), frames_of(durations))
    Embed(**{"workers": 1, **settings}).run(name, section or {}, source, 16000, (-9.0, 4.0), durations, out)
    return np.load(out)


def test_statistics_of_every_band(source, tmp_path):
    x = np.load(source["logmel"]).astype(np.float32)
    found = run(source, tmp_path / "e.npy")
    expected = np.concatenate([x.mean(2), x.std(2), x.max(2)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["logmel_stats", "byol_a_random"])
def test_each_clip_is_embedded_without_its_padding(source, tmp_path, name):
    x = np.load(source["logmel"]).astype(np.float32)
    encoder = registry.get("encoders", name)(random_state=0)
    encoder.prepare()
    encoder.normalise_with(-9.0, 4.0)
    frames = frames_of(SHORT)
    found = run(source, tmp_path / "e.npy", name, durations=SHORT)
    for i in range(0, 150, 7):
        np.testing.assert_allclose(found[i], encoder(x[[i], :, : frames[i]])[0], rtol=1e-5, atol=1e-5)


def bursts(kind, samples, rng):
    """Noise whose power lies in a low or a high band, of one loudness, as int16."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    low, high = ((300, 900), (2000, 2600))[kind]
    hertz = np.fft.rfftfreq(samples, 1 / 16000)
    spectrum[(hertz < low) | (hertz > high)] *= 0.05
    x = np.fft.irfft(spectrum, samples)
    return np.rint(0.2 * 32768 * x / x.std()).clip(-32768, 32767).astype(np.int16)


@pytest.mark.parametrize("seconds", [0.3, 0.8, 0.95, 0.9537])
@pytest.mark.parametrize("name", ["logmel_stats", "byol_a_random"])
def test_clusters_are_of_sounds_not_of_lengths(tmp_path, name, seconds):
    """Two sounds, each with signal of two lengths."""
    rng = np.random.default_rng(5)
    sound, long = np.arange(24) % 2, np.arange(24) // 2 % 2
    durations = np.where(long, 1.0, seconds)
    audio = np.zeros((24, 16000), np.int16)
    for row, kind, duration in zip(audio, sound, durations, strict=True):
        n = round(duration * 16000)
        row[:n] = bursts(kind, n, rng)
    stats = compute(audio, 16000, tmp_path / "logmel.npy", FrontEnd(), durations=durations, workers=1)

    def clusters(padding):
        out = tmp_path / f"{padding}.npy"
        Embed(workers=1).run(name, {"padding": padding}, {"logmel": tmp_path / "logmel.npy"}, 16000,
                             (stats["mean"], stats["std"]), durations, out)  # fmt: skip
        return KMeans(2).fit(np.load(out)).labels_

    assert normalized_mutual_info_score(sound, clusters("ignore")) == pytest.approx(1)
    if name == "logmel_stats" and seconds == 0.8:
        assert normalized_mutual_info_score(long, clusters("pool")) == pytest.approx(1)


@pytest.mark.parametrize("durations", [FULL, SHORT], ids=["full", "short"])
@pytest.mark.parametrize("name", ["logmel_stats", "byol_a_random"])
def test_bytes_do_not_depend_on_the_number_of_workers(source, tmp_path, name, durations):
    run(source, tmp_path / "one.npy", name, durations=durations)
    run(source, tmp_path / "two.npy", name, durations=durations, workers=2)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_an_encoder_of_texts_is_fitted_to_all_of_them(source, tmp_path):
    """More clips than a worker's shard holds, none of which hears a sound."""
    texts = ["kelo miba", "suti vura", ""] * 50
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    found = run({"logmel": source["logmel"], "text": tmp_path / "texts.json"}, tmp_path / "e.npy", "text", workers=2)
    assert found.dtype == np.float32 and found.shape == (150, 2)
    np.testing.assert_allclose(np.abs(found @ found[:3].T), np.tile(np.diag([1, 1, 0]), (50, 1)), atol=1e-6)


def test_another_seed_is_another_random_network(source, tmp_path):
    a = run(source, tmp_path / "a.npy", "byol_a_random")
    b = run(source, tmp_path / "b.npy", "byol_a_random", seed=1)
    assert a.shape == (150, 512) and not np.allclose(a, b)


def test_a_clip_that_is_not_finite_is_named(source, tmp_path):
    x = np.load(source["logmel"])
    x[77, 3, 3] = np.nan
    np.save(source["logmel"], x)
    with pytest.raises(RuntimeError, match="clip 77 "):
        run(source, tmp_path / "e.npy")
    assert not (tmp_path / "e.npy").exists()


def test_absent_weights_stop_before_any_work(source, tmp_path):
    with pytest.raises((FileNotFoundError, RuntimeError), match="nowhere"):
        run(source, tmp_path / "e.npy", "byol_a", {"d": 512, "weights": str(tmp_path / "nowhere.pth")})
    assert list(tmp_path.glob("e*")) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_an_error_that_names_the_file(source, tmp_path, workers):
    np.save(source["logmel"].with_name("frames.npy"), frames_of(FULL))
    with largest(100_000), pytest.raises(OSError, match=r"File too large: .*e\.npy"):
        Embed(workers=workers).run("logmel_stats", {}, source, 16000, (-9.0, 4.0), FULL, tmp_path / "e.npy")
    assert not list(tmp_path.glob("*e.npy*"))
    assert run(source, tmp_path / "e.npy").shape == (150, 192)


def test_a_small_disk_is_an_error_that_names_the_file(source, tmp_path):
    np.save(source["logmel"].with_name("frames.npy"), frames_of(FULL))
    with small_disk(tmp_path / "disk", 65536):
        out = tmp_path / "disk/e.npy"
        with pytest.raises(OSError, match=r"No space left on device: .*e\.npy"):
            Embed(workers=1).run("logmel_stats", {}, source, 16000, (-9.0, 4.0), FULL, out)
        assert list(out.parent.iterdir()) == []
