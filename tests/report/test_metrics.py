"""Scores against the official implementations' numbers, brute force and known properties.

``golden/metrics.npz`` is a copy of some arrays of the shared ``golden/methods/metrics.npz``: label pairs and what
pt-dec, ClustPy and scikit-learn 1.9.1 give for them.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest

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
    assert metrics.score(*PAIRS[name])[metric] == pytest.approx(expected, abs=1e-9)


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
    assert after["noise"] == 0 and after["clusters"] == before["clusters"] + 1


def test_geometric_nmi_is_never_below_arithmetic():
    for seed in range(20):
        found = metrics.score(*random_pair(seed, 5, 9))
        assert found["nmi"] >= found["nmi_arithmetic"] - 1e-12


def test_noise_is_not_a_cluster_found_but_may_match_a_class():
    found = metrics.score(np.array(["a", "a", "b", "b"]), np.array([-1, -1, 0, 1]))
    assert found["acc"] == 0.75 and found["clusters"] == 2 and found["noise"] == 0.5


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


def test_label_free_scores_leave_noise_out():
    x, truth = blobs()
    noisy, clusters = np.vstack([x, np.full((5, 4), 1e4)]), np.r_[truth, np.full(5, -1)]
    assert metrics.score_without_labels(noisy, clusters) == pytest.approx(metrics.score_without_labels(x, truth))


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
