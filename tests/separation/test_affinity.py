"""Objectives against asteroid's and nussl's losses and gradients, and against all n x n pairs of bins."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from device_fixture import device

from audioclust.separation.affinity import OBJECTIVES, Products, _space, affinity, kmeans, weigh, whitened

# Embeddings, sources and weights with the losses and gradients of asteroid 0.7.0 and nussl, or of all n x n pairs in
# float64 (golden/audio/dc_loss, of asteroid's three items the first, and dc_loss_classweight).
GOLDEN = {k: torch.from_numpy(v) for k, v in np.load(Path(__file__).parents[1] / "golden" / "affinity.npz").items()}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "golden" / "audio"


def random(b=3, n=50, k=4, s=3, dtype=torch.float64):
    """Return unit embeddings, targets with some of no source, and weights with some zeros."""
    g = torch.Generator().manual_seed(0)
    v = F.normalize(torch.randn(b, n, k, generator=g, dtype=dtype), dim=-1).requires_grad_()
    weights = torch.rand(b, n, generator=g, dtype=dtype)
    return v, torch.randint(-1, s, (b, n), generator=g), weights * (weights > 0.3)


def one_hot(targets, s):
    return (targets[..., None] == torch.arange(s)).double()


def graded(loss, v):
    return torch.autograd.grad(loss.sum(), v)[0]


def brute_affinity(v, targets, weights, s):
    y, w = one_hot(targets, s), weights.double()
    apart = v.double() @ v.double().mT - y @ y.mT
    return (w[:, :, None] * w[:, None] * apart.square()).sum((1, 2))


def brute_kmeans(v, targets, weights, s):
    """Add up weighted squared distances to the weighted means, source by source; to the origin for bins without one."""
    total = (weights * v.square().sum(-1) * (targets == -1)).sum(1)
    for source in range(s):
        w = (weights * (targets == source))[..., None]
        mean = (w * v).sum(1, keepdim=True) / w.sum(1, keepdim=True)
        total = total + (w * (v - mean).square()).sum((1, 2))
    return total


def brute_whitened(v, targets, weights, s):
    """Return |P - Q|^2 for the projections P and Q on the columns of W^(1/2) V and W^(1/2) Y, n x n."""
    root = weights.sqrt()[..., None]
    p, q = (x @ torch.linalg.inv(x.mT @ x) @ x.mT for x in (root * v, root * one_hot(targets, s)))
    return (p - q).square().sum((1, 2))


def asteroid(golden):
    n = golden["V"].shape[1]
    targets, vad = golden["tgt_index"].flatten(1), golden["vad"].flatten(1)
    return golden["V"], targets, {"nomask": torch.ones_like(vad), "mask": vad}, torch.rand(len(vad), n)


def check_asteroid(golden):
    v, targets, masks, magnitude = asteroid(golden)
    for name, mask in masks.items():
        weights, divisor = weigh("active", targets, magnitude, mask, 2)
        leaf = v.clone().requires_grad_()
        loss = affinity(leaf, targets, weights, 2) / divisor
        torch.testing.assert_close(loss, golden[f"loss64_{name}"], rtol=1e-9, atol=0)
        torch.testing.assert_close(graded(loss, leaf), golden[f"grad64_{name}"], rtol=1e-9, atol=1e-12)
        single = affinity(v.float(), targets, weights, 2) / divisor
        torch.testing.assert_close(single, golden[f"loss_{name}"], rtol=1e-5, atol=0)


def test_active_weights_are_asteroids():
    check_asteroid(GOLDEN)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the large golden arrays are not on this machine")
def test_active_weights_are_asteroids_in_all_items():
    check_asteroid({k: torch.from_numpy(v) for k, v in np.load(SHARED / "dc_loss.npz").items() if v.ndim})


def nussl():
    """Return the leaf and the arguments of an objective from nussl's: an assignment of zeros is no source."""
    leaf = GOLDEN["nussl_embedding"].clone().requires_grad_()
    one = GOLDEN["nussl_assignments"].flatten(1, 2)
    targets = torch.where(one.sum(-1) == 1, one.argmax(-1), -1)
    assert (targets == -1).any()
    weights, divisor = weigh("magnitude", targets, GOLDEN["nussl_mag"].flatten(1), torch.zeros_like(targets).bool(), 2)
    return leaf, F.normalize(leaf, dim=-1).flatten(1, 2), targets, weights, divisor


def test_magnitude_weights_are_nussls():
    leaf, v, targets, weights, divisor = nussl()
    torch.testing.assert_close(weights.sqrt(), GOLDEN["nussl_weights"].flatten(1), rtol=1e-8, atol=0)
    loss = (affinity(v, targets, weights, 2) / divisor).mean()
    torch.testing.assert_close(loss, GOLDEN["nussl_loss"], rtol=1e-7, atol=0)  # it adds 1e-8 to the divisor
    torch.testing.assert_close(graded(loss, leaf), GOLDEN["nussl_grad"], rtol=1e-7, atol=1e-12)


def test_whitened_kmeans_is_nussls():
    leaf, v, targets, weights, _ = nussl()
    loss = whitened(v, targets, weights, 2).mean()
    torch.testing.assert_close(loss.float(), GOLDEN["nussl_whitened_loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(graded(loss, leaf).float(), GOLDEN["nussl_whitened_grad"], rtol=1e-4, atol=1e-7)


def test_class_weights_are_those_of_the_paper():
    """W_ij = (d_i d_j)^-1/2, d the size of a bin's class."""
    v = GOLDEN["class_V"][None].clone().requires_grad_()
    labels = GOLDEN["class_labels"][None]
    sources = int(labels.max()) + 1
    weights, divisor = weigh("class", labels, torch.rand(1, 300), torch.ones(1, 300, dtype=torch.bool), sources)
    assert divisor.tolist() == [1]
    loss = affinity(v, labels, weights.double(), sources)
    torch.testing.assert_close(loss[0], GOLDEN["class_loss_sqrt"], rtol=1e-6, atol=0)  # weights are float32
    exact = labels.flatten().bincount()[labels].double() ** -0.5
    loss = affinity(v, labels, exact, sources)
    torch.testing.assert_close(loss[0], GOLDEN["class_loss_sqrt"], rtol=1e-9, atol=0)
    torch.testing.assert_close(graded(loss, v)[0], GOLDEN["class_grad_sqrt"], rtol=1e-9, atol=1e-12)


def test_weights_of_silent_bins_and_of_bins_without_a_source():
    targets = torch.tensor([[0, 0, 1, -1, 1, 1]])
    active = torch.tensor([[True, True, True, True, True, False]])
    magnitude = torch.tensor([[3.0, 1, 1, 1, 2, 0]])
    found = {kind: weigh(kind, targets, magnitude, active, 3) for kind in ("plain", "active", "class", "magnitude")}
    half = 2**-0.5
    assert found["plain"][0].tolist() == [[1, 1, 1, 1, 1, 0]] == found["active"][0].tolist()
    assert found["class"][0][0].tolist() == pytest.approx([half, half, half, 0, half, 0])
    assert found["magnitude"][0][0].tolist() == pytest.approx([2.25, 0.75, 0.75, 0.75, 1.5, 0])
    assert {kind: divisor.tolist() for kind, (_, divisor) in found.items()} == {
        "plain": [1], "active": [5], "class": [1], "magnitude": [36],
    }  # fmt: skip
    with pytest.raises(ValueError, match="weighting 'vad': choose one of active, class, magnitude, plain"):
        weigh("vad", targets, magnitude, active, 3)


@pytest.mark.parametrize("brute", [brute_affinity, brute_kmeans], ids=["affinity", "kmeans"])
def test_objectives_are_those_of_all_pairs_in_value_and_gradient(brute):
    v, targets, weights = random()
    loss = OBJECTIVES[brute.__name__.removeprefix("brute_")](v, targets, weights, 3)
    expected = brute(v, targets, weights, 3)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(graded(loss, v), graded(expected, v), rtol=1e-9, atol=1e-12)


def test_whitened_kmeans_compares_two_projections():
    v, targets, weights = random()
    many = 1e8 * weights  # the identity that is added to the inverses counts for nothing beside them
    expected = brute_whitened(v, targets, weights, 3)
    torch.testing.assert_close(whitened(v, targets, many, 3), expected, rtol=1e-6, atol=0)


def test_kmeans_and_not_the_whitened_form_is_least_for_equal_embeddings():
    v, targets, weights = random()
    equal = F.normalize(torch.ones_like(v), dim=-1)
    at_best = F.normalize(one_hot(targets, 4) + 0.01, dim=-1)
    targets = targets.clamp_min(0)
    assert kmeans(equal, targets, weights, 3) == pytest.approx(0, abs=1e-9)
    assert (whitened(equal, targets, weights, 3) > whitened(at_best, targets, weights, 3) + 1).all()


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_gradients_are_those_of_finite_differences(name):
    v, targets, weights = random(2, 12, 3)
    assert torch.autograd.gradcheck(lambda x: OBJECTIVES[name](x, targets, weights, 3), v.detach().requires_grad_())


def test_the_gradient_of_each_product_is_that_of_finite_differences():
    v, targets, weights = random(2, 12, 3)
    y = one_hot(targets, 3).mT
    assert torch.autograd.gradcheck(lambda x: Products.apply(x, y, weights)[:2], v.detach().requires_grad_())


def test_short_segments_take_little_memory():
    v = torch.empty(2, 12, 3)
    assert _space(v).shape == (2, 1024, 3)


@pytest.mark.parametrize("n, b", [(1024, 3), (700, 5), (1025, 2), (2500, 2)])
def test_blocks_of_bins_and_of_mixtures_make_no_difference(n, b, monkeypatch):
    monkeypatch.setattr("audioclust.separation.affinity.CACHED", 2048)
    v, targets, weights = random(b, n)
    loss = affinity(v, targets, weights, 3)
    gradient = graded(loss, v)
    for i in (0, b - 1):
        one = [each[i : i + 1].detach().requires_grad_(each is v) for each in (v, targets, weights)]
        expected = brute_affinity(*one, 3)
        torch.testing.assert_close(loss[i : i + 1], expected, rtol=1e-10, atol=0)
        torch.testing.assert_close(gradient[i : i + 1], graded(expected, one[0]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_float32_is_accurate_on_a_long_segment(name):
    """400 frames of embeddings near their sources: large sums cancel, those of float32 alone are ten times off."""
    g = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 2, (1, 51600), generator=g)
    v = F.normalize(torch.eye(20)[targets] + 0.1 * torch.randn(1, 51600, 20, generator=g), dim=-1)
    weights = torch.rand(1, 51600, generator=g)
    leaves = v.clone().requires_grad_(), v.double().requires_grad_()
    single, double = (OBJECTIVES[name](leaf, targets, weights.to(leaf.dtype), 2) for leaf in leaves)
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)
    found, expected = graded(single, leaves[0]).double(), graded(double, leaves[1])
    assert (found - expected).norm() <= 2e-6 * expected.norm()


EDGES = {
    "a source without a bin": lambda t, w: (t.clamp(0, 1), w),
    "no bin of any source": lambda t, w: (torch.full_like(t, -1), w),
    "all bins silent": lambda t, w: (t, torch.zeros_like(w)),
    "one active bin": lambda t, w: (t, (torch.arange(w.shape[1]) == 3).float().expand_as(w)),
}


@pytest.mark.parametrize("kind", ["plain", "class", "active", "magnitude"])
@pytest.mark.parametrize("edge", sorted(EDGES))
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_edges_have_finite_losses_and_gradients(name, edge, kind):
    v, targets, weights = random(dtype=torch.float32)
    targets, magnitude = EDGES[edge](targets, weights)
    weights, divisor = weigh(kind, targets, magnitude, magnitude > 0, 3)
    loss = OBJECTIVES[name](v, targets, weights, 3) / divisor
    assert loss.isfinite().all() and graded(loss, v).isfinite().all() and weights.isfinite().all()
    if edge == "all bins silent":
        assert not weights.any() and (divisor >= 1).all() and not graded(affinity(v, targets, weights, 3), v).any()


def test_under_bfloat16_it_is_computed_in_float32():
    v, targets, weights = random(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = affinity(v, targets, weights, 3)
        gradient = graded(loss, v)
    expected = affinity(v, targets, weights, 3)
    assert loss.dtype == torch.float32 and torch.equal(loss, expected)
    assert torch.equal(gradient, graded(expected, v))
    half = v.detach().bfloat16().requires_grad_()
    loss = affinity(half, targets, weights, 3)
    assert loss.dtype == torch.float32 and graded(loss, half).dtype == torch.bfloat16


def test_the_gradient_flows_to_the_embeddings_only():
    v, targets, weights = random()
    weights.requires_grad_()
    affinity(v, targets, weights, 3).sum().backward()
    assert v.grad is not None and weights.grad is None


def test_embeddings_may_be_a_view():
    v, targets, weights = random()
    turned = v.detach().mT.contiguous().mT.requires_grad_()
    loss = affinity(turned, targets, weights, 3)
    torch.testing.assert_close(graded(loss, turned), graded(affinity(v, targets, weights, 3), v), rtol=1e-12, atol=0)


def test_shapes_that_do_not_agree_are_said():
    v, targets, weights = random()
    with pytest.raises(ValueError, match=r"not \(3, 50, 4\), \(3, 49\), \(3, 50\)"):
        affinity(v, targets[:, :49], weights, 3)
    with pytest.raises(ValueError, match=r"must be \(b, n, k\)"):
        affinity(v[0], targets[0], weights[0], 3)


def test_on_another_device():
    v, targets, weights = random(dtype=torch.float32)
    with device() as there:
        leaf = v.detach().to(there).requires_grad_()
        targets_there = targets.to(there)
        for kind in ("plain", "class", "active", "magnitude"):
            w, divisor = weigh(kind, targets_there, weights.to(there), weights.to(there) > 0, 3)
            loss = affinity(leaf, targets_there, w, 3) / divisor
            assert loss.device.type == there and graded(loss, leaf).device.type == there
        expected = affinity(v, targets, weights, 3)
        found = affinity(leaf, targets_there, weights.to(there), 3)
        torch.testing.assert_close(found.detach().cpu(), expected.detach(), rtol=1e-5, atol=0)
        torch.testing.assert_close(graded(found, leaf).cpu(), graded(expected, v), rtol=1e-4, atol=1e-5)
