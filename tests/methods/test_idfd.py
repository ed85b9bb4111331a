"""IDFD: its losses and its memory beside the official code's, and what is peculiar to it as a whole.

``golden/idfd.npz`` holds what TTN-YKK/Clustering_friendly_representation_learning returned; its case ``orthogonality``
is the paper's equation, for which there is no official code.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deep_fixture import close, golden, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.idfd import IDFD, decorrelation, instance_loss, orthogonality, remember
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.training.schedules import multistep
from audioclust.views.augment import Augment

AUGMENT = Augment(width=16, length="fit", weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))
TINY = {"d": 16, "channels": 8, "projection": 8, "epochs": 20, "batch": 20, "lr": 0.03, "augment": AUGMENT}


@pytest.mark.parametrize(("case", "temperature", "atol"), [("tau1", 1.0, 1e-9), ("tau007", 0.07, 1e-5)])
def test_losses_gradients_and_memory_are_the_official_ones(case, temperature, atol):
    g = golden("idfd.npz", case)
    raw = g["raw_features"].clone().requires_grad_()
    v, memory = F.normalize(raw, dim=1), g["memory_before"].clone()
    instance, feature = instance_loss(v, memory, g["index"], temperature), decorrelation(v, 2.0)
    gradient = torch.autograd.grad(feature, raw, retain_graph=True)[0]
    (instance + feature).backward()
    remember(memory, g["index"], v, 0.5)
    for found, name in [
        (v, "v"), (instance, "loss_id"), (feature, "loss_fd"), (instance + feature, "total"), (memory, "memory_after"),
        (raw.grad, "grad_raw_total"), (gradient, "grad_raw_fd"),
    ]:  # fmt: skip
        torch.testing.assert_close(found.detach(), g[name], rtol=0, atol=atol)


def test_orthogonality_is_the_papers_equation():
    g = golden("idfd.npz", "orthogonality")
    v = g["v"].clone().requires_grad_()
    loss = orthogonality(v)
    loss.backward()
    close(loss.detach() * v.shape[1], g["loss_fo_colnorm"])
    close(v.grad * v.shape[1], g["grad_colnorm"])


def test_orthogonal_features_have_no_loss():
    v = torch.eye(6).double()
    close(orthogonality(v), torch.zeros(()).double())
    assert decorrelation(v) < decorrelation(torch.ones(6, 6).double())


@pytest.mark.parametrize("variant", ["id", "idfo", "idfd"])
@pytest.mark.parametrize("ops", [None, []], ids=["views", "no views"])
def test_each_variant_finds_the_sounds_with_views_and_without(variant, ops):
    x, kinds = sounds()
    run = Run()
    with one_thread():
        # The official weight of orthogonality, 10, is for 128 dimensions: of these 8, three tell the sounds.
        model = IDFD(3, variant=variant, ops=ops, alpha=1.0, **TINY | {"epochs": 40}).fit(x, run=run)
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    assert adjusted_rand_score(kinds, model.more_labels_["memory"]) > 0.9
    assert ("feature" in run.curves[-1]) == (variant != "id")


def test_what_the_memory_holds_is_of_length_1_and_a_clip_moves_its_own_entry_alone():
    memory = F.normalize(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    before = memory.clone()
    remember(memory, torch.tensor([3, 1]), F.normalize(torch.randn(2, 4), dim=1))
    assert torch.equal(memory[[0, 2, 4]], before[[0, 2, 4]])
    torch.testing.assert_close(memory.norm(dim=1), torch.ones(5))


def test_the_learning_rate_falls_to_a_tenth_four_times():
    rates = multistep(0.03, (0.3, 0.475, 0.65, 0.825), 2000)
    assert [rates[at] for at in (0, 599, 600, 949, 950, 1299, 1300, 1649, 1650, 1999)] == pytest.approx(
        [0.03, 0.03, 3e-3, 3e-3, 3e-4, 3e-4, 3e-5, 3e-5, 3e-6, 3e-6]
    )
    assert len(np.unique(np.round(np.log10(rates), 6))) == 5
