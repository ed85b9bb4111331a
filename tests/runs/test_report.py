"""Which cell is reported, and which others the page compares it with."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from audioclust.report import table
from audioclust.report.edits import Edits
from audioclust.runs.report import Lists, compared, pick

CELLS = [  # encoder, clusterer, seed, choice, reason
    ("a", "kmeans", 0, 0.5, ""), ("a", "kmeans", 1, 0.5, ""), ("a", "ward", 0, 0.9, ""), ("a", "ward", 1, 0.9, ""),
    ("b", "kmeans", 0, 0.2, "too long"), ("b", "kmeans", 1, 0.2, ""), ("b", "dbscan", 0, 0.1, ""),
    ("a", "scan", 0, 0.3, ""), ("a", "scan", 1, 0.3, ""), ("a", "scan/majority", 0, 0.95, ""),
]  # fmt: skip
SIZES = {"clusters": 3.0, "noise": 0.0, "largest": 0.4, "coverage": 1.0, "balance": 1.0}


@pytest.fixture
def run() -> tuple[pd.DataFrame, list]:
    """Return the table of ``CELLS`` and their labellings: of the i-th cell all labels are i."""
    cells = [
        {"encoder": encoder, "reducer": "none", "clusterer": clusterer, "seed": seed, "chosen": {}, "reason": reason}
        for encoder, clusterer, seed, _, reason in CELLS
    ]
    rows = [cell | SIZES | {"choice": choice} for cell, (*_, choice, _) in zip(cells, CELLS, strict=True)]
    return table.aggregate(pd.DataFrame(rows)), [(cell, np.full(4, i)) for i, cell in enumerate(cells)]


def test_the_page_compares_every_method_and_of_each_encoder_the_cell_that_would_be_chosen(run):
    result, labellings = run
    reported = SimpleNamespace(name="a/none/ward/1", labels=np.full(4, 99))
    found = compared(reported, result, labellings, ["scan"])
    assert {name: labels[0] for name, labels in found.items()} == {
        "a/none/ward/1": 99, "a/none/ward/0": 2, "b/none/kmeans/1": 5, "a/none/scan/0": 7,
    }  # fmt: skip
    assert next(iter(found)) == "a/none/ward/1"
    reported = SimpleNamespace(name="a/none/ward/0", labels=np.full(4, 99))
    assert compared(reported, result, labellings, ["scan"])["a/none/ward/0"][0] == 99, "as it was edited"


def test_the_best_cell_or_the_one_that_is_named(run):
    _, labellings = run
    assert pick(Edits(), labellings[3], labellings) is labellings[3]
    assert pick(Edits(cell="a/none/scan/majority/0"), labellings[3], labellings)[1][0] == 9
    with pytest.raises(ValueError, match="this cell did not run: too long"):
        pick(Edits(cell="b/none/kmeans/0"), labellings[3], labellings)


def test_formats_are_named():
    assert Lists().exports == ["audacity", "label_studio", "raven"]
    with pytest.raises(ValueError, match="'csv' is no format: choose one of audacity, label_studio, raven"):
        Lists(exports=["csv"]).check()
