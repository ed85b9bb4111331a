"""TEMI: its parts beside the official code's, scikit-learn's checks, and what is peculiar to it as a whole.

``golden/temi.npz`` holds what the official classes (HHU-MMBS/TEMI-official-BMVC2023: ``TEMI``, ``DINOHead``) returned
for small random inputs.
"""

import numpy as np
import pytest
import torch
from deep_fixture import close, golden
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from audioclust.methods import temi
from audioclust.methods.temi import TEMI, Distillation, TEMIHeads
from audioclust.networks.heads import select
from audioclust.training.loop import Run

SMALL = {"heads": 3, "neighbours": 10, "batch": 40, "epochs": 12, "warmup_epochs": 2, "lr": 0.005, "min_lr": 0.005,
         "momentum": 0.9, "hidden": 64, "bottleneck": 32, "scale": "standardise"}  # fmt: skip


def blobs(n=160, d=6, k=4, seed=0):
    x, truth = make_blobs(n, d, centers=k, center_box=(-20, 20), random_state=seed)
    return x.astype(np.float32), truth


def fitted(x, k=4, run=None, **parameters):
    return TEMI(k, **SMALL | parameters).fit(x, run=run)


class Logits(nn.Module):
    """Heads that give the same logits (h, 2b, k) to whatever they are shown."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, x):
        return self.logits


# The parts, beside the official code


@pytest.mark.parametrize("case", ["multihead", "singlehead", "positive_pmi"])
def test_steps_are_the_official_ones(case):
    """Losses, q(c) after each step, weights and gradients."""
    g = golden("temi.npz", case)
    q = g["q_trace"][0].clone()
    rows = g["student_logits"].shape[2]
    for step, (student, teacher) in enumerate(zip(g["student_logits"], g["teacher_logits"], strict=True)):
        student, teacher = Logits(student), Logits(teacher).requires_grad_(False)
        losses, weights = temi.gradients(
            student, teacher, torch.zeros(rows, 1), torch.arange(rows), q, 0.6, case == "positive_pmi"
        )
        close(q, g["q_trace"][step + 1])
        close(weights, g["pair_weight"][step])
        close(losses, g["head_losses"][step])
        close(losses.mean(), g["total_loss"][step])
        close(student.logits.grad, g["grad_student_of_mean"][step])


def test_heads_are_the_official_ones():
    g = golden("temi.npz", "head")
    heads = TEMIHeads(3, 12, 10, 6, 5).double()
    names = {"mlp.0.weight": "W1", "mlp.0.bias": "b1", "mlp.2.weight": "W2", "mlp.2.bias": "b2", "v": "last_v",
             "g": "last_g"}  # fmt: skip
    state = heads.state_dict()
    for ours, theirs in names.items():
        state[ours][1] = g[theirs]
    close(heads(g["x"])[1], g["logits"])
    close(select(heads, 1)(g["x"])[0], g["logits"])
    assert heads(g["x"]).shape == (3, 9, 5)


def test_a_clip_that_is_twice_in_a_batch_counts_twice():
    torch.manual_seed(0)
    x = torch.randn(4, 6, dtype=torch.float64)
    place = torch.tensor([0, 1, 2, 1, 2, 3])
    found = []
    student = TEMIHeads(2, 6, 8, 5, 3).double()
    teacher = TEMIHeads(2, 6, 8, 5, 3).double()
    for rows, where in ((x, place), (x[place], torch.arange(6))):
        q = torch.full((2, 3), 1 / 3, dtype=torch.float64)
        student.zero_grad()
        losses, weights = temi.gradients(student, teacher, rows, where, q, 0.6)
        found.append([losses, weights, q, *(p.grad.clone() for p in student.parameters())])
    for one, other in zip(*found, strict=True):
        close(one, other)


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_pmi_has_the_stated_values(beta):
    q = torch.full((1, 5), 0.2)
    sure = torch.tensor([[1.0, 0, 0, 0, 0]]).log()
    assert float(temi.pmi_beta(sure, sure, q, beta)) == pytest.approx(np.log(5))
    assert float(temi.pmi_beta(q.log(), q.log(), q, beta)) == pytest.approx((2 - 2 * beta) * np.log(5), abs=1e-6)
    collapsed = torch.tensor([[1.0, 0, 0, 0, 0]])
    assert float(temi.pmi_beta(sure, sure, collapsed, beta)) == 0


def test_biases_do_not_decay_and_gains_do():
    heads = TEMIHeads(3, 6, 8, 5, 4)
    with_decay, without = temi.decayed(heads, 0.1)
    assert (with_decay["weight_decay"], without["weight_decay"]) == (0.1, 0)
    biases = {id(heads.mlp[0].bias), id(heads.mlp[2].bias)}
    assert {id(p) for p in without["params"]} == biases
    assert {id(p) for p in with_decay["params"]} == {id(p) for p in heads.parameters()} - biases


def test_the_last_layer_stands_still_in_the_first_epoch_and_the_teacher_follows():
    model = TEMI(4, **SMALL)
    training = Distillation(model, model.prepare(blobs()[0]))
    last = {id(training.student.v), id(training.student.g)}
    for on in (False, True):
        before, expected = ([p.detach().clone() for p in m.parameters()] for m in (training.student, training.teacher))
        training.student.train_last(on)
        training.step(torch.arange(40), 0.01)
        for start, now in zip(before, training.student.parameters(), strict=True):
            assert torch.equal(start, now) == (id(now) in last and not on)
        for start, now, it in zip(expected, training.student.parameters(), training.teacher.parameters(), strict=True):
            torch.testing.assert_close(it, 0.9 * start + 0.1 * now)


# The whole


@parametrize_with_checks([TEMI(3, heads=2, neighbours=5, batch=20, epochs=10, warmup_epochs=1, lr=0.005, min_lr=0.005,
                               momentum=0.9, hidden=16, bottleneck=8, scale="standardise")])  # fmt: skip
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("scale", ["none", "standardise", "l2"])
def test_separated_blobs_are_recovered(scale):
    x, truth = blobs()
    run = Run()
    model = fitted(x, scale=scale, epochs=25, run=run)
    assert adjusted_rand_score(truth, model.labels_) == 1
    assert model.labels_.dtype == np.int32 and model.proba_.dtype == np.float32
    np.testing.assert_array_equal(model.proba_.argmax(1), model.labels_)
    np.testing.assert_allclose(model.proba_.sum(1), 1, atol=1e-5)
    assert model.head_ == model.losses_.argmin() and model.losses_.shape == (3,)
    assert run.curves[-1]["loss"] < run.curves[0]["loss"] and run.curves[-1]["clusters"] > 3
    untrained = fitted(x, scale=scale, epochs=1, warmup_epochs=0, lr=1e-9, min_lr=1e-9)
    assert adjusted_rand_score(truth, untrained.labels_) < 0.99


@pytest.mark.parametrize("scale", ["none", "standardise", "l2"])
def test_new_clips_are_scaled_like_those_it_was_fitted_to(scale, tmp_path):
    x, _ = blobs()
    model = fitted(x, scale=scale, epochs=4)
    np.testing.assert_array_equal(model.predict(x[5:9]), model.labels_[5:9])
    model.save(tmp_path)
    loaded = TEMI.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(x[5:9]), model.labels_[5:9])
    with pytest.raises(ValueError, match="X has 5 features, but TEMI is expecting 6 features"):
        loaded.predict(x[:, :5])


def test_a_run_killed_within_an_epoch_ends_byte_identical(tmp_path, monkeypatch):
    x, _ = blobs()
    whole, run = fitted(x), Run()
    fitted(x, run=run)
    step, seen = Distillation.step, []

    def killing(self, *arguments):
        seen.append(1)
        if len(seen) == 22:  # in the sixth epoch
            raise InterruptedError
        return step(self, *arguments)

    for _ in range(2):  # the second time in the last but one
        with monkeypatch.context() as patched:
            patched.setattr(Distillation, "step", killing)
            seen.clear()
            with pytest.raises(InterruptedError):
                fitted(x, run=Run(tmp_path, "key", every=0))
    for _ in range(2):  # the second time all is done
        resumed = Run(tmp_path, "key", every=0)
        model = fitted(x, run=resumed)
        np.testing.assert_array_equal(model.proba_, whole.proba_)
        assert model.head_ == whole.head_ and resumed.curves == run.curves


def test_the_defaults_suffice_for_a_hundred_clips():
    """Even in 100 epochs; one step per epoch and a momentum of 0.996 leave the teacher near its random start."""
    x, truth = blobs(100)
    small = {"heads": 2, "hidden": 32, "bottleneck": 16, "epochs": 100}
    model = TEMI(4, **small).fit(x)
    assert adjusted_rand_score(truth, model.labels_) == 1
    assert (model.batch_, model.neighbours_, model.momentum_) == (32, 12, 1 - 10 / 300)
    slow = TEMI(4, batch=100, neighbours=50, momentum=0.996, **small).fit(x)
    assert adjusted_rand_score(truth, slow.labels_) < 0.9


def test_the_learning_rate_does_not_fall_with_the_number_of_clips(monkeypatch):
    rates, step = [], Distillation.step
    monkeypatch.setattr(Distillation, "step", lambda self, clips, lr: rates.append(lr) or step(self, clips, lr))
    small = {"heads": 1, "hidden": 8, "bottleneck": 4, "epochs": 2, "warmup_epochs": 0}
    TEMI(4, **small).fit(blobs(100)[0])
    assert rates == pytest.approx([4e-4] * 6)  # the published 1e-4 for 256 pairs, at 1024
    rates.clear()
    TEMI(4, batch=64, **small).fit(blobs(100)[0])
    assert rates == pytest.approx([2.5e-5] * 6)  # in batches of 32, a quarter of the clips being less


def test_few_clips_cut_the_neighbours_and_the_batch():
    model = fitted(blobs(7)[0], batch=512, neighbours=50)
    assert (model.neighbours_, model.batch_) == (6, 7)
    assert model.labels_.shape == (7,)
    assert fitted(blobs(2)[0], k=1).labels_.tolist() == [0, 0]


@pytest.mark.parametrize("scale", ["none", "standardise", "l2"])
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_clips_that_coincide_are_one_cluster(value, scale):
    model = fitted(np.full((30, 3), value, np.float32), scale=scale)
    assert np.isfinite(model.proba_).all() and len(np.unique(model.labels_)) == 1


def test_what_cannot_be_clustered_is_refused():
    x, _ = blobs()
    with pytest.raises(ValueError, match=r"n_samples=1: at least 2 clips"):
        fitted(x[:1], k=1)
    with pytest.raises(ValueError, match=r"warmup_epochs=20 should be <= epochs=12"):
        fitted(x, warmup_epochs=20)
    with pytest.raises(ValueError, match=r"TEMI\.beta = 0\.5: .*greater than 0\.5"):
        fitted(x, beta=0.5)
