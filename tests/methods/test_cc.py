"""Contrastive Clustering: its losses beside the official code's, and what is peculiar to it as a whole.

``golden/cc.npz`` holds what Yunfan-Li/Contrastive-Clustering (``InstanceLoss``, ``ClusterLoss``) returned.
"""

import math

import numpy as np
import pytest
import torch
from deep_fixture import close, golden, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.cc import CC, cluster_loss, imbalance
from audioclust.pretext._contrastive import nt_xent
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment

AUGMENT = Augment(width=16, length="fit", weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))
TINY = {"d": 16, "channels": 8, "projection": 16, "epochs": 20, "batch": 20, "lr": 0.003, "augment": AUGMENT}


def test_losses_and_gradients_are_the_official_ones():
    g = golden("cc.npz", "losses")
    z = [g[name].clone().requires_grad_() for name in ("z_i", "z_j")]
    logits = [g[f"cluster_logits_{side}"].clone().requires_grad_() for side in "ij"]
    probs = [each.softmax(1) for each in logits]
    instance, contrast, balance = nt_xent(*z, 0.5), cluster_loss(*probs, 1.0), imbalance(*probs)
    (instance + contrast + balance).backward()
    close(instance.detach(), g["instance_loss"])
    close(contrast.detach(), g["cluster_contrastive_part"])
    close(balance.detach(), g["cluster_entropy_part"])
    close((instance + contrast + balance).detach(), g["total"])
    for found, side in zip(logits, "ij", strict=True):
        close(found.grad, g[f"grad_cluster_logits_{side}"])
    for found, side in zip(z, "ij", strict=True):  # there, vectors are scaled to length 1 before, not in the loss
        gradient, unit = g[f"grad_z_{side}"], g[f"z_{side}"]
        close(found.grad, gradient - (gradient * unit).sum(1, keepdim=True) * unit)


def test_imbalance_is_0_for_equal_sizes_and_log_k_per_view_for_one_cluster():
    equal, one = torch.eye(4).repeat(3, 1).double(), torch.eye(4)[:1].repeat(12, 1).double().requires_grad_()
    close(imbalance(equal, equal), torch.zeros(()).double())
    loss = imbalance(one, one)
    close(loss.detach(), torch.tensor(2 * math.log(4), dtype=torch.float64))
    loss.backward()
    assert torch.isfinite(loss)


@pytest.mark.parametrize("heads", ["both", "instance", "cluster"])
def test_each_head_alone_and_both_find_the_sounds(heads):
    x, kinds = sounds()
    run = Run()
    with one_thread():
        model = CC(3, heads=heads, **TINY | {"epochs": 40}).fit(x, run=run)
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    parts = {"instance": {"instance"}, "cluster": {"cluster", "imbalance"}}
    both = parts["instance"] | parts["cluster"]
    assert both & run.curves[-1].keys() == parts.get(heads, both)


@pytest.mark.parametrize(("transformed", "zero"), [(0, True), (1, False), (2, False)])
def test_as_many_views_are_changed_as_are_asked_for(transformed, zero):
    run = Run()
    with one_thread():
        # Unlike the others, this backbone drops nothing out.
        CC(3, transformed=transformed, backbone="grid", **TINY | {"epochs": 1}).fit(sounds()[0], run=run)
    assert (run.curves[0]["alignment"] < 1e-6) == zero


def test_the_nearest_centre_is_the_largest_logit():
    x, _ = sounds()
    with one_thread():
        model = CC(3, heads="instance", **TINY).fit(x)
    weight, bias = model.network_[1].weight, model.network_[1].bias
    np.testing.assert_allclose(bias.detach(), -0.5 * weight.detach().square().sum(1), rtol=1e-6)
