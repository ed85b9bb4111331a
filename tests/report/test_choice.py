"""What is taken without labels: clusters that other encoders see and that others find again."""

import numpy as np
import pytest

from audioclust.report import choice
from audioclust.report.metrics import ari

N, RNG = 120, np.random.default_rng(0)
WORDS, VOICES = np.repeat(np.arange(3), N // 3), np.tile(np.arange(4), N // 4)
CHANCE = RNG.integers(0, 3, N)


def heard(labels, noise=0.3):
    """A space in which these labels can be told apart."""
    return np.eye(labels.max() + 1)[labels] @ RNG.normal(size=(labels.max() + 1, 8)) + noise * RNG.normal(size=(N, 8))


SPACES = {"one": heard(WORDS), "two": heard(WORDS), "three": heard(VOICES)}
LABELLINGS = np.stack([WORDS, VOICES, CHANCE, np.where(np.arange(N) < 60, -1, WORDS), np.zeros(N, np.int32)])


def test_clusters_that_a_space_tells_apart_are_seen_in_it():
    found = choice.kappas(SPACES, LABELLINGS)
    assert found["one"][0] > 0.95 and found["three"][1] > 0.95
    assert all(abs(found[name][i]) < 0.3 for name, i in [("one", 1), ("three", 0), ("one", 2), ("three", 2)])
    assert 0.2 < found["one"][3] <= 0.5, "noise, half of the clips, is not seen"
    assert found["one"][4] == 0, "nor is one cluster"


def test_scales_of_dimensions_do_not_matter():
    scaled = {"one": SPACES["one"] * np.geomspace(1e-3, 1e3, 8)}
    found = choice.kappas(scaled, LABELLINGS)["one"]
    np.testing.assert_allclose(found, choice.kappas({"one": SPACES["one"]}, LABELLINGS)["one"], atol=0.02)


def test_the_space_that_a_labelling_was_made_from_is_not_asked():
    found = {"one": np.array([1.0, 1.0, 1.0]), "two": np.array([0.4, 0.4, 0.4]), "three": np.array([0.2, 0.2, 0.2])}
    assert choice.seen(found, [["one"], ["one", "two"], ["no encoder"]]) == pytest.approx([0.3, 0.2, 1.6 / 3])
    assert choice.seen({"one": np.array([0.9])}, [["one"]]) == pytest.approx([0.9]), "there is no other one"


def test_found_again_is_the_mean_index_with_the_group():
    groups = ["a", "a", "a", "b", "a"]
    found = choice.found_again(LABELLINGS, groups)
    assert found[0] == pytest.approx((ari(WORDS, VOICES) + ari(WORDS, CHANCE)) / 3)
    assert np.isnan(found[3]) and found[4] == 0


def test_the_choice_goes_to_what_is_seen_then_to_what_is_found_again():
    kappa, again = np.array([0.9, 0.9, 0.1, 0.9]), np.array([0.8, 0.2, 1.0, np.nan])
    value = choice.choice(kappa, again)
    assert value.argsort()[::-1].tolist() == [0, 1, 3, 2]
    assert choice.choice(np.ones(1), np.ones(1)) == pytest.approx([1])
