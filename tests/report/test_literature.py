"""The sources' figures of deep methods, and ours beside them."""

from pathlib import Path

import pandas as pd
import pytest
from table_fixture import scored

from audioclust import registry
from audioclust.parameters import types
from audioclust.report import literature

FIGURES = literature.read(Path(__file__).resolve().parents[2] / "docs/reference_deep.csv")
METHODS = registry.names("methods")


def lines(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")][2:]


def run(name: str, method: str, scores: pd.DataFrame, **changes) -> dict:
    section = {"cc": {"heads": "both", "transformed": 2}, "idfd": {"variant": "idfd", "temperature": 1.0}}[method]
    return {"name": name, "section": section | changes, "table": scores}


def test_the_file_has_each_figure_once_as_a_fraction_with_its_source():
    assert not FIGURES.duplicated(["method", "variant", "data", "metric", "source"]).any()
    assert FIGURES["value"].between(0, 1).all() and FIGURES["deviation"].dropna().between(0, 0.1).all()
    assert FIGURES.drop(columns="deviation").notna().all(axis=None)
    assert set(FIGURES["metric"]) == {name for together in literature.TOGETHER for name in together}


@pytest.mark.parametrize(
    ("method", "variant", "data", "metric", "value"),
    [
        ("dec", "", "MNIST", "acc", 0.843),
        ("dec", "without backpropagation", "REUTERS", "acc", 0.6962),
        ("cc", "", "CIFAR-10", "nmi", 0.705),
        ("cc", "cluster head only", "ImageNet-10", "ari", 0.816),
        ("cc", "views x + x", "CIFAR-10", "acc", 0.169),
        ("idfd", "ID (original)", "CIFAR-100", "nmi", 0.221),
        ("idfd", "", "STL-10", "acc", 0.756),
        ("scan", "self-labelling", "CIFAR-100-20", "ari", 0.301),
        ("deepcluster", "all layers trained", "VOC 2007", "detection", 0.554),
        ("pcl", "v2", "Places205", "probe", 0.503),
    ],
)
def test_figures_are_those_of_the_sources(method, variant, data, metric, value):
    keys = {"method": method, "variant": variant, "data": data, "metric": metric}
    assert list(FIGURES.loc[(FIGURES[list(keys)] == pd.Series(keys)).all(axis=1), "value"]) == [value]


def test_settings_name_parameters_of_the_method_and_the_same_for_all_variants():
    for method, own in FIGURES[FIGURES["settings"] != ""].groupby("method"):
        names = {tuple(each.partition("=")[0] for each in settings.split()) for settings in own["settings"]}
        assert len(names) == 1 and set(*names) <= set(types(registry.get("methods", method)))
        assert own.groupby("settings")["variant"].nunique().eq(1).all()


def test_ours_stand_above_all_that_the_source_prints_of_a_method():
    ours = scored("cc", "scan", "scan/majority", "kmeans", "temi", nmi=0.5, acc=0.6, ari=0.4)
    found = lines(literature.beside(ours, FIGURES, METHODS))
    assert found[0] == ["cc", "ours, from simclr", "0.550 ± 0.050 / 0.650 ± 0.050 / 0.450 ± 0.050"]
    assert found[1][:2] == ["cc", ""] and found[1][2].startswith("CIFAR-10 0.705 / 0.790 / 0.637, CIFAR-100 0.431")
    assert ["scan", "clustering step"] in [line[:2] for line in found]
    assert {line[0] for line in found} == {"cc", "scan", "scan/majority"}, (
        "no source prints TEMI's, k-means is not deep"
    )
    step = next(line for line in found if line[1] == "clustering step")
    assert step[2].startswith("CIFAR-10 0.712 ± 0.004 / 0.818 ± 0.003 / 0.665 ± 0.004, CIFAR-100-20")


def test_scores_of_representations_are_named():
    found = lines(literature.beside(scored("deepcluster", "pcl", nmi=0.5, acc=0.6, ari=0.4), FIGURES, METHODS))
    cells = [line[2] for line in found]
    assert "CIFAR-10 – / 0.374 / –, CIFAR-100-20 – / 0.189 / –" in cells
    assert "classification / detection / segmentation: VOC 2007 0.737 / 0.554 / 0.451" in cells
    assert "linear probe: ImageNet 0.615, VOC 2007 0.823, Places205 0.492" in cells


def test_without_labels_or_deep_methods_nothing_stands_beside():
    assert literature.beside(scored("cc", silhouette_all=0.5), FIGURES, METHODS) == ""
    assert literature.beside(scored("kmeans", "spice", nmi=0.5), FIGURES, METHODS) == ""


def test_an_ablation_has_a_line_per_variant_in_the_sources_order():
    ours = scored("cc", nmi=0.5, acc=0.6, ari=0.4)
    runs = [
        run("late-run", "cc", ours, transformed=0),
        run("one-run", "cc", ours),
        run("other", "cc", ours, heads="no"),
    ]
    found = lines(literature.ablation(runs, FIGURES, "cc"))
    assert [line[0] for line in found] == [
        "cc", "instance head only", "cluster head only", "views T(x) + x", "views x + x",
    ]  # fmt: skip
    assert [line[2] for line in found] == ["one-run", "not run", "not run", "not run", "late-run"]
    assert found[4][4] == "0.550 ± 0.050 / 0.650 ± 0.050 / 0.450 ± 0.050"
    assert found[4][5:] == ["0.045 / 0.169 / 0.022", "", "", "0.063 / 0.177 / 0.030"]


def test_an_ablation_shows_all_rows_of_a_run_and_the_sources_figures_once():
    ours = scored("idfd", "idfd/memory", "kmeans", nmi=0.5, acc=0.6, ari=0.4)
    found = lines(literature.ablation([run("cold", "idfd", ours, variant="id", temperature=0.07)], FIGURES, "idfd"))
    assert [line[:4] for line in found[:2]] == [
        ["ID (original)", "variant=id temperature=0.07", "cold", f"{row} from simclr"]
        for row in ("idfd", "idfd/memory")
    ]
    assert found[0][5] == "0.309 / 0.440 / 0.221" and found[1][5] == ""


def test_a_method_without_variants_says_which_have_some():
    with pytest.raises(ValueError, match="temi: no variants are known of it: choose one of cc, dec, idfd, scan"):
        literature.ablation([], FIGURES, "temi")
