"""Consensus beside brute force, and what many runs see that one does not."""

import fastcluster
import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.consensus import Consensus


def blobs(k=4, each=25, d=8, seed=0, spread=0.5):
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(k), each)
    return (3 * np.eye(d)[kinds % d] + rng.normal(0, spread, (len(kinds), d))).astype(np.float32), kinds


@pytest.mark.parametrize("linkage", ["average", "ward"])
def test_clips_are_linked_by_the_share_of_runs_that_put_them_together(linkage):
    rng = np.random.default_rng(1)  # so many runs that hardly two pairs are linked alike
    labels = (np.arange(40) * 5 // 40 + (rng.random((301, 40)) < 0.4) * rng.integers(0, 5, (301, 40))) % 5
    together = np.mean([run[:, None] == run for run in labels], axis=0)
    if linkage == "average":
        merges = fastcluster.linkage(squareform(1 - together, checks=False), "average")
    else:
        merges = fastcluster.linkage_vector(np.concatenate([np.eye(5)[run] for run in labels], axis=1), "ward")
    expected = fcluster(merges, 3, "maxclust")
    model = Consensus(3, linkage=linkage)
    found = model._linked(torch.from_numpy(labels), 5)
    assert adjusted_rand_score(expected, found) == 1
    profiles = model._profiles(torch.from_numpy(labels), found, 5)
    by_hand = [[np.mean(run[found == cluster] == c) for run in labels for c in range(5)] for cluster in range(3)]
    np.testing.assert_allclose(profiles, by_hand, atol=1e-6)
    model.centres_ = profiles
    indicators = np.concatenate([np.eye(5)[run] for run in labels], axis=1)
    nearest = ((indicators[:, None] - np.array(by_hand)) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(model._nearest(torch.from_numpy(labels)), nearest)


def test_clusters_that_are_bent_are_found():
    """By direction from the middle, as rows are scaled to length 1; one run of k-means cuts both moons in two."""
    x, kinds = make_moons(300, noise=0.04, random_state=0)
    x = np.column_stack([x, np.full(300, 0.7)]) @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    one = KMeans(2, n_init=10, random_state=0).fit_predict(x)
    many = Consensus(2, clusters=15, runs=40).fit(x).labels_
    assert adjusted_rand_score(kinds, many) > adjusted_rand_score(kinds, one) + 0.2


def test_it_says_how_far_embeddings_agree():
    x, kinds = blobs()
    same, other = (
        x @ np.random.default_rng(1).normal(size=(8, 6)),
        blobs(seed=2)[0][np.random.default_rng(3).permutation(100)],
    )
    alike, unlike = (Consensus(4).fit([x, each]).chosen_ for each in (same, other))
    assert alike["between"] > 0.9 > 0.3 > unlike["between"]
    assert alike["agreement"] > unlike["agreement"]
    assert set(Consensus(4).fit(x).chosen_) == {"agreement"}
    assert adjusted_rand_score(kinds, Consensus(4).fit([x, same]).labels_) > 0.95


@pytest.mark.parametrize(("n", "k"), [(5, 3), (6, 5), (12, 6), (4, 4)])
def test_few_clips_have_as_many_clusters_as_are_asked_for(n, k):
    x = 9 * np.eye(k, dtype=np.float32)[np.arange(n) % k] + np.random.default_rng(0).normal(0, 0.1, (n, k))
    found, first = np.unique(Consensus(k).fit(x).labels_, return_index=True)
    assert len(found) == k and (np.diff(first) > 0).all()


def test_of_many_clips_some_are_linked_and_the_others_assigned():
    x, kinds = blobs(each=100)
    model = Consensus(4, most=60).fit(x)
    assert adjusted_rand_score(kinds, model.labels_) > 0.95
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    whole = Consensus(4).fit(x)
    assert adjusted_rand_score(whole.labels_, model.labels_) > 0.95


def test_what_does_not_fit_is_refused():
    x, _ = blobs()
    with pytest.raises(ValueError, match=r"embeddings of 100, 99 clips: all must be of the same clips"):
        Consensus(4).fit([x, x[1:]])
    model = Consensus(4).fit([x, x[:, :5]])
    with pytest.raises(ValueError, match=r"embeddings of \[8, 8\] dimensions: this model was fitted to \[8, 5\]"):
        model.predict([x, x])
    with pytest.raises(ValueError, match=r"Consensus\.linkage = 'single': .*'average'"):
        Consensus(4, linkage="single").fit(x)
    with pytest.raises(ValueError, match=r"most=3 should be >= k=4"):
        Consensus(4, most=3).fit(x)
