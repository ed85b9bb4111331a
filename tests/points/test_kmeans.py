"""The k-means of the deep methods beside scikit-learn, and where clusters run empty."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, make_blobs
from sklearn.metrics import adjusted_rand_score

from audioclust.points import kmeans as module
from audioclust.points.kmeans import assign, kmeans, means, plus_plus, refill, sizes, sums, sums_by_products
from audioclust.threads import one_thread


def blobs(n=300, d=6, k=5, box=20.0, seed=0):
    x, truth = make_blobs(n, d, centers=k, center_box=(-box, box), random_state=seed)
    return torch.from_numpy(x).float(), truth


DATA = {
    "overlapping blobs": (blobs(600, 2, 5, box=3.0)[0], 9),
    "many dimensions": (blobs(400, 200, 12, box=1.5)[0], 20),
    "no structure": (torch.rand(500, 3, generator=torch.Generator().manual_seed(0)), 7),
    "iris": (torch.from_numpy(load_iris().data).float(), 3),
    "digits": (torch.from_numpy(load_digits().data).float(), 10),
}


@pytest.fixture(autouse=True)
def seeded():
    """Also one thread: two that share cores with others are slow on small tensors."""
    torch.manual_seed(0)
    with one_thread():
        yield


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("restarts", [1, 8])
def test_separated_blobs_are_recovered_at_any_scale_and_far_from_the_origin(scale, restarts):
    x, truth = blobs()
    before = x.clone()
    found = kmeans(x * scale + 100 * scale, 5, restarts=restarts)
    assert found.labels.shape == (300,) and found.labels.dtype == torch.int64
    assert adjusted_rand_score(found.labels, truth) == 1
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", DATA)
def test_inertia_is_scikit_learns(name):
    x, k = DATA[name]
    theirs = np.mean([KMeans(k, n_init=10, random_state=seed).fit(x.numpy()).inertia_ for seed in range(3)])
    mine = [kmeans(x, k, restarts=10, iterations=300) for _ in range(3)]
    assert np.mean([m.inertia for m in mine]) <= 1.005 * theirs
    for labels, centres, inertia in mine:
        assert inertia == pytest.approx(float((x - centres[labels]).square().sum()), rel=1e-4)


@pytest.mark.parametrize("name", DATA)
def test_converged_labels_are_the_nearest_centres_and_these_the_means(name):
    x, k = DATA[name]
    labels, centres, _ = kmeans(x, k, iterations=300)
    assert torch.equal(labels, torch.cdist(x.double(), centres.double()).argmin(1))
    expected = torch.stack([x[labels == c].mean(0) for c in range(k)])
    torch.testing.assert_close(centres, expected, rtol=1e-4, atol=1e-4)


def test_blocks_change_nothing(monkeypatch):
    x, k = DATA["digits"]
    centres = plus_plus(x, k, 3)
    whole = assign(x, centres)
    monkeypatch.setattr(module, "ENTRIES", 7 * 3 * k)
    assert torch.equal(assign(x, centres), whole)


def test_sums_by_products_are_those_that_are_added_one_by_one(monkeypatch):
    monkeypatch.setattr(module, "ENTRIES", 60)  # 15 rows at a time
    x, labels = torch.randn(100, 3, dtype=torch.float64), torch.randint(3, (100,))  # cluster 3 of 4 is empty
    torch.testing.assert_close(sums_by_products(x, labels, 4), sums(x, labels, 4))
    assert not sums(x, labels, 4)[3].any()


def test_restarts_side_by_side_are_those_one_by_one():
    x, k = DATA["digits"]
    centres = plus_plus(x, k, 4)
    labels = assign(x, centres)
    for r in range(4):
        alone = centres[r : r + 1]
        assert torch.equal(assign(x, alone)[0], labels[r])
        torch.testing.assert_close(means(x, assign(x, alone), alone)[0], means(x, labels, centres)[r])


def test_more_restarts_are_not_worse():
    x, k = DATA["no structure"]
    few = np.mean([kmeans(x, k, iterations=100).inertia for _ in range(8)])
    assert kmeans(x, k, restarts=8, iterations=100).inertia < few


def test_the_start_is_better_than_points_drawn_blindly():
    x, _ = blobs(n=500, k=12)
    start, blind = plus_plus(x, 12, 1), x[torch.randperm(500)[:12]][None]
    error = [(x - centres[0, assign(x, centres)[0]]).square().sum() for centres in (start, blind)]
    assert error[0] < 0.2 * error[1]


def test_same_seed_same_labels_another_seed_others():
    x, k = DATA["no structure"]
    first = kmeans(x, k).labels
    torch.manual_seed(0)
    assert torch.equal(kmeans(x, k).labels, first)
    torch.manual_seed(1)
    assert adjusted_rand_score(kmeans(x, k).labels, first) < 1


def test_an_empty_cluster_gets_one_side_of_another():
    x, _ = blobs(40, 3, 2)
    labels = torch.zeros(1, 40, dtype=torch.int64)
    labels[0, :10] = 2
    centres = means(x, labels, torch.zeros(1, 4, 3))
    refill(x, labels, centres)
    assert (sizes(labels, 4) > 0).all() and sizes(labels, 4).sum() == 40
    # No cluster has points of both of those that were shared.
    assert len(torch.unique(labels[0, :10])) + len(torch.unique(labels[0, 10:])) == 4


def test_a_cluster_of_one_point_is_not_shared():
    x = torch.tensor([[0.0], [10.0], [11.0]])
    for seed in range(10):
        torch.manual_seed(seed)
        labels = torch.tensor([[0, 1, 1]])
        refill(x, labels, torch.zeros(1, 3, 1))
        assert sorted(labels[0].tolist()) == [0, 1, 2] and labels[0, 0] == 0


def test_centres_that_lose_their_points_are_put_to_use(monkeypatch):
    """From a start with all centres but one far away, every cluster is in use at the end."""
    x, _ = blobs(200, 4, 3)
    start = torch.full((2, 12, 4), 1e4)
    start[:, 0] = 0
    monkeypatch.setattr(module, "plus_plus", lambda x, k, restarts: start.clone())
    assert len(torch.unique(kmeans(x, 12, restarts=2).labels)) == 12


def test_as_many_clusters_as_points():
    x, _ = blobs(25)
    found = kmeans(x, 25, restarts=3)
    assert sorted(found.labels.tolist()) == list(range(25))
    assert found.inertia == pytest.approx(0, abs=1e-6)
    assert kmeans(x[:1], 1).labels.tolist() == [0]


def test_one_cluster():
    x, _ = blobs(25)
    labels, centres, inertia = kmeans(x, 1)
    assert not labels.any()
    torch.testing.assert_close(centres[0], x.mean(0))
    assert inertia == pytest.approx(float((x - x.mean(0)).square().sum()), rel=1e-5)


def test_duplicates_stay_together():
    x = blobs(12)[0].repeat_interleave(10, 0)
    for k in (5, 12, 30):
        labels = kmeans(x, k, restarts=2).labels.view(12, 10)
        assert (labels == labels[:, :1]).all()


def test_points_that_coincide():
    labels, centres, inertia = kmeans(torch.full((30, 3), 2.5), 8)
    assert labels.unique().numel() == 1 and inertia == 0
    assert centres.isfinite().all()


def test_half_precision_and_views_are_taken():
    x, truth = blobs()
    assert adjusted_rand_score(kmeans(x.half(), 5).labels, truth) == 1
    assert adjusted_rand_score(kmeans(x.T.contiguous().T, 5).labels, truth) == 1


@pytest.mark.parametrize("k", [0, 4])
def test_more_clusters_than_points_or_none_is_an_error(k):
    with pytest.raises(ValueError, match=rf"n_samples=3 should be >= k={k}"):
        kmeans(torch.zeros(3, 2), k)


def test_points_that_are_not_finite_are_an_error():
    x = blobs(20)[0]
    x[3, 1], x[7, 0] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"row 3 of the points is not finite \(2 such rows\)"):
        kmeans(x, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    x, truth = blobs()
    found = kmeans(x.cuda(), 5, restarts=4)
    assert found.labels.is_cuda and adjusted_rand_score(found.labels.cpu(), truth) == 1
