"""Pictures: that each is drawn and fits a README, and that equal data give equal bytes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.image import imread
from pictures_fixture import CLUSTERS, HOSTILE, LABELS, LOGMEL, NONE, XY, colours_of, result

from audioclust.report import canvas, plots

MANY = tuple(f"clusterer_{i}_of_a_long_name" for i in range(20))
X = np.random.default_rng(1).normal(size=(120, 8))
CURVE = pd.DataFrame(
    {"k": [2, 3, 4, 6, 9], "found_again": [1, 0.9, 0.95, 0.6, 0.5], "by_chance": 0.3, "stable": [1, 1, 1, 0.4, 0.2],
     "agreement": [1, 0.8, 1, 0.6, 0.5], "silhouette": [0.1, 0.2, 0.3, 0.2, 0.1], "eigengap": [0, 0, 0.5, 0.1, 0],
     "kappa": [0.9, 0.9, 0.9, 0.6, 0.5]}
)  # fmt: skip
LONG = np.array([f"a very long name of class {i // 2}" for i in range(120)])

DRAWN = {
    "map": lambda path: plots.clip_map(XY, LABELS, "title", path),
    "map with names": lambda path: plots.clip_map(XY, CLUSTERS, "title", path, named=True),
    "map without labels": lambda path: plots.clip_map(XY, NONE, "title", path),
    "map of 60": lambda path: plots.clip_map(XY, LONG, "title", path),
    "map of many": lambda path: plots.clip_map(XY, np.arange(120) - 1, "title", path, named=True),
    "confusion": lambda path: plots.confusion(LABELS, CLUSTERS, path, "title"),
    "confusion of one cluster": lambda path: plots.confusion(LABELS, np.zeros(120, int), path, "title"),
    "confusion without labels": lambda path: plots.confusion(NONE, CLUSTERS, path, "title"),
    "confusion of many": lambda path: plots.confusion(LONG, np.arange(120), path, "title"),
    "sizes of many": lambda path: plots.confusion(NONE, np.arange(120) // 2 - 1, path, "title"),
    "bars": lambda path: plots.bars(result(), path),
    "bars of one": lambda path: plots.bars(result(["byol_a"], clusterers=["kmeans"]), path),
    "bars of five": lambda path: plots.bars(result(["a", "b", "c", "d", "e"]), path),
    "bars of 80": lambda path: plots.bars(result(["a", "b"], clusterers=MANY, seeds=1), path, MANY[:3]),
    "bars of 80 in one": lambda path: plots.bars(result(["a"], clusterers=MANY + MANY[::-1], seeds=1), path),
    "bars without labels": lambda path: plots.bars(result(labelled=False), path),
    "bars with pale ones": lambda path: plots.bars(result(labelled=False, largest=0.95), path),
    "tree": lambda path: plots.tree(X, CLUSTERS, LABELS, "title", path),
    "tree without labels": lambda path: plots.tree(X, CLUSTERS, NONE, "title", path),
    "tree of two": lambda path: plots.tree(X, np.arange(120) % 2, LABELS, "title", path),
    "tree of one": lambda path: plots.tree(X, np.zeros(120, int), LABELS, "title", path),
    "tree of many": lambda path: plots.tree(X, np.arange(120), LONG, "title", path),
    "numbers": lambda path: plots.numbers(CURVE, 9, "title", path),
    "numbers of one": lambda path: plots.numbers(CURVE[:1], 9, "title", path),
    "numbers of none": lambda path: plots.numbers(CURVE[:0], 9, "title", path),
    "examples": lambda path: plots.examples(LOGMEL, LABELS, CLUSTERS, path),
    "examples in kHz": lambda path: plots.examples(LOGMEL, LABELS, CLUSTERS, path, mel_hz=np.geomspace(60, 7800, 64)),
    "examples without labels": lambda path: plots.examples(LOGMEL, NONE, CLUSTERS, path),
    "examples of many": lambda path: plots.examples(LOGMEL, np.arange(120).astype(str), CLUSTERS, path),
    "examples of many clusters": lambda path: plots.examples(LOGMEL, NONE, np.arange(120) // 2, path),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return a function that returns the picture of a name, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")

    def draw(name):
        path = folder / f"{name}.png"
        if not path.exists():
            DRAWN[name](path)
        return path

    return draw


@pytest.mark.parametrize("name", DRAWN)
def test_every_picture_is_drawn_and_fits_a_readme(name, drawn):
    height, width = imread(drawn(name)).shape[:2]
    assert 400 <= width <= 1300 and height <= 1700
    assert len(colours_of(drawn(name))) > 1


@pytest.mark.parametrize(
    "name", ["map", "confusion", "confusion without labels", "bars", "tree", "numbers", "examples"]
)
def test_equal_data_give_equal_bytes_whatever_the_users_style(name, drawn, tmp_path):
    with rc_context({"font.size": 20, "lines.linewidth": 5, "axes.facecolor": "red", "savefig.dpi": 30}):
        DRAWN[name](tmp_path / "two.png")
    written = drawn(name).read_bytes()
    assert written == (tmp_path / "two.png").read_bytes()
    assert b"Software" not in written and b"tIME" not in written


def test_texts_of_users_are_not_read_as_mathematics(tmp_path):
    plots.clip_map(XY, np.where(LABELS == "cat", r"$\nope{$ a_b", LABELS), "$x_{$ title", tmp_path / "map.png")
    assert (tmp_path / "map.png").is_file()


def test_names_are_drawn_on_one_line_and_stay_different(tmp_path):
    assert canvas.short("a\r\n\tb\0\u2028c") == "a b c"
    assert canvas.short("recording of site 17, morning", 12) == "recordin…ing"
    assert len({canvas.short(name) for name in LONG}) == 60
    labels = np.resize(HOSTILE, 120)
    plots.clip_map(XY, labels, "title", tmp_path / "map.png")
    plots.confusion(labels, CLUSTERS, tmp_path / "confusion.png", "title")
    plots.examples(LOGMEL, labels, CLUSTERS, tmp_path / "examples.png")
    plots.tree(X, CLUSTERS, labels, "title", tmp_path / "tree.png")
    assert all(imread(path).shape[0] >= 150 for path in tmp_path.iterdir())


def test_colours_and_marks_are_different_for_60_names_and_colours_beyond():
    looks = canvas.looks([f"{i}" for i in range(60)])
    assert len(set(looks.values())) == 60 and {colour for colour, _ in looks.values()} == set(canvas.COLOURS)
    assert len({colour for colour, _ in canvas.looks([f"{i}" for i in range(200)]).values()}) == 200


def test_numbers_stand_by_size_before_words():
    assert canvas.ordered(np.array(["10", "9", "-1", "b", "", "a"])) == ["-1", "9", "10", "", "a", "b"]
