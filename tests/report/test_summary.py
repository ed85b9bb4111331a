"""What the clusters are like: figures that can be worked out by hand, and cells with little to describe."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from audioclust.report import summary

F, T = 8, 20
EDGES = np.arange(9) * 100.0
SILENCE = float(np.log(np.finfo(np.float32).eps))


def clips(n, **columns):
    basis = {"path": [f"{i}.wav" for i in range(n)], "start": 0.0, "duration": 4.0, "level": -30.0}
    return pd.DataFrame(basis | columns)


def described(clusters, x=None, means=None, **columns):
    clusters = np.asarray(clusters)
    means = np.zeros((len(clusters), F), np.float32) if means is None else means
    x = np.random.default_rng(0).normal(size=(len(clusters), 3)).astype(np.float32) if x is None else x
    found = summary.describe(clips(len(clusters), **columns), clusters, x, means, EDGES)
    return {each.cluster: each for each in found}


# Order and size


def test_the_largest_comes_first_and_noise_last():
    found = described([-1, -1, -1, -1, 5, 2, 2])
    assert list(found) == [2, 5, -1]
    assert [each.clips for each in found.values()] == [2, 1, 4]
    assert [each.share for each in found.values()] == [0.2857, 0.1429, 0.5714]


@pytest.mark.parametrize("lengths", [(3, 4, 4, 4), (4, 3, 4, 4), (4, 4, 3, 4), (4, 4, 4, 3), (0, 0, 0, 0)])
def test_lengths_must_agree(lengths):
    table, labels, x, means = (clips(lengths[0]), np.zeros(lengths[1], int), *(np.ones((n, F)) for n in lengths[2:]))
    with pytest.raises(ValueError, match="one row of each per clip"):
        summary.describe(table, labels, x, means, EDGES)


# Exemplars


def test_exemplars_are_the_nearest_to_the_mean_and_the_farthest():
    x = np.array([0, 1, -1, 2, -2, 4, -9, 3, 6, -4], np.float32)[:, None]
    far = np.r_[x, x + 1000]
    found = summary.exemplars(far, np.repeat([0, 1], 10))
    assert found[0] == ([0, 1, 2, 3, 4], [6, 8, 5])  # the mean is 0; 4 and -4 are as far, the lower row comes first
    assert found[1] == ([10, 11, 12, 13, 14], [16, 18, 15])


def test_exemplars_do_not_depend_on_the_blocks_in_which_points_are_read(monkeypatch):
    rng = np.random.default_rng(0)
    x, clusters = rng.normal(size=(100, 4)).astype(np.float32), rng.integers(-1, 3, 100)
    whole = summary.exemplars(x, clusters)
    for name in (0, 1, 2):
        distance = np.linalg.norm(x - x[clusters == name].mean(axis=0), axis=1)
        order = [i for i in np.argsort(distance) if clusters[i] == name]
        assert whole[name] == (order[:5], order[::-1][:3])
    monkeypatch.setattr(summary, "BLOCK", 7)
    assert summary.exemplars(x, clusters) == whole


def test_a_clip_is_an_exemplar_once_and_equal_clips_have_no_edge():
    x = np.r_[np.arange(6), np.full(9, 3.3), 7].astype(np.float32)[:, None]
    found = summary.exemplars(x, np.repeat([0, 1, 2], [6, 9, 1]))
    assert sorted(found[0][0] + found[0][1]) == [0, 1, 2, 3, 4, 5]
    assert found[1] == ([6, 7, 8, 9, 10], []) and found[2] == ([15], [])


def test_noise_has_no_exemplars():
    assert summary.exemplars(np.arange(4.0)[:, None], np.array([-1, -1, 0, 0])) == {-1: ([], []), 0: ([2, 3], [])}


# Bands


def test_band_means_are_of_the_frames_with_signal(monkeypatch):
    rng = np.random.default_rng(0)
    logmel, frames = rng.normal(-7, 3, (10, F, T)).astype(np.float16), rng.integers(1, T + 1, 10)
    for x, length in zip(logmel, frames, strict=True):
        x[:, length:] = SILENCE
    monkeypatch.setattr(summary, "BLOCK", 3)
    found = summary.band_means(logmel, frames)
    expected = [x[:, :length].mean(axis=1, dtype=np.float64) for x, length in zip(logmel, frames, strict=True)]
    assert found == pytest.approx(np.array(expected), abs=1e-4)


def test_band_edges_lie_half_way_between_centres():
    assert summary.band_edges([100, 200, 400], 60, 500).tolist() == [60, 150, 300, 500]


def test_the_band_that_a_cluster_has_more_of_is_found_in_decibels():
    means = np.zeros((20, F), np.float32)
    means[:5, 2:4] = np.log(100)  # 20 dB of power
    found = described(np.repeat([0, 1], [5, 15]), means=means)
    assert found[0].bands == [(200, 400, 20)] and found[0].all_bands == 5
    assert found[1].bands == [(0, 200, 0), (400, 800, 0)] and found[1].all_bands == -5


def test_the_rest_are_all_other_clips_noise_among_them():
    means = np.zeros((8, F), np.float32)
    means[2:4, 1], means[4:, 1] = np.log(10), np.log(1000)  # cluster 1: 10 dB, noise: 30 dB
    found = described(np.repeat([0, 1, -1], [2, 2, 4]), means=means)
    assert found[-1].bands == [(100, 200, 25)]  # 30 against the mean of 0 and 10


@pytest.mark.parametrize(
    ("difference", "ranges"),
    [
        ([0, 0, 9, 7, 0, 0, 5, 0], [(200, 400, 8), (600, 700, 5)]),  # the highest peak first
        ([0, 0, 9, 7, 8, 0, 0, 0], [(200, 500, 8)]),  # a ripple is no second range
        ([8, 0, 0, 0, 0, 0, 0, 6], [(0, 100, 8), (700, 800, 6)]),  # at the ends
        ([9, 0, 7, 0, 6, 0, 8, 0], [(0, 100, 9), (600, 700, 8), (200, 300, 7)]),  # three at most
        ([-9, -9, -9, -2, -9, -9, -9, -9], [(300, 400, -2)]),  # quieter throughout: where it is least so
        ([5, 5, 5, 5, 5, 5, 5, 5], []),  # louder, and no band stands out
        ([0, 0, 0, 0.9, 0, 0, 0, 0], []),
    ],
)
def test_ranges_that_stand_out(difference, ranges):
    assert summary.outstanding(np.array(difference, float), EDGES) == ranges


# Purity


def test_purity_against_scikit_learn():
    rng = np.random.default_rng(0)
    x, clusters = rng.normal(size=(200, 5)).astype(np.float32), rng.integers(0, 3, 200)
    x[:, 0] += 2 * clusters
    nearest = NearestNeighbors(n_neighbors=10).fit(x).kneighbors(return_distance=False)
    pure = (clusters[nearest] == clusters[:, None]).mean(axis=1)
    expected = {name: pure[clusters == name].mean() for name in range(3)}
    assert summary.purity(x, clusters) == pytest.approx(expected, abs=1e-4)
    assert 0.4 < min(expected.values()) < 0.95


def test_a_small_cluster_may_be_pure_and_one_clip_has_no_purity():
    x = np.r_[np.arange(20), 1000, 1001, 1002, 5000].astype(np.float32)[:, None]
    clusters = np.repeat([0, 1, 2], [20, 3, 1])
    assert summary.purity(x, clusters) == {0: 1, 1: 1, 2: None}


def test_purity_of_a_sample_is_near_that_of_all():
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 2, 3000)
    x = (rng.normal(size=(3000, 2)) + 2 * clusters[:, None]).astype(np.float32)
    whole, some = (summary.purity(x, clusters, sample=sample) for sample in (3000, 1000))
    assert some == pytest.approx(whole, abs=0.05) and some != whole


def test_a_cluster_outside_of_the_sample_has_no_purity():
    clusters = np.zeros(50, int)
    clusters[np.random.default_rng(0).permutation(50)[-1]] = 1
    found = summary.purity(np.random.default_rng(1).normal(size=(50, 2)), clusters, sample=40)
    assert found == {0: 1, 1: None}


# Terms


def test_terms_are_those_of_the_cluster_and_not_those_of_all():
    texts = np.array(["the dog barks", "The dog and the hound", "the cat purrs", "the cat and the kitten", "", "the"])
    found = summary.terms(texts, np.array([0, 0, 1, 1, 0, 1]))
    assert found[0][0] == "dog" and found[1][0] == "cat"
    assert "the" not in found[0] and len(found[0]) <= 5 and "cat" not in found[0]


def test_terms_by_the_formula():
    texts = ["a a a b", "b b c", "c d d d"]
    of = [Counter(text.split()) for text in texts]
    whole = sum(of, Counter())
    weights = [
        {w: np.sqrt(n / each.total()) * np.log(1 + whole.total() / 3 / whole[w]) for w, n in each.items()}
        for each in of
    ]
    del weights[0]["b"]  # 1 of 4 words here, 2 of 7 elsewhere
    expected = {i: sorted(each, key=each.get, reverse=True) for i, each in enumerate(weights)}
    assert summary.terms(np.array(texts), np.arange(3)) == expected
    assert expected == {0: ["a"], 1: ["b", "c"], 2: ["d", "c"]}


def test_no_text_has_no_terms_and_a_cluster_without_text_none():
    assert summary.terms(np.array(["", " "]), np.array([0, 1])) == {}
    assert summary.terms(np.array(["7 it's", ""]), np.array([0, 1])) == {0: ["7", "it's"], 1: []}
    assert described([0, 0, 1], text=["x", "x", "y"])[1].terms == ["y"]
    assert described([0, 0, 1])[1].terms == []


# Levels and durations


def test_quartiles_of_a_cluster_and_of_the_rest():
    found = described([0, 0, 0, 0, 0, 1, 1], level=["-50", "-10", "-20", "-30", "-40", "-5", ""], duration=range(1, 8))
    assert found[0].level == summary.Quartiles(-40, -30, -20) and found[0].level_rest == summary.Quartiles(-5, -5, -5)
    assert found[1].duration == summary.Quartiles(6.25, 6.5, 6.75)
    assert found[1].duration_rest == summary.Quartiles(2, 3, 4)


# Little to describe


def test_one_cluster_has_nothing_to_be_compared_with():
    found = described([0] * 12)[0]
    assert found.share == 1 and found.purity == 1 and len(found.nearest) == 5
    assert found.bands == [] and found.all_bands is None and np.isnan(found.level_rest.median)


def test_one_clip():
    found = described([3])[3]
    assert (found.clips, found.purity, found.nearest, found.farthest) == (1, None, [0], [])


def test_constant_embeddings_have_no_purity_and_no_edge():
    found = described(np.repeat([0, 1], 10), x=np.full((20, 4), 0.1, np.float32))
    assert [each.purity for each in found.values()] == [None, None]
    assert found[1].nearest == [10, 11, 12, 13, 14] and found[1].farthest == []


def test_silent_clips():
    logmel = np.full((6, F, T), SILENCE, np.float16)
    means = summary.band_means(logmel, np.full(6, T))
    found = described(np.repeat([0, 1], 3), means=means, level=[""] * 6)
    assert found[0].bands == [] and found[0].all_bands == 0 and np.isnan(found[0].level.median)


def test_without_an_embedding_mean_log_mels_take_its_place():
    means = np.random.default_rng(0).normal(size=(30, F)).astype(np.float32)
    clusters = np.repeat([0, 1], 15)
    found = summary.describe(clips(30), clusters, None, means, EDGES)
    assert found == summary.describe(clips(30), clusters, means, means, EDGES)


def test_no_labelling_is_read():
    labels = {"label": list("abcdef"), "group": list("ffeedd"), "scene": list("xyzxyz")}
    assert repr(described([0, 0, 0, 1, 1, 1], **labels)) == repr(described([0, 0, 0, 1, 1, 1]))


# The table


def test_the_table_has_a_row_per_cluster_and_lists_as_json():
    labels = np.array([0, 0, 0, -1])
    means = np.zeros((4, F), np.float32)
    means[:3, 2] = np.log(100)
    found = summary.describe(clips(4, text=["é", "", "", "z"]), labels, np.arange(8.0).reshape(4, 2), means, EDGES)
    rows = summary.table(found, clips(4, path=["é.wav", "b", "b", "d"], start=[0, 0, "4.0", 0])).set_index("cluster")
    assert list(rows.index) == [0, -1]
    assert json.loads(rows.at[0, "nearest"])[:3:2] == [{"path": "b", "start": 0.0}, {"path": "b", "start": 4.0}]
    assert json.loads(rows.at[0, "bands"]) == [{"from_hz": 200, "to_hz": 300, "db": 20}]
    assert rows.at[0, "terms"] == '["é"]' and rows.at[-1, "nearest"] == "[]"
    assert rows.at[0, "level_median"] == -30 and rows.at[0, "duration_rest_q3"] == 4
