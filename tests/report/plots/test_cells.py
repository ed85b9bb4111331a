"""Bars: a colour for each reducer and for deep methods, pale what cannot be the best, marks on the best cell."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pictures_fixture import colours_of, result, rgb

from audioclust.report import canvas, plots, table
from audioclust.report.plots import cells


@pytest.fixture
def explained(monkeypatch):
    """Return a list to which the texts of the next pictures' legends are added."""
    texts, legend = [], Figure.legend

    def kept(figure, *, handles, **options):
        texts.extend(handle.get_label() for handle in handles)
        return legend(figure, handles=handles, **options)

    monkeypatch.setattr(Figure, "legend", kept)
    return texts


def test_colours_are_explained_and_only_those_that_are_there(explained, tmp_path):
    plots.bars(result(), tmp_path / "bars.png")
    assert explained[:2] == ["reducer none", "reducer pca"] and "deep method" not in explained
    assert not any("pale" in text for text in explained) and "deviation over seeds" in explained
    assert {rgb(cells.REDUCERS[0]), rgb(cells.REDUCERS[1])} <= colours_of(tmp_path / "bars.png")
    assert rgb(cells.DEEP) not in colours_of(tmp_path / "bars.png")


def test_deep_methods_and_their_variants_have_a_colour_of_their_own(explained, tmp_path):
    names = ("kmeans", "scan", "scan/majority", "scanner")
    plots.bars(result(["a"], clusterers=names, seeds=1), tmp_path / "bars.png", ["scan"])
    assert "deep method" in explained and rgb(cells.DEEP) in colours_of(tmp_path / "bars.png")
    plots.bars(result(["a"], clusterers=("kmeans", "scanner")), tmp_path / "none.png", ["scan"])
    assert rgb(cells.DEEP) not in colours_of(tmp_path / "none.png")


def test_cells_that_cannot_be_the_best_are_pale(explained, tmp_path):
    pale = tuple(round(255 - cells.PALE * (255 - part)) for part in rgb(canvas.COLOURS[0]))
    for largest in (0.4, 0.95):
        explained.clear()
        plots.bars(result(labelled=False, largest=largest), tmp_path / "bars.png")
        found = np.array(sorted(colours_of(tmp_path / "bars.png")))
        assert (np.abs(found - pale).max(axis=1) <= 1).any() == (largest > 0.9)
        assert any("pale" in text for text in explained) == (largest > 0.9)


def test_the_best_cell_and_what_is_taken_without_labels_are_marked(explained, tmp_path):
    plots.bars(result(), tmp_path / "bars.png")
    assert "highest AMI" in explained and "what is taken without labels" in explained
    found = cells._marked(result())
    assert found[cells.BEST]["ami_mean"] == result()["ami_mean"].max()
    assert found[cells.CHOSEN]["choice_mean"] == result()["choice_mean"].max()
    explained.clear()
    plots.bars(result(labelled=False), tmp_path / "bars.png")
    assert "highest choice without labels" in explained and "what is taken without labels" not in explained


def test_a_table_of_cells_that_labels_have_named_or_that_have_no_score(tmp_path):
    plots.bars(result(["a"], clusterers=("scan/majority",)), tmp_path / "named.png", ["scan"])
    rows = pd.DataFrame([dict(zip(table.KEY, "abc", strict=True)) | {"seed": 0, "chosen": "", "reason": "too large"}])
    plots.bars(table.aggregate(rows), tmp_path / "none.png")
    assert (tmp_path / "named.png").read_bytes() != (tmp_path / "none.png").read_bytes()
