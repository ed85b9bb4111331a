"""What is known of each number of clusters: curves that fall after the number of the points, and what they say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import jaccard_score

from audioclust.report.numbers import advice, candidates, curve, eigengaps, stable, votes

GOOD = {"found_again": 0.9, "stable": 1.0, "agreement": 0.9, "silhouette": 0.2, "by_chance": 0.05, "eigengap": 0.0,
        "kappa": 0.8}  # fmt: skip


def blobs(k, each=20, seed=0, spread=0.3, d=16):
    rng = np.random.default_rng(seed)
    return np.repeat(6 * rng.normal(size=(k, d)), each, axis=0) + rng.normal(0, spread, (k * each, d))


def spaces(x):
    """Return the points and another encoder's view of them."""
    rng = np.random.default_rng(1)
    return {"own": x, "other": x @ rng.normal(size=(x.shape[1], 9)) + rng.normal(size=(len(x), 9))}


def table(ks=range(2, 13), **columns):
    return pd.DataFrame({"k": list(ks)} | GOOD | columns)


def peak(at, ks=range(2, 13), top=1.0, rest=0.5):
    return [top if k == at else rest for k in ks]


def test_each_small_number_then_steps_and_the_one_that_was_asked_for():
    assert candidates(10_000, 9) == [*range(2, 13), 14, 16, 18, 21, 24, 28, 32, 37, 43, 50]
    assert candidates(10_000, 100)[-1] > 150 and 100 in candidates(10_000, 100)
    assert candidates(60, 45) == [*range(2, 13), 45]  # few clips have few clusters
    assert candidates(9, 9) == [] and candidates(10, 20) == [2] and candidates(10, 1) == [2]


def test_the_curves_fall_after_the_number_of_clusters_that_are_there():
    found = curve(spaces(blobs(6)), "own", 6)
    at = found.set_index("k")
    assert set(at.columns) == set(GOOD)
    assert at.loc[6].drop("by_chance").min() > 0.7 and at.loc[6, ["found_again", "stable"]].tolist() == [1, 1]
    for name in ("found_again", "silhouette", "kappa", "eigengap", "agreement"):
        assert at[name].idxmax() <= 6 and (at.loc[8:, name] < at.loc[6, name] - 0.1).all()
    said = advice(found)
    assert said.best == 6 and said.clear and f"{6}" in said.sentence


def test_points_without_structure_speak_for_no_number():
    x = np.random.default_rng(0).normal(size=(200, 30))
    found = curve({"own": x}, "own", 9)
    assert (found["found_again"] < 0.7).all() and found.equals(curve({"own": x}, "own", 9))
    assert advice(found)[:3] == (None, None, None) and "better than points without" in advice(found).sentence


def test_clusters_must_part_clips_better_than_chance_or_well():
    weak = table(silhouette=[0.03] * 10 + [0.029], by_chance=0.02)
    assert advice(weak).low is None and advice(weak.assign(by_chance=0.01)).low is not None
    assert advice(weak.assign(silhouette=0.6, by_chance=0.5)).low is not None
    assert advice(weak.assign(silhouette=0.005, by_chance=-0.01)).low is None


def test_equal_points_and_few_points():
    found = curve({"own": np.ones((40, 3)), "other": np.ones((40, 2))}, "own", 3)
    assert np.isfinite(found.to_numpy()).all() and advice(found).low is None
    none = curve({"own": blobs(2, each=2)}, "own", 4)
    assert none.empty and votes(none) == {} and "too few clips" in advice(none).sentence


def test_more_dimensions_than_components_are_reduced_first():
    found = curve(spaces(blobs(4, d=100)), "own", 4)
    assert advice(found).best == 4


def test_clusters_that_are_found_again_each_for_itself():
    labels = np.repeat([0, 1, 2], 10)
    parts = [np.arange(0, 30, 2), np.arange(1, 30, 2)]
    assert stable(labels, [labels[part] for part in parts], parts) == 1
    # Two of the three are one cluster there: half of it is each of them, and the third is as it was.
    assert stable(labels, [np.where(labels[part] == 2, 1, 0) for part in parts], parts) == pytest.approx(1 / 3)
    mixed = np.array([0, 0, 0, 0, 1])
    assert stable(np.zeros(5, int), [mixed], [np.arange(5)]) == 1 and jaccard_score(mixed == 0, np.ones(5)) == 0.8


def test_eigengaps_of_separate_parts():
    found = dict(zip(range(2, 9), eigengaps(blobs(5), list(range(2, 9))), strict=True))
    assert max(found, key=found.get) == 5 and found[5] > 0.5 and found[3] == found[4] == 0
    assert (eigengaps(np.ones((30, 2)), [2, 3]) == 0).all() and len(eigengaps(np.ones((30, 2)), [])) == 0


def test_each_criterion_speaks_for_its_number():
    found = table(
        stable=[1] * 5 + [0.5] * 6, kappa=[0.9] * 3 + [0.86, 0.8] + [0.5] * 6, silhouette=peak(7), eigengap=peak(8),
        found_again=peak(4), agreement=peak(2),
    )  # fmt: skip
    assert votes(found) == {"stable": 6, "kappa": 5, "silhouette": 7, "eigengap": 8, "agreement": 4}
    assert advice(found)[:3] == (4, 6, 8) and not advice(found).clear
    assert "between 4 and 8 clusters" in advice(found).sentence


def test_a_best_number_at_the_end_and_small_gaps_say_nothing():
    found = table(silhouette=peak(12), eigengap=peak(5, top=0.15, rest=0), stable=0.5, found_again=peak(3))
    assert set(votes(found)) == {"kappa", "agreement"}


def test_criteria_that_agree_and_that_do_not():
    one = table(stable=peak(4, rest=0), kappa=peak(4), silhouette=peak(4), eigengap=peak(4), found_again=peak(4))
    assert advice(one) == (4, 4, 4, "everything speaks for 4 clusters") and advice(one).clear
    wide = one.assign(silhouette=peak(2), stable=peak(11, rest=0))
    assert advice(wide)[:3] == (2, 4, 11) and "stays open" in advice(wide).sentence


def test_what_is_said_depends_on_the_table_as_it_was_written(tmp_path):
    found = curve(spaces(blobs(3)), "own", 3)
    found.to_csv(tmp_path / "numbers.csv", index=False)
    assert advice(pd.read_csv(tmp_path / "numbers.csv")) == advice(found)
