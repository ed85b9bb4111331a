"""The table over seeds, its order, summary and Markdown, and the report's table beside it."""

import io
import itertools
import json
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audioclust.report import table

REFERENCE = pd.read_csv(Path(__file__).resolve().parents[2] / "docs/reference_table.csv")
CELLS = list(itertools.product(["zebra", "passt", "byol_a"], ["tsne", "none"], ["spectral", "kmeans", "agglomerative"]))


def one(cell, seed, **values):
    return dict(zip(table.KEY, cell, strict=True)) | {"seed": seed, "chosen": {}, "reason": ""} | values


def scored(cells=CELLS, seeds=3):
    """Rows whose NMI grows with the cell's place in the list and differs by 0.01 between seeds."""
    return pd.DataFrame(
        [
            one(cell, seed, nmi=i / 20 + seed / 100, ari=i / 30, acc=0.5, silhouette=-i / 20, clusters=9, noise=0.0)
            for i, cell in enumerate(cells)
            for seed in range(seeds)
        ]
    )


def unlabelled(silhouettes=(0.1, 0.3, 0.2)):
    cells = CELLS[: len(silhouettes)]
    rows = [one(c, 0, silhouette=s, clusters=4, noise=0.1) for c, s in zip(cells, silhouettes, strict=True)]
    return pd.DataFrame(rows)


def reread(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def column(text, name):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return [line[lines[0].index(name)] for line in lines[2:]]


def test_mean_and_population_deviation_over_seeds():
    row = table.aggregate(scored(CELLS[:1])).iloc[0]
    assert row["nmi_mean"] == pytest.approx(0.01)
    assert row["nmi_std"] == pytest.approx(statistics.pstdev([0, 0.01, 0.02]), abs=1e-4)
    assert row["seeds"] == 3 and row["clusters"] == 9 and np.isnan(row["group_nmi_mean"])


def test_the_order_is_the_reports_whatever_the_order_of_the_rows():
    found = table.aggregate(scored().sample(frac=1, random_state=0))
    assert list(dict.fromkeys(found["encoder"])) == ["byol_a", "passt", "zebra"]
    assert list(dict.fromkeys(found["reducer"])) == ["none", "tsne"]
    assert list(found["clusterer"][:3]) == ["agglomerative", "kmeans", "spectral"]
    order = table.aggregate(REFERENCE.sample(frac=1, random_state=0).assign(chosen="", reason=""))[table.KEY]
    assert order.equals(REFERENCE[table.KEY])


def test_the_table_does_not_depend_on_the_order_of_rows_and_is_rounded():
    rows = scored().assign(nmi=np.random.default_rng(0).random(len(scored())))
    text = table.aggregate(rows).to_csv(index=False)
    assert table.aggregate(rows[::-1]).to_csv(index=False) == text
    numbers = [cell for cell in text.replace("\n", ",").split(",") if cell.replace(".", "").isdigit()]
    assert max(len(number.partition(".")[2]) for number in numbers) == 4


def test_tiny_negative_scores_are_written_without_a_minus():
    assert "-0.0" not in table.aggregate(scored(CELLS[:1]).assign(ari=-1e-9)).to_csv()


def test_chosen_values_are_joined_over_seeds():
    rows = pd.DataFrame(
        [one(CELLS[0], s, chosen={"eps": 0.1 + 0.2}) for s in (0, 1)]
        + [one(CELLS[1], s, chosen=json.dumps({"bandwidth": 1.0 + s, "k": 9})) for s in (0, 1)]
        + [one(CELLS[2], 0, chosen="")]
    )
    found = table.aggregate(rows).set_index(table.KEY)["chosen"]
    assert json.loads(found[CELLS[0]]) == {"eps": 0.3}
    assert json.loads(found[CELLS[1]]) == {"bandwidth": [1.0, 2.0], "k": 9}
    assert found[CELLS[2]] == ""
    assert "bandwidth 1 / 2, k 9" in table.markdown(table.aggregate(rows))


def test_a_cell_that_did_not_run_has_its_reason_and_no_scores():
    rows = pd.concat([scored(CELLS[:2]), pd.DataFrame([one(CELLS[2], s, reason="needs 9 | 8 GB") for s in range(3)])])
    found = table.aggregate(rows)
    row = found[found["reason"] != ""].iloc[0]
    assert row["seeds"] == 0 and np.isnan(row["nmi_mean"]) and row["clusterer"] == CELLS[2][2]
    for shown in (table.markdown(found), table.markdown(reread(found))):
        line = next(line for line in shown.splitlines() if "needs 9" in line)
        assert "needs 9 \\| 8 GB" in line and "nan" not in shown


def test_scores_of_the_seeds_that_ran_are_kept_where_one_did_not():
    rows = pd.concat([scored(CELLS[:1], seeds=2), pd.DataFrame([one(CELLS[0], 2, reason="too large")])])
    row = table.aggregate(rows).iloc[0]
    assert row["seeds"] == 2 and row["nmi_mean"] == pytest.approx(0.005) and row["reason"] == "too large"


def test_summary_names_the_best_cell_by_nmi():
    found = table.summary(table.aggregate(scored()))
    assert list(found) == ["best", "byol_a", "passt", "zebra"]
    assert found["best"] == {"encoder": "byol_a", **found["byol_a"]}
    assert found["byol_a"]["reducer"] == "none" and found["byol_a"]["clusterer"] == "agglomerative"
    assert found["zebra"]["nmi"] == pytest.approx(5 / 20 + 0.01)
    assert len([v for group in found.values() for v in group.values() if isinstance(v, float)]) <= 20


def test_summary_without_labels_goes_by_the_silhouette():
    rows = table.aggregate(unlabelled())
    assert table.headline(rows) == "silhouette"
    best = table.summary(rows)["best"]
    assert (
        best["clusterer"] == CELLS[1][2] and best["silhouette"] == 0.3 and best["clusters"] == 4 and "nmi" not in best
    )


def test_summary_is_strict_json():
    found = table.summary(table.aggregate(scored(CELLS[:1]).drop(columns="ari")))
    assert found["best"]["ari"] is None
    json.dumps(found, allow_nan=False)


def test_a_table_without_any_score_says_so():
    rows = pd.DataFrame([one(CELLS[0], 0, reason="too large")])
    with pytest.raises(ValueError, match="no cell of the table has a score"):
        table.summary(table.aggregate(rows))


def test_markdown_has_one_row_a_cell_and_only_scores_that_exist():
    text = table.markdown(table.aggregate(scored()))
    assert len({line.count("|") for line in text.splitlines()}) == 1
    assert len(text.splitlines()) == len(CELLS) + 2
    assert column(text, "NMI")[-1] == "0.010 ± 0.008" and column(text, "clusters")[0] == "9"
    assert "AMI" not in text and "NMI" not in table.markdown(table.aggregate(unlabelled()))


def test_one_seed_has_no_deviation():
    assert "±" not in table.markdown(table.aggregate(scored(seeds=1)))


def test_costs_stand_beside_their_cells():
    spent = [dict(zip(table.KEY, CELLS[0], strict=True)) | {"seconds": s, "peak_mb": m} for s, m in [(1, 90), (2, 70)]]
    frame = table.aggregate(scored(CELLS[:2]))
    text = table.markdown(frame, pd.DataFrame(spent))
    shown = dict(zip(column(text, "clusterer"), column(text, "s"), strict=True))
    assert shown == {CELLS[0][2]: "1.50", CELLS[1][2]: ""} and "90" in column(text, "MB")
    assert table.markdown(frame, pd.DataFrame()) == table.markdown(frame, None) == table.markdown(frame)


def test_the_reference_has_the_reports_rows():
    assert len(REFERENCE) == 36 and REFERENCE.groupby("encoder").size().eq(9).all()
    assert not REFERENCE.duplicated(table.KEY).any() and REFERENCE[["nmi", "acc"]].stack().between(0, 1).all()
    cell = REFERENCE.set_index(table.KEY).loc[("passt", "pca", "agglomerative")]
    assert tuple(cell) == (0.69, 0.72)


def test_reference_comparison_shows_both_and_the_difference():
    rows = pd.DataFrame([one(("passt", "pca", "agglomerative"), s, nmi=0.72, acc=0.7) for s in range(2)])
    text = table.reference_comparison(table.aggregate(rows), REFERENCE)
    line = next(line for line in text.splitlines() if "passt | pca | agglomerative" in line)
    assert line == "| passt | pca | agglomerative | 0.69 | 0.72 | +0.03 | 0.72 | 0.70 | -0.02 |"
    assert text.count("not run") == 2 * 35 and "nan" not in text
