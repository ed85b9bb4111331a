"""Examples: which clips are drawn, and how long log-mels are thinned."""

import numpy as np
import pytest
from pictures_fixture import CLUSTERS, LABELS, NONE, RNG

from audioclust.report.plots import logmels


def test_without_labels_examples_are_of_clusters_by_size():
    members, kind = logmels._members(NONE, CLUSTERS)
    assert kind == "clusters" and list(members) == [
        "cluster 2 (40 clips)", "cluster 5 (40 clips)", "cluster 7 (30 clips)", "noise (10 clips)",
    ]  # fmt: skip
    assert all((CLUSTERS[rows] == c).all() for c, rows in zip([2, 5, 7, -1], members.values(), strict=True))
    members, kind = logmels._members(np.where(LABELS == "cow", "", LABELS), CLUSTERS)
    assert kind == "classes" and list(members) == ["cat", "dog"]


def test_thinned_log_mels_keep_the_mean_and_bound_the_frames():
    image = RNG.normal(size=(4, 300))
    assert logmels._thinned(image).shape == (4, 150) and logmels._thinned(image[:, :100]).shape == (4, 100)
    assert logmels._thinned(image).mean() == pytest.approx(image.mean())
    assert logmels._thinned(image[:, :299])[:, -1] == pytest.approx(image[:, 298])


def test_examples_are_spread_over_the_class_and_repeat_none():
    assert logmels._spread(np.arange(10, 20), 3) == [10, 14, 19]
    assert logmels._spread(np.array([4, 8]), 3) == [4, 8] and logmels._spread(np.array([4]), 3) == [4]
