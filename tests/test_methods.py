"""What deep methods have in common: scikit-learn's conventions, and an encoder of their own where none is given."""

import importlib
from functools import partial

import numpy as np
import pytest
from deep_fixture import sounds
from sklearn.base import clone

from audioclust import registry
from audioclust.nn.augment import Augment
from audioclust.nn.training import Run
from audioclust.threads import one_thread

NAMES = registry.names("methods")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_can_be_read_set_and_copied(name):
    kind = registry.get("methods", name)
    more = {"augment": Augment(16)} if kind.input == "logmel" else {}
    model = kind(4, epochs=7, random_state=3, **more)
    assert model.get_params()["k"] == 4 and model.get_params()["epochs"] == 7
    again = clone(model.set_params(k=5))
    assert again is not model and again.k == 5 and again.epochs == 7 and again.random_state == 3
    for key, value in more.items():
        assert getattr(again, key).parameters() == value.parameters()


@pytest.mark.parametrize(
    ("name", "encoder", "stage"), [("spice", "MoCo", "self"), ("scan", "SimCLR", "cluster")], ids=["spice", "scan"]
)
def test_without_an_encoder_one_is_trained_first(name, encoder, stage, monkeypatch):
    module, augment = importlib.import_module(f"audioclust.methods.{name}"), Augment(16, "fit", strong=["crop", "tilt"])
    small = partial(getattr(module, encoder), d=16, channels=8, projection=8, batch=16, epochs=2, augment=augment)
    monkeypatch.setattr(module, encoder, small)
    (x, _), run = sounds(), Run()
    make = partial(registry.get("methods", name), 3, stage=stage, heads=2, epochs=2, batch=20, augment=augment)
    with one_thread():
        model = make().fit(x, run=run)
        assert {row["phase"] for row in run.curves} == {"train", stage}
        expected = make().fit(x, encoder=small(random_state=0).fit(x))
    np.testing.assert_array_equal(model.proba_, expected.proba_)
