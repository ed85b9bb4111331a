"""One encoder over all clips: same bytes whatever the number of workers, errors that name the clip."""

import numpy as np
import pytest

from audioclust.runs.embed import Embed


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "logmel.npy", rng.normal(-9, 4, (150, 64, 32)).astype(np.float16))
    np.save(tmp_path / "audio.npy", rng.integers(-9000, 9000, (150, 4000)).astype(np.int16))
    return {"logmel": tmp_path / "logmel.npy", "waveform": tmp_path / "audio.npy"}


def run(source, out, name="logmel_stats", section=None, **settings):
    durations = np.full(150, 0.25)
    Embed(**{"workers": 1, **settings}).run(name, section or {}, source, 16000, (-9.0, 4.0), durations, out)
    return np.load(out)


def test_statistics_of_every_band(source, tmp_path):
    x = np.load(source["logmel"]).astype(np.float32)
    found = run(source, tmp_path / "e.npy")
    expected = np.concatenate([x.mean(2), x.std(2), x.max(2)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("name", ["logmel_stats", "byol_a_random"])
def test_bytes_do_not_depend_on_the_number_of_workers(source, tmp_path, name):
    run(source, tmp_path / "one.npy", name)
    run(source, tmp_path / "two.npy", name, workers=2)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


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
