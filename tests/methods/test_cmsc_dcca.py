"""CMSC-DCCA: its building blocks beside public code, its loss beside brute force, and what is peculiar to it.

``golden/cmsc_dcca.npz`` holds what Michaelvll/DeepCCA (``cca_loss.loss``) and XifengGuo/DSC-Net (``thrC``) returned; of
CMSC-DCCA itself no code is public.
"""

import numpy as np
import pytest
import torch
from deep_fixture import FRONT_END, close, golden, sounds
from sklearn.metrics import adjusted_rand_score
from torch import nn

from audioclust.methods.cmsc_dcca import cmsc_dcca
from audioclust.methods.cmsc_dcca.autoencoders import Convolutional, Vectors, parts
from audioclust.methods.cmsc_dcca.cmsc_dcca import CMSCDCCA, affinity, least_squares
from audioclust.methods.cmsc_dcca.correlation import correlation
from audioclust.training.loop import Run
from audioclust.views.clips import Clips

TINY = {"d": 4, "channels": 4, "hidden": [16], "pretrain_epochs": 20, "batch": 20, "epochs": 10}


def two_views(n: int = 60, seed: int = 0, k: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    """Return log-mels and an embedding in which each kind is a plane of its own, and the kinds."""
    x, kinds = sounds(n, k, seed=seed)
    rng = np.random.default_rng(seed)
    planes = np.random.default_rng(9).normal(size=(k, 2, 12))
    embedding = np.einsum("ni,nid->nd", rng.normal(size=(n, 2)), planes[kinds])
    return [x, embedding.astype(np.float32)], kinds


# The loss


@pytest.mark.parametrize(("count", "name"), [(3, "neg_corr_topk"), (None, "neg_corr_all")])
def test_correlations_are_those_of_deep_cca(count, name):
    g = golden("cmsc_dcca.npz", "blocks")
    close(-correlation(g["H1"], g["H2"], count), g[name])


def test_the_gradient_of_the_correlation_is_that_of_deep_cca():
    g = golden("cmsc_dcca.npz", "blocks")
    one, other = (g[name].clone().requires_grad_() for name in ("H1", "H2"))
    (-correlation(one, other, 3)).backward()
    close(one.grad, g["grad_H1"])
    close(other.grad, g["grad_H2"])


def test_views_that_are_alike_have_a_finite_gradient():
    one = torch.randn(30, 4, dtype=torch.float64, requires_grad=True)
    value = correlation(one, one.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(4, abs=0.02) and one.grad.isfinite().all()


def test_the_affinity_keeps_the_largest_entries_of_each_column_as_dsc_net():
    g = golden("cmsc_dcca.npz", "blocks")
    kept = g["C_thresholded"].abs()
    close(affinity(g["C"], 0.3), (kept + kept.T) / 2)
    close(affinity(g["C"]), (g["C"].abs() + g["C"].abs().T) / 2)


def test_least_squares_is_the_best_self_expression_without_a_diagonal():
    z, ridge = torch.randn(12, 3, dtype=torch.float64), 0.7
    s = least_squares(z, ridge)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        y = z[others]
        best = torch.linalg.solve(y @ y.T + ridge * torch.eye(11, dtype=z.dtype), y @ z[i])
        torch.testing.assert_close(s[i, others], best)
    assert not s.diagonal().any()


def test_the_gradient_in_blocks_is_that_of_the_loss(monkeypatch):
    monkeypatch.setattr(cmsc_dcca, "BLOCK", 7)
    model = CMSCDCCA(3, d=3, expression=0.5, penalty=0.2, correlation=0.3)
    maps, vectors = torch.randn(20, 6, 5, dtype=torch.float64), torch.randn(20, 8, dtype=torch.float64)
    model.network_ = nn.ModuleList([Convolutional(6, 5, 3, 2), Vectors([8, 6, 3])]).double()
    s = (0.1 * torch.randn(20, 20, dtype=torch.float64)).requires_grad_()
    found = model._backward([maps, vectors], s)
    weights = [s, *model.network_.parameters()]
    gradients = [weight.grad.clone() for weight in weights]
    one, other = model.network_
    z = [one.encode(maps), other.encode(vectors)]
    loss = sum(
        (net.decode(s @ c) - x).square().mean() / 2 for net, c, x in zip((one, other), z, (maps, vectors), strict=True)
    )
    loss = loss + 0.5 * sum((s @ c - c).square().mean() for c in z) / 2 + 0.2 * s.square().sum() / 20
    loss = loss - 0.3 * correlation(*z) / 3
    close(found["loss"], loss.detach())
    for ours, whole in zip(gradients, torch.autograd.grad(loss, weights), strict=True):
        close(ours, whole)


# The autoencoder of log-mels


def test_parts_are_means_of_the_signal_alone():
    x = np.random.default_rng(0).normal(size=(3, 2, 12)).astype(np.float32)
    clips = Clips(x, np.array([12, 8, 3]), mean=0.0, std=1.0)
    found = parts(clips, 4).numpy()
    np.testing.assert_allclose(found[0], x[0].reshape(2, 4, 3).mean(2), atol=1e-6)
    np.testing.assert_allclose(found[1], x[1, :, :8].reshape(2, 4, 2).mean(2), atol=1e-6)
    np.testing.assert_allclose(found[2], x[2][:, [0, 0, 1, 2]], atol=1e-6)


@pytest.mark.parametrize(("f", "t"), [(16, 8), (10, 3), (1, 1)])
def test_maps_come_back_in_their_shape(f, t):
    network = Convolutional(f, t, 5, 4)
    z = network.encode(torch.randn(2, f, t))
    assert z.shape == (2, 5) and network.decode(z).shape == (2, f, t)


# The method


def test_the_loss_falls_and_both_views_count():
    views, kinds = two_views()
    run = Run()
    model = CMSCDCCA(3, **TINY).fit(views, run=run)
    curve = [row["loss"] for row in run.curves if row["phase"] == "express"]
    assert curve[-1] < curve[0]
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    noise = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32)
    with_noise = CMSCDCCA(3, **TINY).fit([views[0], noise])
    assert (model.codes_[:, :4] != with_noise.codes_[:, :4]).any()


def test_two_embeddings_are_views_too():
    views, kinds = two_views(90)
    flat = views[0].mean(2)
    model = CMSCDCCA(3, **TINY | {"penalty": 0.01, "pretrain_epochs": 100}).fit([flat, views[1]])
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    np.testing.assert_array_equal(model.predict([flat, views[1]]), model.labels_)


def test_two_equal_views_are_one():
    (x, _), kinds = two_views()
    assert adjusted_rand_score(kinds, CMSCDCCA(3, **TINY).fit([x.mean(2), x.mean(2)]).labels_) > 0.9


def test_other_clips_take_the_cluster_of_the_nearest_anchor(tmp_path):
    views, kinds = two_views(120)
    model = CMSCDCCA(3, anchors=40, **TINY).fit(views)
    assert model.expression_.shape == (40, 40) and len(model.labels_) == 120
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    model.save(tmp_path)
    np.testing.assert_array_equal(CMSCDCCA.load(tmp_path).predict(views), model.labels_)


def test_what_is_predicted_does_not_depend_on_the_clips_beside_it():
    model, (new, _) = CMSCDCCA(3, **TINY).fit(two_views()[0]), two_views(40, seed=3)
    expected = model.predict(new)
    order = np.random.default_rng(0).permutation(40)
    for rows in (order, slice(0, 20), *([i] for i in range(5))):
        np.testing.assert_array_equal(model.predict([view[rows] for view in new]), expected[rows])


def test_padding_and_the_front_end_are_those_of_log_mels(tmp_path):
    (x, embedding), _ = two_views()
    padded = np.concatenate([x, np.full((60, 16, 8), 100, np.float32)], axis=2)
    model = CMSCDCCA(3, **TINY).fit([x, embedding])
    again = CMSCDCCA(3, **TINY).fit([padded, embedding], frames=np.full(60, 24))
    np.testing.assert_array_equal(again.labels_, model.labels_)
    np.testing.assert_array_equal(again.predict([padded, embedding], frames=np.full(60, 24)), model.labels_)
    known = CMSCDCCA(3, **TINY).fit([Clips(x, front_end=FRONT_END), embedding])
    with pytest.raises(ValueError, match="mel_scale = 'htk', not 'slaney'"):
        known.predict([Clips(x, front_end=FRONT_END | {"mel_scale": "htk"}), embedding])


def test_more_clips_than_one_matrix_may_link_are_refused_with_the_memory():
    with pytest.raises(ValueError, match=r"60 clips .* need 0\.0 GiB; cmsc_dcca\.most = 50 .*: set cmsc_dcca\.anchors"):
        CMSCDCCA(3, **TINY, most=50).fit(two_views()[0])
    with pytest.raises(ValueError, match=r"anchors=2 should be >= k=3: lower k or give more of them"):
        CMSCDCCA(3, **TINY, anchors=2).fit(two_views()[0])


@pytest.mark.parametrize(("change", "message"), [
    (lambda x, e: x, r"X must be a list of two views"),
    (lambda x, e: [x], r"X must be a list of two views"),
    (lambda x, e: [x, e[:50]], r"views of 60 and 50 clips: both must be of the same clips"),
])  # fmt: skip
def test_what_is_no_pair_of_views_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CMSCDCCA(3, **TINY).fit(change(*two_views()[0]))


def test_other_views_than_those_of_fit_are_refused():
    (x, embedding), _ = two_views()
    model = CMSCDCCA(3, **TINY).fit([x, embedding])
    with pytest.raises(ValueError, match=r"view 1 has 5 dimensions: this model was fitted to 12"):
        model.predict([x, embedding[:, :5]])
    with pytest.raises(ValueError, match=r"view 0 must be log-mels \(n, 16, t\), as in fit"):
        model.predict([embedding, embedding])
    with pytest.raises(ValueError, match="views of 8 bands: this network was trained on 16"):
        model.predict([x[:, :8], embedding])
