"""Runs on several sets beside each other: a cell that ran on one of them, a reduced one, and one without scores."""

import numpy as np
import pandas as pd

from audioclust.report import sets
from audioclust.report.table import SCORES, SIZES

CELLS = [
    ("simclr", "none", "scan"),
    ("simclr", "none", "kmeans"),
    ("simclr", "pca", "kmeans"),
    ("aisfx", "none", "skipped"),
    ("logmel_stats", "none", "kmeans"),
]


def table(nmi, choice, deviation=0.0):
    """A run's table; AMI is NMI less 0.1, accuracy more 0.1."""
    frame = pd.DataFrame(CELLS, columns=["encoder", "reducer", "clusterer"])
    for name in SCORES:
        frame[f"{name}_mean"], frame[f"{name}_std"] = np.nan, np.nan
    for name, values in {"nmi": nmi, "ami": np.subtract(nmi, 0.1), "acc": np.add(nmi, 0.1), "choice": choice}.items():
        frame[f"{name}_mean"], frame[f"{name}_std"] = values, deviation
    return frame.assign(**dict.fromkeys(SIZES, 0.2) | {"clusters": 4.0, "coverage": 1.0})


NONE = np.nan
FIRST = table([0.5, 0.6, 0.8, NONE, 0.2], [0.9, 0.3, 0.4, NONE, 0.1], deviation=0.0126)
SECOND = table([NONE, 0.4, 0.3, NONE, 0.7], [NONE, 0.2, 0.1, NONE, 0.6])


def cells(text):
    return [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in text.splitlines()]


def test_of_each_set_the_best_and_the_chosen_cell():
    _, _, *lines = cells(sets.leaders({"one": FIRST, "two": SECOND}))
    assert lines == [
        ["one", "best", "simclr / pca / kmeans", "0.700 ± 0.013", "0.800 ± 0.013", "0.900 ± 0.013"],
        ["one", "chosen", "simclr / none / scan", "0.400 ± 0.013", "0.500 ± 0.013", "0.600 ± 0.013"],
        ["two", "best", "logmel_stats / none / kmeans", "0.600", "0.700", "0.800"],
        ["two", "chosen", "logmel_stats / none / kmeans", "0.600", "0.700", "0.800"],
    ]


def test_every_cell_that_is_not_reduced_has_a_row():
    head, _, *lines = cells(sets.rows({"one": FIRST, "two": SECOND}))
    assert head == ["encoder", "clusterer", "one: NMI", "one: ACC", "two: NMI", "two: ACC"]
    assert lines == [
        ["logmel_stats", "kmeans", "0.200 ± 0.013", "0.300 ± 0.013", "0.700", "0.800"],
        ["simclr", "kmeans", "0.600 ± 0.013", "0.700 ± 0.013", "0.400", "0.500"],
        ["simclr", "scan", "0.500 ± 0.013", "0.600 ± 0.013", "–", "–"],
    ]
