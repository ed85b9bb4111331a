"""clusters.yaml: what it may say, and what becomes of the labels."""

from pathlib import Path

import numpy as np
import pytest

from audioclust.report import edits

ROOT = Path(__file__).resolve().parents[2]
CELL = "aisfx/tsne/spectral/0"
LABELS = np.repeat([0, 1, 2, 3, -1], [6, 4, 5, 3, 2])


@pytest.fixture
def said(tmp_path):
    """Return what reads a text as clusters.yaml."""

    def read(text: str) -> edits.Edits:
        (tmp_path / "clusters.yaml").write_text(text, encoding="utf-8")
        return edits.read(tmp_path / "clusters.yaml")

    return read


def points(labels: np.ndarray = LABELS) -> np.ndarray:
    """Return (n, 2): of each cluster two points, the second one as often as may be, a little apart."""
    x = np.stack([10.0 * labels, np.zeros(len(labels))], axis=1)
    for cluster in np.unique(labels):
        x[np.flatnonzero(labels == cluster)[1:], 1] = 5
    return x + np.random.default_rng(0).normal(0, 0.01, x.shape)


def applied(said, text: str) -> edits.Edited:
    return edits.apply(said(text), LABELS, points(), CELL)


def test_the_committed_file_edits_nothing(said):
    found = edits.read(ROOT / "clusters.yaml")
    assert found == edits.Edits(path=ROOT / "clusters.yaml") and found.number() == 0
    labels, names = edits.apply(found, LABELS, points(), CELL)
    assert (labels == LABELS).all() and names == {}
    assert said("").number() == 0


def test_the_example_in_the_file_is_read(said):
    lines = (ROOT / "clusters.yaml").read_text().splitlines()
    example = [line.removeprefix("#   ").partition("   ")[0] for line in lines if line.startswith("#   ")]
    found = said("\n".join(example))
    assert found.cell == CELL and found.names[5] == "door, far" and found.merge == [[1, 4], [2, 8]]
    assert (found.split, found.drop) == ({2: 3}, [7])


def test_split_merge_drop_and_names_follow_each_other(said):
    text = "names: {3: cat, 2: dog, 5: bark, 0: gone}\nmerge: [[3, 4, 0]]\nsplit: {2: 2, 0: 2}\ndrop: [1]\n"
    labels, names = applied(said, text)
    assert names == {2: "dog", 3: "cat", 5: "bark"}
    assert labels[LABELS == 1].tolist() == [-1] * 4 and labels[LABELS == -1].tolist() == [-1, -1]
    assert labels[LABELS == 2].tolist() == [3, 2, 2, 2, 2]  # the largest part keeps the number, the other is merged
    assert labels[LABELS == 0].tolist() == [5, 3, 3, 3, 3, 3] and set(labels[LABELS == 3]) == {3}
    assert np.bincount(LABELS + 1).tolist() == [2, 6, 4, 5, 3], "the input is left as it is"


def test_a_later_split_leaves_the_numbers_of_an_earlier_one(said):
    before = applied(said, "split: {2: 2}").labels
    after = applied(said, "split: {2: 2, 0: 2}").labels
    assert (before[LABELS == 2] == after[LABELS == 2]).all() and set(after[LABELS == 0]) == {0, 5}


def test_a_split_is_the_same_each_time(said):
    assert (applied(said, "split: {0: 3}").labels == applied(said, "split: {0: 3}").labels).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell: best\ncell: best", "not readable as YAML.*duplicate key"),
        ("names: {1: a, 1: b}", "not readable as YAML.*duplicate key"),
        ("names: [", "not readable as YAML"),
        ("best", "must hold keys and values.*'best'"),
        ("nmes: {1: a}", "nmes: unknown key.*did you mean 'names'"),
        ("names: {one: a}", "names = .*valid integer"),
        ("names: {1: 5}", "names = .*valid string"),
        ("names: {-1: wind}", "names = .*greater than or equal to 0"),
        ("merge: [1, 4]", "merge = .*valid list"),
        ("split: {2: two}", "split = .*valid integer"),
        ("drop: 7", "drop = 7: must be a valid list"),
    ],
)
def test_what_the_file_may_not_say(said, text, message):
    with pytest.raises(ValueError, match=rf"(?s)clusters\.yaml: {message}"):
        said(text)


def test_yaml_is_read_as_of_1_2_and_a_byte_order_mark_is_passed_over(said):
    assert said("\ufeffnames:\n  1: no\n  2: on\n  3: 08:30\n").names == {1: "no", 2: "on", 3: "08:30"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {7: dog}", "names: cluster 7 does not exist: the best cell, .* has the clusters 0, 1, 2, 3; if this"),
        (f"cell: {CELL}\nnames: {{7: dog}}", f"names: cluster 7 does not exist: {CELL} has the clusters 0, 1, 2, 3$"),
        ("merge: [[1]]", "name two clusters or more"),
        ("merge: [[1, 2], [2, 3]]", "cluster 2 stands there twice"),
        ("merge: [[1, 1]]", "cluster 1 stands there twice"),
        ("merge: [[1, 9]]", "merge: cluster 9 does not exist"),
        ("split: {2: 2}\nmerge: [[1, 5]]", "merge: cluster 5 does not exist: .* has the clusters 0, 1, 2, 3, 4;"),
        ("merge: [[1, 2]]\ndrop: [2]", "drop: cluster 2 is merged into 1"),
        ("drop: [1, 1]", "drop: cluster 1 is dropped"),
        ("drop: [0, 1, 2, 3]", "no cluster is left"),
        ("split: {1: 1}", "cluster 1 into 1: must be 2 or more, and at most its 4 clips"),
        ("split: {1: 5}", "cluster 1 into 5: must be 2 or more, and at most its 4 clips"),
        ('names: {1: " "}', "characters that can be printed"),
        ('names: {1: "a\\u0007b"}', "characters that can be printed"),
        ('names: {1: "3"}', "taken for the number of a cluster"),
    ],
)
def test_edits_that_do_not_fit_the_clusters(said, text, message):
    with pytest.raises(ValueError, match=rf"clusters\.yaml: .*{message}"):
        applied(said, text)


def test_clips_that_are_the_same_are_not_split_further(said):
    with pytest.raises(ValueError, match="its clips are the same but for 1; split it into fewer"):
        edits.apply(said("split: {0: 2}"), LABELS, np.zeros((len(LABELS), 3)), CELL)


def test_a_name_stands_on_one_line(said):
    assert applied(said, 'names: {1: "a\\tb\\n  c"}').names == {1: "a b c"}


def test_a_cell_is_found_or_its_neighbours_are_named(said):
    cells = {CELL: "", "aisfx/tsne/kmeans/0": "", "aisfx/none/meanshift/0": "too many clips"}
    assert edits.find(said(f"cell: {CELL}"), cells) == CELL
    with pytest.raises(ValueError, match=f"no such cell; .* such as {CELL}, .* or best"):
        edits.find(said("cell: aisfx/tsne/spectrl/0"), cells)
    with pytest.raises(ValueError, match="this cell did not run: too many clips"):
        edits.find(said("cell: aisfx/none/meanshift/0"), cells)
