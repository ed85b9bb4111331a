"""What choosing without labels costs: a set with two structures, and rules that take the right and the wrong cell."""

import pandas as pd
import pytest

from audioclust.report import rules
from audioclust.report.table import KEY

CELLS = [
    ("words", "none", "kmeans"),
    ("words", "none", "gmm"),
    ("voices", "none", "kmeans"),
    ("voices", "none", "dbscan"),
]
RIGHT = {"digit": (0.9, 0.8, 0.1, 0.0), "speaker": (0.0, 0.0, 0.7, 0.2)}


def table(labelling, **columns):
    """The table of one run; every rule but those given takes the first cell."""
    values = {
        name: [4, 3, 2, 1]
        for name in ("choice", "kappa", "found_again", "silhouette_all", "calinski_harabasz", "agreement")
    }
    values |= {"davies_bouldin": [1, 2, 3, 4], "ami": RIGHT[labelling], "nmi": RIGHT[labelling]} | columns
    frame = pd.DataFrame(CELLS, columns=KEY).assign(clusters=4, largest=[0.2, 0.2, 0.2, 0.95], coverage=1.0)
    frame["choice_std"] = 0.0
    return frame.assign(**{f"{name}_mean": value for name, value in values.items()})


def lost(**columns):
    found = rules.regrets({"set": {name: table(name, **columns) for name in RIGHT}})
    return found.set_index("rule")


def test_a_cell_is_compared_with_the_best_one_of_the_structure_that_it_follows():
    found = lost(kappa=[1, 2, 0, 0], found_again=[0, 0, 3, 9])
    assert found.at["choice", "NMI"] == 0 and found.at["choice", "follows"] == "digit"
    assert found.at["kappa alone", "AMI"] == pytest.approx(0.1)
    assert found.at["found again alone", "cell"] == "voices / none / kmeans", "a giant cluster is not chosen"
    assert found.at["found again alone", "NMI"] == 0 and found.at["found again alone", "follows"] == "speaker"


def test_davies_bouldin_takes_the_smallest():
    assert lost(davies_bouldin=[3, 1, 2, 0]).at["Davies-Bouldin", "NMI"] == pytest.approx(0.1)


def test_the_table_has_a_row_per_set_their_mean_and_the_most():
    sets = {
        name: {"digit": table("digit", choice=choice)}
        for name, choice in (("one", [2, 1, 0, 0]), ("two", [1, 2, 0, 0]))
    }
    lines = rules.markdown(rules.regrets(sets)).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| one", "0.000"], ["| two", "0.100"], ["| mean", "0.050"], ["| most", "0.100"],
    ]  # fmt: skip
