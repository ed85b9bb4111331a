"""What is known of each number of clusters: curves that fall after the number that the points have."""

import numpy as np
import pandas as pd
import pytest

from audioclust.report import plots
from audioclust.report.numbers import candidates, curve, said


def blobs(k, each=20, seed=0, spread=0.3, d=16):
    rng = np.random.default_rng(seed)
    return np.repeat(6 * rng.normal(size=(k, d)), each, axis=0) + rng.normal(0, spread, (k * each, d))


def test_each_small_number_then_steps_and_the_one_that_was_asked_for():
    assert candidates(10_000, 9) == [*range(2, 13), 14, 16, 18, 21, 24, 28, 32, 37, 43, 50]
    assert candidates(10_000, 100)[-1] > 150 and 100 in candidates(10_000, 100)
    assert candidates(60, 45) == [*range(2, 13), 45]  # few clips have few clusters
    assert candidates(9, 9) == [] and candidates(10, 20) == [2] and candidates(10, 1) == [2]


def test_the_curves_fall_after_the_number_of_clusters_that_are_there():
    x = blobs(6)
    other = x @ np.random.default_rng(1).normal(size=(16, 9)) + np.random.default_rng(2).normal(size=(120, 9))
    found = curve({"own": x, "other": other}, "own", 6).set_index("k")
    assert list(found.columns) == ["found_again", "silhouette", "kappa"]
    assert found.loc[6].min() > 0.7 and found.loc[6, "found_again"] == pytest.approx(1)
    for name in found:
        assert found[name].idxmax() <= 6 and (found.loc[8:, name] < found.loc[6, name] - 0.1).all()
    assert said(found.reset_index()).startswith("2, 5 to 7 clusters")


def test_the_numbers_that_are_found_again_are_said():
    table = pd.DataFrame({"k": [2, 3, 4, 5, 6, 7], "found_again": [0.95, 0.92, 0.5, 0.93, 0.1, 0.2]})
    assert said(table).startswith("2 to 3, 5 clusters are found again")


def test_points_without_structure_are_found_again_by_no_number():
    x = np.random.default_rng(0).normal(size=(200, 30))
    found = curve({"own": x}, "own", 9)
    assert (found["found_again"] < 0.7).all()
    assert said(found).startswith("no number of clusters is found again")
    assert found.equals(curve({"own": x}, "own", 9))


def test_equal_points_and_few_points():
    found = curve({"own": np.ones((40, 3)), "other": np.ones((40, 2))}, "own", 3)
    assert np.isfinite(found.to_numpy()).all()
    assert curve({"own": blobs(2, each=2)}, "own", 4).empty


def test_the_picture_is_drawn_also_of_nothing(tmp_path):
    found = curve({"own": blobs(4)}, "own", 4)
    for name, table in (("some", found), ("again", found), ("none", found[:0])):
        plots.numbers(table, 4, "k-means", tmp_path / f"{name}.png")
    some, again, none = ((tmp_path / f"{name}.png").read_bytes() for name in ("some", "again", "none"))
    assert some == again != none
