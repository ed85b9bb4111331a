"""Pictures of a separation: equal data give equal bytes, and what is silent is white."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from audioclust.report import spectrograms
from audioclust.report.canvas import COLOURS

RNG = np.random.default_rng(0)


def scene(t: int = 60, f: int = 33, k: int = 4, sources: int = 2) -> dict:
    """Return the arrays of a picture: a silent band, and sources in bands of their own."""
    labels = np.repeat(np.arange(f)[None] * (sources + 1) // f - 1, t, axis=0)
    v = RNG.normal(size=(t, f, k))
    return {
        "magnitude": np.abs(RNG.normal(size=(t, f))), "ideal": labels, "estimated": labels,
        "v": v / np.linalg.norm(v, axis=2, keepdims=True), "title": "title", "hop": 0.008, "top": 4000.0,
    }  # fmt: skip


def colours_of(path) -> set[tuple[int, ...]]:
    image = (imread(path)[..., :3] * 255).round().astype(int)
    return {tuple(colour) for colour in np.unique(image.reshape(-1, 3), axis=0)}


def rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))


def test_equal_data_give_equal_bytes_and_only_the_beginning_is_shown(tmp_path):
    one = scene(t=spectrograms.SHOWN)
    longer = {name: np.concatenate([x, x[:50]]) if isinstance(x, np.ndarray) else x for name, x in one.items()}
    spectrograms.separation(tmp_path / "one.png", **one)
    spectrograms.separation(tmp_path / "longer.png", **longer)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "longer.png").read_bytes()
    height, width, _ = imread(tmp_path / "one.png").shape
    assert (height, width) == (552, 1008)


def test_each_source_has_a_colour(tmp_path):
    spectrograms.separation(tmp_path / "x.png", **scene(sources=3))
    found = colours_of(tmp_path / "x.png")
    assert {rgb(colour) for colour in COLOURS[:3]} <= found
    assert not {rgb(colour) for colour in COLOURS[3:6]} & found


def test_silence_is_white_and_embeddings_may_have_two_dimensions(tmp_path):
    none = np.full((60, 33), -1)
    silent = {"ideal": none, "estimated": none, "magnitude": np.zeros((60, 33)), "v": np.zeros((60, 33, 2))}
    spectrograms.separation(tmp_path / "x.png", **scene() | silent)
    found = colours_of(tmp_path / "x.png")
    assert (255, 255, 255) in found and rgb(COLOURS[0]) not in found


def affinities(path, n: int, order: np.ndarray) -> None:
    labels = np.arange(n) % 2
    v = np.eye(2)[labels]
    spectrograms.affinities(path, labels[order], v[order], "title")


def test_perfect_embeddings_have_the_affinities_that_are_wanted(tmp_path, monkeypatch):
    drawn, imshow = [], Axes.imshow
    monkeypatch.setattr(Axes, "imshow", lambda axes, x, **options: drawn.append(x) or imshow(axes, x, **options))
    for name in ("x", "again"):
        affinities(tmp_path / f"{name}.png", 40, np.random.default_rng(1).permutation(40))
    wanted, found = drawn[:2]
    np.testing.assert_array_equal(wanted, np.kron(np.eye(2), np.ones((20, 20))))
    np.testing.assert_array_equal(found, wanted)
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "again.png").read_bytes()


@pytest.mark.parametrize("n", [1, spectrograms.BINS + 100])
def test_any_number_of_bins(tmp_path, n):
    affinities(tmp_path / "x.png", n, np.arange(n))
    assert imread(tmp_path / "x.png").shape[:2] == (504, 1008)
