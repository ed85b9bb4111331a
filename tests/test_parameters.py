"""Parameters: declared in one line, checked by the same rules from a file and from Python."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
import pytest

from audioclust import registry
from audioclust.parameters import Count, Positive, Share, checked, choices, required, types, validate, values


@dataclass
class Example:
    k: Count
    rate: Positive = 0.1
    how: Literal["self", "joint"] = "self"
    sides: tuple[Share, Share] = (0.5, 1.0)
    ops: tuple[Literal["crop", "gain"], ...] = ()
    _: KW_ONLY
    device: str = "cpu"


def test_what_a_class_declares():
    assert list(types(Example)) == ["k", "rate", "how", "sides", "ops"] and required(Example) == ["k"]
    assert values(Example(3)) == {"k": 3, "rate": 0.1, "how": "self", "sides": (0.5, 1.0), "ops": ()}


@pytest.mark.parametrize(
    "right",
    [{"k": 3}, {"k": np.int64(3)}, {"k": 3, "rate": 1}, {"k": 3, "rate": np.float32(0.5)}, {"k": 3, "sides": [0.1, 1]}],
)
def test_right_values_pass(right):
    validate(Example(**right))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, r"Example\.k = 0: greater than or equal to 1"),
        ({"k": "three"}, r"Example\.k = 'three': .*integer"),
        ({"k": "3"}, r"Example\.k = '3': must be a number, not a string"),
        ({"k": True}, r"Example\.k = True: must be a number, not true or false"),
        ({"k": 2.5}, r"Example\.k = 2\.5: .*integer"),
        ({"k": 3, "how": "sefl"}, r"Example\.how = 'sefl': 'self' or 'joint'; did you mean 'self'\?"),
        ({"k": 3, "sides": (0.5, 2)}, r"Example\.sides = \(0\.5, 2\): \[1\] less than or equal to 1"),
        ({"k": 3, "ops": ["crop", "gian"]}, r"\[1\] 'crop' or 'gain'; did you mean 'gain'\?"),
    ],
)
def test_wrong_values_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        validate(Example(**wrong))


def test_every_mistake_is_told_at_once():
    with pytest.raises(ValueError) as found:
        validate(Example(0, -1, "sefl"))
    assert len(str(found.value).splitlines()) == 3


def test_a_file_may_write_a_number_as_text():
    assert checked(types(Example), {"rate": "1e-3", "k": "4"}, "x.", text=True) == ({"rate": 0.001, "k": 4}, [])
    assert checked(types(Example), {"rate": "fast"}, "x.", text=True)[1]


def test_choices_name_the_nearest():
    assert choices("kmaens", ["kmeans", "dbscan"]) == ": choose one of dbscan, kmeans; did you mean 'kmeans'?"
    assert choices("zzz", ["kmeans"]) == ": choose one of kmeans"


ROOMS = ("datasets", "encoders", "pretext", "reducers", "clusterers", "methods")


@pytest.mark.parametrize(("room", "name"), [(room, name) for room in ROOMS for name in registry.names(room)])
def test_defaults_pass_their_own_check(room, name):
    kind = registry.get(room, name)
    validate(kind(**dict.fromkeys(required(kind), 3)))
