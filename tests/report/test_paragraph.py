"""The paragraph: which cell and why, how many clusters and who asked for them."""

import numpy as np
import pandas as pd
import pytest
from table_fixture import scored

from audioclust.report import paragraph
from audioclust.report.summary import describe


def row(**scores: float) -> dict:
    return scored("kmeans", **scores).to_dict("records")[0]


def test_why_tells_what_the_cell_is_best_by_and_its_figures_without_labels():
    figures = {"choice": 0.5, "kappa": 0.6, "found_again": 0.3, "agreement": 0.9}
    said = paragraph.why(row(**figures), 1, "choice")
    assert said.startswith(
        "simclr / none / kmeans, seed 1: the best cell by its choice without labels; without labels: "
    )
    assert "choice 0.550, kappa 0.650 (how well" in said and "found again 0.350 (" in said and "agreement 0.950" in said
    said = paragraph.why(row(ami=0.7, choice=0.5), 0, "ami")
    assert "the best cell by its AMI 0.750, which has seen the labels; without labels: choice 0.550" in said
    assert said.endswith("choice 0.550"), "what is not known is left out"
    assert paragraph.why(row(ami=0.7), 0, None) == "simclr / none / kmeans, seed 0: as clusters.yaml names it"


@pytest.mark.parametrize(
    ("clusterer", "classes", "said"),
    [
        ("kmeans", 0, "k = 10, taken because none was given"),
        ("kmeans", 4, "k = 10, the number of classes"),
        ("spice", 4, "k = 3, as given"),
        ("spice/majority", 0, "k = 3, as given"),
        ("dbscan", 0, "dbscan finds the number of clusters itself"),
    ],
)
def test_the_number_of_clusters_and_who_asked_for_it(clusterer, classes, said):
    wanted, resolved = {"kmeans": "auto", "spice": 3}, {"kmeans": 10, "spice": 3}
    assert paragraph.number(clusterer, wanted, resolved, classes).startswith(said)


def clusters(sizes: list[int]) -> list:
    labels = np.repeat(np.arange(len(sizes)) - 1, sizes)
    table = pd.DataFrame({"duration": 1.0, "level": -20.0}, index=range(len(labels)))
    means = np.random.default_rng(0).normal(size=(len(labels), 3))
    return describe(table, labels, None, means, np.arange(4.0))


def test_sizes_are_told_of_the_largest():
    assert (
        paragraph.sizes(clusters([2, 3, 5]), {1: "dog"}) == "2 clusters (number: clips): 1 'dog': 5, 0: 3, in none: 2"
    )
    assert paragraph.sizes(clusters([0, 4]), {}, True).startswith("1 cluster, as clusters.yaml edits them, (number")
    assert paragraph.sizes(clusters([0, 4]), {}) == "1 cluster (number: clips): 0: 4"
    assert paragraph.sizes(clusters([0, *[1] * 23]), {}).endswith("18: 1, 19: 1, 3 more")


def test_the_paragraph_is_one_line():
    used = "labels: none\n3 of 4 files used: 3 clips\n"
    said = paragraph.paragraph(
        used, "why", "k = 2, as given", "everything speaks for 2 clusters", "2 clusters", ["", "warning: x."], "Listen."
    )
    assert said == (
        "labels: none; 3 of 4 files used: 3 clips. why. k = 2, as given; everything speaks for 2 clusters "
        "(plots/numbers.png). 2 clusters. warning: x. Listen.\n"
    )
