"""What every deep method has in common with scikit-learn's estimators."""

import pytest
from sklearn.base import clone

from audioclust import registry
from audioclust.nn.augment import Augment

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
