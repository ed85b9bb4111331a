"""Confusion: on the diagonal what matches, the same counts in picture and rows, and no script in a label."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from pictures_fixture import CLUSTERS, HOSTILE, LABELS, NONE, colours_of, rgb

from audioclust.report import canvas, metrics, plots
from audioclust.report.plots import confusions


def test_labels_end_no_script_of_dvcs_page():
    vega = pytest.importorskip("dvc_render.vega")
    labels = np.repeat(HOSTILE, 2)
    rows = plots.confusion_rows(labels, np.arange(12) // 2).to_dict("records")
    drawn = vega.VegaRenderer(rows, "confusion.csv", template="confusion", x="actual", y="predicted").generate_html()
    assert drawn.count("</script>") == drawn.count("<script") == 1 and "<!--" not in drawn
    assert len({row["actual"] for row in rows}) == len(HOSTILE)
    assert all(row["actual"] == row["predicted"] for row in rows)


def test_it_stands_on_the_diagonal():
    found, matched = confusions.confusion_table(LABELS, CLUSTERS)
    assert list(found.index) == ["cat", "cow", "dog"] and list(found.columns) == ["5", "7", "2", "noise"]
    assert list(np.diag(found)) == [40, 30, 40] and matched == {"5": "cat", "7": "cow", "2": "dog"}


@pytest.mark.parametrize("classes, clusters", [(3, 3), (6, 3), (3, 8)])
def test_it_agrees_with_the_accuracy(classes, clusters):
    """Also with fewer clusters than classes, where some classes are no cluster's."""
    rng = np.random.default_rng(classes * clusters)
    labels, found = rng.integers(classes, size=200).astype(str), rng.integers(-1, clusters - 1, size=200)
    rows = plots.confusion_rows(labels, found)
    assert np.mean(rows["actual"] == rows["predicted"]) == pytest.approx(metrics.accuracy(labels, found))
    counts, matched = confusions.confusion_table(labels, found)
    assert counts.to_numpy().sum() == 200
    assert sum(counts.loc[c, k] for k, c in matched.items()) == round(200 * metrics.accuracy(labels, found))


def test_rows_name_clusters_without_a_class_and_leave_out_clips_without_a_label():
    labels = np.array(["a", "a", "a", "", "a"])
    rows = plots.confusion_rows(labels, np.array([0, 0, 4, 0, -1]))
    assert rows.to_dict("list") == {"actual": ["a"] * 4, "predicted": ["a", "a", "cluster 4", "noise"]}


def test_the_picture_names_both_axes(tmp_path, monkeypatch):
    named = {}
    monkeypatch.setattr(Axes, "set_ylabel", lambda axes, text, *a, **o: named.setdefault("y", text))
    monkeypatch.setattr(Axes, "set_xlabel", lambda axes, text, *a, **o: named.setdefault("x", text))
    plots.confusion(LABELS, CLUSTERS, tmp_path / "confusion.png", "title")
    assert named["y"] == "label" and named["x"].startswith("cluster")


def test_without_labels_it_is_the_sizes_of_the_clusters(tmp_path):
    rows = plots.confusion_rows(np.full(3, ""), np.array([4, -1, 4]))
    assert rows.to_dict("list") == {"actual": ["no label"] * 3, "predicted": ["cluster 4", "noise", "cluster 4"]}
    assert list(plots.by_size(np.array([3, -1, 5, 5, -1, -1, 2])).items()) == [(5, 2), (2, 1), (3, 1), (-1, 3)]
    plots.confusion(NONE, CLUSTERS, tmp_path / "sizes.png", "title")
    assert {rgb(each) for each in (*canvas.COLOURS[:3], canvas.NOISE)} <= colours_of(tmp_path / "sizes.png")


def test_folding_keeps_the_counts():
    found, _ = confusions.confusion_table(LABELS, np.arange(120))
    folded = confusions._folded(found, 40)
    assert folded.shape[1] == 40 and (folded.sum(axis=1) == found.sum(axis=1)).all()
    assert folded.columns[-1] == "81 others"
