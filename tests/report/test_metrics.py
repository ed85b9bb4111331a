"""Scores against the official implementations' numbers, brute force and known properties.

``golden/metrics.npz`` is a copy of some arrays of the shared ``golden/methods/metrics.npz``: label pairs and what
pt-dec, ClustPy and scikit-learn 1.9.1 give for them.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, completeness_score, silhouette_samples
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audioclust.report import metrics

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "metrics.npz")
PAIRS = {str(name): (GOLDEN[f"true_{i}"], GOLDEN[f"pred_{i}"]) for i, name in enumerate(GOLDEN["names"])}
STORED = {
    "acc": "acc_hungarian_unique", "nmi": "nmi_geometric", "nmi_arithmetic": "nmi_arithmetic", "ami": "ami",
    "ari": "ari", "noise": "noise_fraction",
}  # fmt: skip


def blobs(scale=1.0, n=60, k=3):
    truth = np.arange(n) % k
    return scale * (np.random.default_rng(0).normal(size=(n, 4)) + 10 * truth[:, None]), truth


def random_pair(seed, classes, found, n=40):
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=n), rng.integers(-1, found - 1, size=n)


def brute_force(labels, clusters):
    """The best share over all one-to-one maps of the fewer names to the more."""
    fewer, more = sorted([(np.unique(labels), labels), (np.unique(clusters), clusters)], key=lambda side: len(side[0]))
    return max(
        sum(np.count_nonzero((fewer[1] == a) & (more[1] == b)) for a, b in zip(fewer[0], chosen, strict=True))
        for chosen in itertools.permutations(more[0], len(fewer[0]))
    ) / len(labels)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("metric", STORED)
def test_agrees_with_the_official_numbers(name, metric):
    expected = GOLDEN[STORED[metric]][list(PAIRS).index(name)]
    labels, clusters = PAIRS[name]
    assert (metrics.score(labels, clusters) | metrics.sizes(clusters))[metric] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("classes, found", [(4, 4), (3, 6), (6, 3), (5, 1), (1, 4)])
def test_accuracy_is_the_best_of_all_matchings(classes, found):
    for seed in range(5):
        pair = random_pair(seed, classes, found)
        assert metrics.accuracy(*pair) == pytest.approx(brute_force(*pair), abs=1e-12)


def test_names_of_labels_and_clusters_do_not_matter():
    labels, clusters = random_pair(0, 4, 5)
    words = np.array(["dog", "cat", "", "ä"])[labels]
    renamed = np.array([70, 3, 12, 8, 5])[clusters]  # cluster -1, the noise, becomes cluster 5
    before, after = metrics.score(labels, clusters), metrics.score(words, renamed)
    for name in ("nmi", "nmi_arithmetic", "ami", "ari", "acc"):
        assert after[name] == pytest.approx(before[name], abs=1e-12)
    before, after = metrics.sizes(clusters), metrics.sizes(renamed)
    assert after["noise"] == 0 and after["clusters"] == before["clusters"] + 1


def test_geometric_nmi_is_never_below_arithmetic():
    for seed in range(20):
        found = metrics.score(*random_pair(seed, 5, 9))
        assert found["nmi"] >= found["nmi_arithmetic"] - 1e-12


def test_explained_is_the_completeness_less_what_shuffled_labels_have():
    """Against scikit-learn's completeness and the mean of 500 permutations."""
    labels, clusters = random_pair(0, 4, 6, n=60)
    clusters[:40] = labels[:40]
    rng = np.random.default_rng(0)
    chance = np.mean([completeness_score(rng.permutation(labels), clusters) for _ in range(500)])
    expected = (completeness_score(labels, clusters) - chance) / (1 - chance)
    assert metrics.explained(labels, clusters) == pytest.approx(expected, abs=0.01)


def test_explained_is_1_where_labels_determine_clusters_and_0_for_chance_or_one_cluster():
    labels = np.arange(200) % 10
    assert metrics.explained(labels, labels // 5) == pytest.approx(1)
    assert metrics.explained(labels // 5, labels) == pytest.approx(np.log(2) / np.log(10), abs=0.03)
    assert metrics.explained(labels, np.zeros(200, int)) == metrics.explained(np.arange(200), np.arange(200)) == 0
    found = [metrics.explained(*random_pair(seed, 5, 20, n=100)) for seed in range(50)]
    assert abs(np.mean(found)) < 0.01


def test_noise_is_not_a_cluster_found_but_may_match_a_class():
    clusters = np.array([-1, -1, 0, 1])
    assert metrics.score(np.array(["a", "a", "b", "b"]), clusters, ["acc"]) == {"acc": 0.75}
    found = metrics.sizes(clusters)
    assert (found["clusters"], found["noise"], found["largest"], found["coverage"]) == (2, 0.5, 0.25, 0)


@pytest.mark.parametrize("clusters", [np.zeros(3, int), np.zeros(0, int), np.array(["0", "1"]), np.array([0.0, 1.0])])
def test_clusters_that_do_not_fit_are_refused(clusters):
    labels = np.array(["a", "b"])[: len(clusters)]
    with pytest.raises(ValueError, match=r"per clip|be integers"):
        metrics.score(labels, clusters)


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e6])
def test_label_free_scores_tell_good_clusters_from_bad_at_any_scale(scale):
    x, truth = blobs(scale)
    good = metrics.score_without_labels(x, truth)
    bad = metrics.score_without_labels(x, np.random.default_rng(1).permutation(truth))
    assert good["silhouette"] > 0.7 > 0.1 > bad["silhouette"]
    assert good["davies_bouldin"] < 0.5 < bad["davies_bouldin"]
    assert good["calinski_harabasz"] > 100 > bad["calinski_harabasz"]


def test_label_free_scores_do_not_depend_on_the_scale():
    small, large = (metrics.score_without_labels(*blobs(scale)) for scale in (1e-10, 1e3))
    assert small == pytest.approx(large, rel=1e-6)


def test_label_free_scores_but_one_leave_noise_out():
    x, truth = blobs()
    noisy, clusters = np.vstack([x, np.full((5, 4), 1e4)]), np.r_[truth, np.full(5, -1)]
    found, clean = metrics.score_without_labels(noisy, clusters), metrics.score_without_labels(x, truth)
    assert found.pop("silhouette_all") == pytest.approx(clean.pop("silhouette_all") * 60 / 65)
    assert found == pytest.approx(clean)


def test_in_the_silhouette_of_all_clips_noise_and_lone_clips_count_zero():
    x, _ = blobs(n=40, k=2)
    clusters = np.where(np.arange(40) < 20, np.arange(40) % 2, -1)
    clusters[:2] = 7, 8
    kept = clusters != -1
    each = silhouette_samples(x[kept], clusters[kept])
    assert (each[:2] == 0).all()
    found = metrics.score_without_labels(x, clusters)
    assert found["silhouette_all"] == pytest.approx(each.sum() / 40)
    assert found["silhouette"] == pytest.approx(each.sum() / 20)


def test_without_noise_both_silhouettes_are_the_same():
    found = metrics.score_without_labels(*blobs())
    assert found["silhouette_all"] == found["silhouette"]


@pytest.mark.parametrize(
    "clusters, clusters_found, noise, largest, coverage, balance",
    [
        ([0, 0, 0, 1, 1, 2, -1, -1, -1, -1], 3, 0.4, 0.3, 0.5, 0.92062),
        ([3] * 9 + [0], 2, 0, 0.9, 0.9, 0.46900),
        ([0, 1] * 5, 2, 0, 0.5, 1, 1),
        ([0] * 10, 1, 0, 1, 1, 0),
        ([-1] * 10, 0, 1, 0, 0, 0),
        (list(range(10)), 10, 0, 0.1, 0, 1),
    ],
)
def test_sizes(clusters, clusters_found, noise, largest, coverage, balance):
    found = metrics.sizes(np.array(clusters))
    assert found.pop("balance") == pytest.approx(balance, abs=1e-5)
    assert found == {"clusters": clusters_found, "noise": noise, "largest": largest, "coverage": coverage}


def test_bins_are_quantiles_in_the_order_of_the_values():
    values = np.random.default_rng(0).lognormal(size=1000)
    bins = metrics.binned(values)
    assert list(np.bincount(bins)) == [100] * 10
    assert (np.diff(bins[np.argsort(values)]) >= 0).all()
    assert np.array_equal(bins, metrics.binned(np.log(values)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_clips_that_are_cut_to_one_length_have_a_bin_of_their_own(share):
    values = np.random.default_rng(0).random(1000)
    values[values > 1 - share] = 4.0
    bins = metrics.binned(values)
    assert len({*bins[values == 4]}) == 1 and not {*bins[values == 4]} & {*bins[values != 4]}
    assert len({*bins}) >= 2


def test_few_values_are_a_bin_each_and_a_constant_is_one():
    rates = np.repeat([8000, 16000, 44100], [3, 190, 7])
    assert np.array_equal(np.unique(rates, return_inverse=True)[1], metrics.binned(rates))
    assert set(metrics.binned(np.full(50, 4.0))) == {0}


@pytest.mark.parametrize("n, bins", [(12, 2), (30, 3), (55, 5), (5000, 10)])
def test_a_bin_holds_enough_clips(n, bins):
    assert len(np.unique(metrics.binned(np.random.default_rng(0).random(n)))) == bins


def test_the_silhouette_of_a_sample_is_near_that_of_all_and_repeats():
    x, truth = blobs(n=600)
    some = metrics.score_without_labels(x, truth, sample=100)
    assert some["silhouette"] == pytest.approx(metrics.score_without_labels(x, truth)["silhouette"], abs=0.03)
    assert some == metrics.score_without_labels(x, truth, sample=100)
    assert some["silhouette"] != metrics.score_without_labels(x, truth, random_state=1, sample=100)["silhouette"]


@pytest.mark.parametrize(
    "x, clusters",
    [
        (blobs()[0], np.zeros(60, int)),
        (blobs()[0], np.full(60, -1)),
        (blobs()[0], np.arange(60)),
        (np.ones((60, 4)), blobs()[1]),
    ],
    ids=["one cluster", "all noise", "singletons", "one point"],
)
def test_meaningless_label_free_scores_are_none(x, clusters):
    assert set(metrics.score_without_labels(x, clusters).values()) == {None}


def test_label_free_scores_leave_their_input_alone():
    x, truth = blobs()
    before = x.copy()
    metrics.score_without_labels(x, truth)
    assert np.array_equal(x, before)
    with pytest.raises(ValueError, match="59 clusters"):
        metrics.score_without_labels(x, truth[:59])


def planes(n=120, d=6, k=3, seed=0):
    """Return points (n, d) of k classes that planes part, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.normal(size=(k, d))[y] * 4 + rng.normal(size=(n, d)), y


def test_the_probe_is_scikit_learns_over_the_same_folds():
    x, y = planes()
    x[::4] = x[1::4]  # not all are told right
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = cross_val_score(model, x, y, cv=folds)
    assert metrics.linear_probe(x, y) == pytest.approx(expected.mean()) and expected.mean() < 1


def test_the_probe_knows_chance_from_structure():
    x, y = planes()
    assert metrics.linear_probe(x, y) == 1
    assert metrics.linear_probe(np.zeros_like(x), y) == pytest.approx(1 / 3, abs=0.05)
    noise = np.random.default_rng(0).normal(size=(120, 6))
    assert metrics.linear_probe(noise, y) < 0.5


def test_a_group_is_never_in_both_parts():
    """Each group has a dimension that gives its clips' class away."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    y = groups % 2
    x = rng.normal(size=(120, 20)) * 0.1
    x[np.arange(120), groups] += 3
    assert metrics.linear_probe(x, y) > 0.95 and metrics.linear_probe(x, y, groups) < 0.7


def test_the_probe_leaves_out_classes_of_few_clips_and_needs_two():
    x, y = planes()
    y = np.where(np.arange(120) < 2, 7, y)
    assert metrics.linear_probe(x, y) == 1
    assert metrics.linear_probe(x, np.zeros(120, int)) is None and metrics.linear_probe(x[:4], y[:4]) is None


def test_the_adjusted_rand_index_is_scikit_learns():
    rng = np.random.default_rng(0)
    for _ in range(100):
        n = rng.integers(1, 60)
        one, other = (rng.integers(-1, rng.integers(1, 9), n) for _ in range(2))
        assert metrics.ari(one, other) == pytest.approx(adjusted_rand_score(one, other), abs=1e-12)
