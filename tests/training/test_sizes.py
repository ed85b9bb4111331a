"""How many steps a training takes: the published number on large sets, enough on small ones, what is given as given."""

import math

import pytest

from audioclust.methods.deepcluster import DeepCluster
from audioclust.methods.temi import TEMI
from audioclust.pretext.byol import BYOL
from audioclust.pretext.moco import MoCo
from audioclust.pretext.simclr import SimCLR
from audioclust.training.schedules import LEAST_BATCH, LEAST_STEPS, batch_size, ema_momentum, passes

TRAININGS = {"temi": TEMI(9), "moco": MoCo(), "byol": BYOL(), "simclr": SimCLR()}


def sized(model, n):
    model._size(n)
    return model


@pytest.mark.parametrize(("model", "expected"), [
    (TEMI(10), {"batch_": 1024, "epochs_": 100, "momentum_": 0.996, "neighbours_": 50}),
    (MoCo(), {"batch_": 256, "epochs_": 200, "momentum_": 0.999}),
    (BYOL(), {"batch_": 256, "epochs_": 100, "momentum_": 0.99}),
    (SimCLR(), {"batch_": 256, "epochs_": 200}),
    (DeepCluster(10), {"batch_": 256, "reassign_": 1}),
    (DeepCluster(10, frontend="decar"), {"batch_": 64, "reassign_": 1}),
], ids=["temi", "moco", "byol", "simclr", "deepcluster", "decar"])  # fmt: skip
def test_50000_clips_are_trained_on_as_published(model, expected):
    sized(model, 50_000)
    assert {name: getattr(model, name) for name in expected} == expected


@pytest.mark.parametrize("n", [100, 450, 1000, 3000, 10_000])
@pytest.mark.parametrize("model", TRAININGS.values(), ids=TRAININGS)
def test_few_clips_give_enough_steps_to_forget_the_start(model, n):
    steps = sized(model, n).epochs_ * (n // model.batch_)
    assert steps >= LEAST_STEPS and model.batch_ >= LEAST_BATCH
    if hasattr(model, "momentum_"):
        assert model.momentum_**steps < math.exp(-10)


@pytest.mark.parametrize("n", [100, 450, 3000])
@pytest.mark.parametrize("frontend", ["deepcluster", "decar"])
def test_each_top_layer_gets_enough_steps(frontend, n):
    model = sized(DeepCluster(9, frontend=frontend), n)
    assert model.reassign_ * n // model.batch_ >= 20
    assert model.reassign_ == 1 or (model.reassign_ - 1) * n // model.batch_ < 20


@pytest.mark.parametrize("kind", [SimCLR, MoCo, BYOL])
def test_epochs_that_are_given_are_more_where_they_give_too_few_steps(kind):
    for n, batch, epochs in ((450, 64, 72), (3000, 64, 20), (100, 32, 167), (40, 32, 500), (30, 30, 500)):
        model = sized(kind(batch=64, epochs=20, steps=500), n)
        assert (model.batch_, model.epochs_) == (batch, epochs)
    assert sized(kind(batch=64, steps=500), 50_000).epochs_ == sized(kind(batch=64), 50_000).epochs_


@pytest.mark.parametrize("n", [20, 100, 50_000])
def test_what_is_given_stands(n):
    model = sized(TEMI(9, batch=16, epochs=3, momentum=0.996, neighbours=15), n)
    assert (model.batch_, model.epochs_, model.momentum_, model.neighbours_) == (16, 3, 0.996, 15)
    for kind in (MoCo, BYOL):
        model = sized(kind(batch=16, epochs=3, momentum=1.0), n)
        assert (model.batch_, model.epochs_, model.momentum_) == (16, 3, 1.0)
    model = sized(DeepCluster(9, batch=16, reassign=2), n)
    assert (model.batch_, model.reassign_) == (16, 2)


@pytest.mark.parametrize("kind", [SimCLR, MoCo, BYOL, TEMI])
def test_a_batch_is_at_most_a_quarter_of_the_clips(kind):
    model = TEMI(9, batch=256) if kind is TEMI else kind(batch=256)
    assert [sized(model, n).batch_ for n in (100, 200, 1000, 3000)] == [32, 50, 250, 256]


def test_temis_neighbours_are_fewer_than_the_clips_of_a_cluster():
    assert [sized(TEMI(9), n).neighbours_ for n in (100, 450, 900, 5000)] == [5, 25, 50, 50]
    assert sized(TEMI(9), 9).neighbours_ == 1


def test_the_rules():
    assert [batch_size(n, 256) for n in (10, 256, 800, 2048, 10**6)] == [32, 32, 100, 256, 256]
    assert passes(450, 450, 100, 1000) == 1000 and passes(450, 56, 100, 1000) == 125
    assert passes(10, 32, 5, 12) == 12  # a batch that is not full is a step too
    assert ema_momentum(1000, 0.996) == 0.99 and ema_momentum(10**6, 0.996) == 0.996
    assert ema_momentum(3, 0.996) == 0
