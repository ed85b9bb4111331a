"""DEC and IDEC: their losses beside other code's, and what is peculiar to them as a whole.

``golden/dec_idec.npz`` holds what vlukiyanov/pt-dec, ClustPy and DEC-keras returned for small random inputs.
"""

import numpy as np
import pytest
import torch
from deep_fixture import close, golden
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.dec import DEC, divergence, soft_assignment, target
from audioclust.methods.idec import IDEC, idec_loss
from audioclust.threads import one_thread
from audioclust.training.loop import Run

TINY = {"hidden": [32, 16], "d": 4, "layer_epochs": 10, "whole_epochs": 30, "epochs": 10, "batch": 20}


def blobs(n=90, k=3, d=12, seed=0):
    """Return points (n, d) around k centres, and which."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % k
    return (3 * np.random.default_rng(99).normal(size=(k, d))[kinds] + rng.normal(size=(n, d))).astype(
        np.float32
    ), kinds


@pytest.mark.parametrize(("name", "alpha"), [("a1p0", 1.0), ("a2p0", 2.0), ("a0p5", 0.5)])
def test_assignments_targets_and_gradients_are_the_official_ones(name, alpha):
    g = golden("dec_idec.npz", "dec")
    z, centres = g["z"].clone().requires_grad_(), g["centers"].clone().requires_grad_()
    log_q = soft_assignment(z, centres, alpha)
    p = target(log_q.detach())
    loss = divergence(p, log_q)
    loss.backward()
    close(log_q.detach().exp(), g[f"q_{name}"])
    close(p, g[f"p_{name}"])
    close(loss.detach(), g[f"kl_{name}"])
    close(z.grad, g[f"grad_z_{name}"])
    close(centres.grad, g[f"grad_mu_{name}"])


def test_the_loss_of_idec_is_the_official_one():
    g = golden("dec_idec.npz", "dec")
    log_q = soft_assignment(g["z"], g["centers"])
    reconstruction = idec_loss(g["x"], g["x_recon"], g["p_a1p0"], log_q, 0.0)
    close(reconstruction, g["keras_mse"])
    close(idec_loss(g["x"], g["x_recon"], target(log_q), log_q, 0.1), g["keras_mse"] + 0.1 * g["kl_a1p0"])


def test_certain_assignments_have_a_finite_loss():
    log_q = soft_assignment(torch.tensor([[0.0], [1e15]]), torch.tensor([[0.0], [1e15]]))
    assert torch.isfinite(divergence(target(log_q), log_q))
    close(target(log_q).sum(1).double(), torch.ones(2).double())


def test_the_target_of_all_clips_differs_from_that_of_a_part():
    log_q = soft_assignment(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.eye(3))
    assert not torch.allclose(target(log_q)[:5], target(log_q[:5]))


@pytest.mark.parametrize("kind", [DEC, IDEC])
def test_training_makes_assignments_surer_and_ends_when_labels_stay(kind):
    x, kinds = blobs()
    run = Run()
    with one_thread():
        start = DEC(3, backprop=False, **TINY).fit(x)
        model = kind(3, **TINY | {"epochs": 200, "tolerance": 0.02}).fit(x, run=run)
    phases = [row for row in run.curves if row["phase"] == "cluster"]
    assert 0 < len(phases) < 200 and phases[-1]["confidence"] >= phases[0]["confidence"]
    assert model.proba_.max(1).mean() > start.proba_.max(1).mean()
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    assert [row["phase"] for row in run.curves[:: len(run.curves) - 1]] == ["layer-0", "cluster"]


def test_without_backpropagation_clusters_are_those_of_the_codes():
    x, _ = blobs()
    with one_thread():
        model = DEC(3, backprop=False, **TINY).fit(x)
        codes = model.network_.encoder(model.standardise_(torch.from_numpy(x)))
        nearest = torch.cdist(codes, model.network_.centres).argmin(1)
    np.testing.assert_array_equal(model.labels_, nearest.numpy())


def test_an_autoencoder_trained_alone_changes_nothing_of_idecs_start():
    x, _ = blobs()
    with one_thread():
        one, two = (kind(3, **TINY | {"epochs": 1, "lr": 1e-12}).fit(x) for kind in (DEC, IDEC))
    np.testing.assert_allclose(one.proba_, two.proba_, atol=1e-5)


def test_sizes_come_from_the_number_of_clips_only_where_they_are_not_given():
    model = DEC(3)
    model._size(450)
    assert (model.batch_, model.layer_epochs_, model.whole_epochs_, model.epochs_) == (56, 300, 500, 125)
    model._size(60_000)
    assert (model.batch_, model.layer_epochs_, model.whole_epochs_, model.epochs_) == (256, 300, 500, 100)
    model = DEC(3, layer_epochs=0, whole_epochs=7, epochs=5, batch=16)
    model._size(450)
    assert (model.batch_, model.layer_epochs_, model.whole_epochs_, model.epochs_) == (16, 0, 7, 5)
