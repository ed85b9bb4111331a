"""Pictures: that they are drawn, that equal data give equal bytes, and that what they show is right."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.image import imread

from audioclust.report import metrics, plots, table

RNG = np.random.default_rng(0)
XY = RNG.normal(size=(120, 2)).astype(np.float32)
LABELS = np.repeat(["cat", "dog", "cow"], 40)
CLUSTERS = np.r_[np.full(40, 5), np.full(40, 2), np.full(30, 7), np.full(10, -1)]
LOGMEL = RNG.normal(size=(120, 64, 301)).astype(np.float16)


def result(encoders=("byol_a", "passt"), labelled=True, largest=0.4):
    rows = [
        {"encoder": e, "reducer": r, "clusterer": c, "seed": s, "chosen": "", "reason": "", "clusters": 3, "noise": 0.0}
        | ({"ami": (i + j + k) / 10 + s / 50} if labelled else {})
        | {"choice": (j - i) / 5, "largest": 0.4 if c == "kmeans" else largest, "coverage": 1.0}
        for i, e in enumerate(encoders)
        for j, r in enumerate(["none", "pca"])
        for k, c in enumerate(["kmeans", "dbscan"])
        for s in range(2)
    ]
    return table.aggregate(pd.DataFrame(rows))


DRAWN = {
    "map": lambda path: plots.clip_map(XY, LABELS, "title", path),
    "map without labels": lambda path: plots.clip_map(XY, np.full(120, ""), "title", path),
    "map of many": lambda path: plots.clip_map(XY, np.arange(120) // 2 - 1, "title", path),
    "confusion": lambda path: plots.confusion(LABELS, CLUSTERS, path, "title"),
    "confusion without labels": lambda path: plots.confusion(np.full(120, ""), CLUSTERS, path, "title"),
    "confusion of many": lambda path: plots.confusion(LABELS, np.arange(120), path, "title"),
    "bars": lambda path: plots.bars(result(), path),
    "bars of one": lambda path: plots.bars(result(["byol_a"]), path),
    "bars of five": lambda path: plots.bars(result(["a", "b", "c", "d", "e"]), path),
    "sizes of many": lambda path: plots.confusion(np.full(120, ""), np.arange(120) // 2 - 1, path, "title"),
    "bars without labels": lambda path: plots.bars(result(labelled=False), path),
    "bars with pale ones": lambda path: plots.bars(result(labelled=False, largest=0.95), path),
    "examples": lambda path: plots.examples(LOGMEL, LABELS, CLUSTERS, path),
    "examples in kHz": lambda path: plots.examples(LOGMEL, LABELS, CLUSTERS, path, mel_hz=np.geomspace(60, 7800, 64)),
    "examples without labels": lambda path: plots.examples(LOGMEL, np.full(120, ""), CLUSTERS, path),
    "examples of many": lambda path: plots.examples(LOGMEL, np.arange(120).astype(str), CLUSTERS, path),
    "examples of many clusters": lambda path: plots.examples(LOGMEL, np.full(120, ""), np.arange(120) // 2, path),
}


def colours_of(path):
    """Return the different colours of a picture as 8-bit triples."""
    image = (imread(path)[..., :3] * 255).round().astype(int)
    return {tuple(colour) for colour in np.unique(image.reshape(-1, 3), axis=0)}


def rgb(text):
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return a function that returns the picture of a name, drawn once."""
    folder = tmp_path_factory.mktemp("drawn")

    def draw(name):
        path = folder / f"{name}.png"
        if not path.exists():
            DRAWN[name](path)
        return path

    return draw


@pytest.mark.parametrize("name", DRAWN)
def test_every_picture_is_drawn_and_fits_a_readme(name, drawn):
    height, width = imread(drawn(name)).shape[:2]
    assert 400 <= width <= 1300 and height <= 1700
    assert len(colours_of(drawn(name))) > 1


@pytest.mark.parametrize("name", ["map", "confusion", "confusion without labels", "bars", "examples"])
def test_equal_data_give_equal_bytes_whatever_the_users_style(name, drawn, tmp_path):
    with rc_context({"font.size": 20, "lines.linewidth": 5, "axes.facecolor": "red", "savefig.dpi": 30}):
        DRAWN[name](tmp_path / "two.png")
    written = drawn(name).read_bytes()
    assert written == (tmp_path / "two.png").read_bytes()
    assert b"Software" not in written and b"tIME" not in written


def test_the_map_greys_what_has_no_label_and_noise():
    names = plots._ordered(np.array(["10", "9", "-1", "b", "", "a"]))
    assert names == ["-1", "9", "10", "", "a", "b"]
    looks = plots._looks([f"{i}" for i in range(20)])
    assert len(set(looks.values())) == 20
    assert len(set(plots._looks([f"{i}" for i in range(50)]).values())) == 50


@pytest.mark.parametrize("value, grey", [("", plots.UNLABELLED), ("-1", plots.NOISE)])
def test_clips_without_a_category_are_grey_in_the_picture(value, grey, tmp_path):
    plots.clip_map(XY, np.full(120, value), "title", tmp_path / "map.png")
    assert rgb(grey) in colours_of(tmp_path / "map.png")
    assert rgb(plots.COLOURS[0]) not in colours_of(tmp_path / "map.png")


def test_texts_of_users_are_not_read_as_mathematics(tmp_path):
    plots.clip_map(XY, np.where(LABELS == "cat", r"$\nope{$ a_b", LABELS), "$x_{$ title", tmp_path / "map.png")
    assert (tmp_path / "map.png").is_file()


HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=a()>", "<!--<script>", "a|b\n`c`", "_x_", "\0é"]


def test_labels_end_no_script_of_dvcs_page():
    vega = pytest.importorskip("dvc_render.vega")
    labels = np.repeat(HOSTILE, 2)
    rows = plots.confusion_rows(labels, np.arange(12) // 2).to_dict("records")
    drawn = vega.VegaRenderer(rows, "confusion.csv", template="confusion", x="actual", y="predicted").generate_html()
    assert drawn.count("</script>") == drawn.count("<script") == 1 and "<!--" not in drawn
    assert len({row["actual"] for row in rows}) == len(HOSTILE)
    assert all(row["actual"] == row["predicted"] for row in rows)


def test_names_are_drawn_on_one_line_and_none_is_left_out_of_the_legend(tmp_path):
    assert plots._short("a\r\n\tb\0\u2028c") == "a b c"
    looks = plots._looks(HOSTILE)
    assert [line.get_label()[0] for line in plots._handles(looks)] == ["<", "<", "<", "a", " ", "é"]
    labels = np.resize(HOSTILE, 120)
    plots.clip_map(XY, labels, "title", tmp_path / "map.png")
    plots.confusion(labels, CLUSTERS, tmp_path / "confusion.png", "title")
    plots.examples(LOGMEL, labels, CLUSTERS, tmp_path / "examples.png")
    assert all(imread(tmp_path / f"{name}.png").shape[0] >= 300 for name in ("map", "confusion", "examples"))


def test_confusion_stands_on_the_diagonal():
    found, matched = plots.confusion_table(LABELS, CLUSTERS)
    assert list(found.index) == ["cat", "cow", "dog"] and list(found.columns) == ["5", "7", "2", "noise"]
    assert list(np.diag(found)) == [40, 30, 40] and matched == {"5": "cat", "7": "cow", "2": "dog"}


@pytest.mark.parametrize("classes, clusters", [(3, 3), (6, 3), (3, 8)])
def test_confusion_agrees_with_the_accuracy(classes, clusters):
    """Also with fewer clusters than classes, where some classes are no cluster's."""
    rng = np.random.default_rng(classes * clusters)
    labels, found = rng.integers(classes, size=200).astype(str), rng.integers(-1, clusters - 1, size=200)
    rows = plots.confusion_rows(labels, found)
    assert np.mean(rows["actual"] == rows["predicted"]) == pytest.approx(metrics.accuracy(labels, found))
    counts, matched = plots.confusion_table(labels, found)
    assert counts.to_numpy().sum() == 200
    assert sum(counts.loc[c, k] for k, c in matched.items()) == round(200 * metrics.accuracy(labels, found))


def test_confusion_rows_name_clusters_without_a_class_and_leave_out_clips_without_a_label():
    labels = np.array(["a", "a", "a", "", "a"])
    rows = plots.confusion_rows(labels, np.array([0, 0, 4, 0, -1]))
    assert rows.to_dict("list") == {"actual": ["a"] * 4, "predicted": ["a", "a", "cluster 4", "noise"]}


def test_without_labels_the_confusion_is_the_sizes_of_the_clusters(drawn):
    rows = plots.confusion_rows(np.full(3, ""), np.array([4, -1, 4]))
    assert rows.to_dict("list") == {"actual": ["no label"] * 3, "predicted": ["cluster 4", "noise", "cluster 4"]}
    assert list(plots.by_size(np.array([3, -1, 5, 5, -1, -1, 2])).items()) == [(5, 2), (2, 1), (3, 1), (-1, 3)]
    assert {rgb(each) for each in (*plots.COLOURS[:3], plots.NOISE)} <= colours_of(drawn("confusion without labels"))


def test_without_labels_examples_are_of_clusters_by_size():
    members, kind = plots._members(np.full(120, ""), CLUSTERS)
    assert kind == "clusters" and list(members) == [
        "cluster 2 (40 clips)", "cluster 5 (40 clips)", "cluster 7 (30 clips)", "noise (10 clips)",
    ]  # fmt: skip
    assert all((CLUSTERS[rows] == c).all() for c, rows in zip([2, 5, 7, -1], members.values(), strict=True))
    members, kind = plots._members(np.where(LABELS == "cow", "", LABELS), CLUSTERS)
    assert kind == "classes" and list(members) == ["cat", "dog"]


def test_bars_of_cells_that_cannot_be_the_best_are_pale(tmp_path):
    pale = tuple(round(255 - 0.3 * (255 - part)) for part in rgb(plots.COLOURS[0]))
    for largest in (0.4, 0.95):
        plots.bars(result(labelled=False, largest=largest), tmp_path / "bars.png")
        near = [
            max(abs(a - b) for a, b in zip(pale, found, strict=True)) <= 1
            for found in colours_of(tmp_path / "bars.png")
        ]
        assert any(near) == (largest > 0.9)


def test_folding_keeps_the_counts():
    found, _ = plots.confusion_table(LABELS, np.arange(120))
    folded = plots._folded(found, 40)
    assert folded.shape[1] == 40 and (folded.sum(axis=1) == found.sum(axis=1)).all()
    assert folded.columns[-1] == "81 others"


def test_thinned_log_mels_keep_the_mean_and_bound_the_frames():
    image = RNG.normal(size=(4, 300))
    assert plots._thinned(image).shape == (4, 150) and plots._thinned(image[:, :100]).shape == (4, 100)
    assert plots._thinned(image).mean() == pytest.approx(image.mean())
    assert plots._thinned(image[:, :299])[:, -1] == pytest.approx(image[:, 298])


def test_examples_are_spread_over_the_class_and_repeat_none():
    assert plots._spread(np.arange(10, 20), 3) == [10, 14, 19]
    assert plots._spread(np.array([4, 8]), 3) == [4, 8] and plots._spread(np.array([4]), 3) == [4]
