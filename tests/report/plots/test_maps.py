"""Maps: one extent for all of them, grey for what has no category, and a legend that leaves none out."""

import numpy as np
import pytest
from pictures_fixture import CLUSTERS, HOSTILE, LABELS, XY, colours_of, pixels, rgb

from audioclust.report import canvas, plots
from audioclust.report.plots import maps


def black_in_map(path):
    """Return the columns and rows of the map's part of a picture where there is any point."""
    image = pixels(path)
    height, width = image.shape[:2]
    left, bottom, wide, high = maps.PANEL
    part = image[int(height * (1 - bottom - high)) + 8 :, : int(width * (left + wide))]
    rows, columns = np.nonzero((part < 250).any(axis=2))
    return part.shape, columns.min(), columns.max(), rows.min(), rows.max()


def test_maps_of_one_projection_share_size_and_extent_whatever_their_legend(tmp_path):
    values = {
        "few": LABELS, "none": np.full(120, ""), "many": np.arange(120), "long": np.repeat(["x" * 60, "y"], 60),
        "sixty": np.arange(120) // 2,
    }  # fmt: skip
    found = {}
    for name, each in values.items():
        plots.clip_map(XY, each, "title", tmp_path / f"{name}.png")
        assert pixels(tmp_path / f"{name}.png").shape == (648, 1008, 3)
        found[name] = black_in_map(tmp_path / f"{name}.png")
    places = np.array([place[1:] for place in found.values()])
    assert np.ptp(places, axis=0).max() <= 3  # the marks differ in their outlines


@pytest.mark.parametrize("value, grey", [("", canvas.UNLABELLED), ("-1", canvas.NOISE)])
def test_clips_without_a_category_are_grey(value, grey, tmp_path):
    plots.clip_map(XY, np.full(120, value), "title", tmp_path / "map.png")
    assert rgb(grey) in colours_of(tmp_path / "map.png")
    assert rgb(canvas.COLOURS[0]) not in colours_of(tmp_path / "map.png")


def test_no_name_is_left_out_of_the_legend():
    handles = maps._handles(canvas.looks(HOSTILE), 24)
    assert [line.get_label()[0] for line in handles] == ["<", "<", "<", "a", " ", "é"]


def test_names_are_written_where_their_clips_are(tmp_path):
    plots.clip_map(XY, CLUSTERS, "title", tmp_path / "plain.png")
    plots.clip_map(XY, CLUSTERS, "title", tmp_path / "named.png", named=True)
    changed = (pixels(tmp_path / "plain.png") != pixels(tmp_path / "named.png")).any(axis=2)
    assert 3 * 30 < changed.sum() < 3 * 1500, "three numbers"
