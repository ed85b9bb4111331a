"""The table over seeds, its order, summary and Markdown, and the report's table beside it."""

import io
import itertools
import json
import re
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audioclust.report import table
from audioclust.results import costs

REFERENCE = pd.read_csv(Path(__file__).resolve().parents[2] / "docs/reference_table.csv")
CELLS = list(itertools.product(["zebra", "passt", "byol_a"], ["tsne", "none"], ["spectral", "kmeans", "agglomerative"]))


def one(cell, seed, **values):
    return dict(zip(table.KEY, cell, strict=True)) | {"seed": seed, "chosen": {}, "reason": ""} | values


def scored(cells=CELLS, seeds=3):
    """Rows whose AMI and NMI grow with the cell's place in the list and differ by 0.01 between seeds."""
    return pd.DataFrame(
        [
            one(
                cell,
                seed,
                ami=i / 20 + seed / 100,
                nmi=i / 20 + seed / 100,
                ari=i / 30,
                acc=0.5,
                silhouette=-i / 20,
                clusters=9,
                noise=0.0,
            )
            for i, cell in enumerate(cells)
            for seed in range(seeds)
        ]
    )


def unlabelled(choices=(0.1, 0.3, 0.2), largest=0.3, coverage=1.0, **values):
    """Return a row per choice; the other values are one for all rows, or one per row."""
    cells = CELLS[: len(choices)]
    values |= {"choice": list(choices), "largest": largest, "coverage": coverage, "clusters": 4, "noise": 0}
    return pd.DataFrame([one(cell, 0) for cell in cells]).assign(**values)


def nuisances(labels=None, **shares):
    """Return the table of one cell whose clusters the labels and nuisances explain to these shares."""
    ami = {} if labels is None else {"ami": 0.4, "explained": labels}
    return table.aggregate(unlabelled([0.3], **ami, **{f"{what}_explained": share for what, share in shares.items()}))


def reread(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def column(text, name):
    lines = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in text.splitlines()]
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


def test_where_weights_come_from_is_a_column():
    rows = scored(CELLS[:2], seeds=1).assign(weights=["on labels; CC BY 4.0", ""])
    frame = table.aggregate(rows)
    for shown in (table.markdown(frame), table.markdown(reread(frame))):
        assert sorted(column(shown, "weights")) == ["", "on labels; CC BY 4.0"]


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


def test_summary_names_the_best_cell_by_ami():
    found = table.summary(table.aggregate(scored()))
    assert list(found) == ["best", "byol_a", "passt", "zebra"]
    assert found["best"] == {"encoder": "byol_a", **found["byol_a"]}
    assert found["byol_a"]["reducer"] == "none" and found["byol_a"]["clusterer"] == "agglomerative"
    assert found["zebra"]["ami"] == found["zebra"]["nmi"] == pytest.approx(5 / 20 + 0.01)
    assert len([v for group in found.values() for v in group.values() if isinstance(v, float)]) <= 20


def test_summary_without_labels_goes_by_the_choice():
    rows = table.aggregate(unlabelled(silhouette_all=[0.9, 0.3, 0.2], balance=0.8))
    assert table.headline(rows) == "choice"
    summary = table.summary(rows)
    found = summary["best"]
    assert found["clusterer"] == CELLS[1][2] and found["choice"] == 0.3 and "nmi" not in found
    sizes = {"clusters": 4, "noise": 0, "largest": 0.3, "coverage": 1, "balance": 0.8}
    assert {name: found[name] for name in table.SIZES} == sizes
    assert summary["chosen"] == found and "second" not in summary


def test_what_would_be_chosen_without_labels_stands_beside_the_best():
    rows = table.aggregate(unlabelled((0.3, 0.5, 0.4), [0.3, 0.95, 0.3], ami=[0.7, 0.2, 0.6]))
    assert table.best(rows)["ami_mean"] == 0.7
    assert table.chosen(rows)["ami_mean"] == 0.6, "the cell of one giant cluster is not chosen"
    (line,) = table.verdict(rows)
    assert line == "Without labels the choice is zebra / tsne / agglomerative: AMI 0.600, 0.100 below the best cell."
    assert table.summary(rows)["chosen"]["ami"] == 0.6


def test_of_cells_with_nearly_the_same_choice_the_one_is_taken_that_depends_less_on_the_seed():
    rows = table.aggregate(unlabelled((0.500, 0.495, 0.2, 0.1)))
    assert table.chosen(rows)["choice_mean"] == 0.5
    rows["choice_std"] = rows["choice_mean"].map({0.5: 0.02, 0.495: 0.001, 0.2: 0.0, 0.1: 0.0})
    assert table.chosen(rows)["choice_mean"] == 0.495 == table.best(rows)["choice_mean"]
    one_seed = rows.assign(choice_std=float("nan"))
    assert table.chosen(one_seed)["choice_mean"] == 0.5


def test_a_cell_with_far_more_or_fewer_clusters_than_were_asked_for_is_not_chosen():
    rows = table.aggregate(unlabelled((0.9, 0.2, 0.8, 0.1)).assign(clusters=[2, 9, 30, 9]))
    assert table.chosen(rows)["choice_mean"] == 0.2 == table.best(rows)["choice_mean"]
    several = table.aggregate(unlabelled((0.9, 0.2, 0.8, 0.1)).assign(clusters=[2, 9, 30, 5]))
    assert table.chosen(several)["choice_mean"] == 0.9, "nobody was told a number"


def test_a_strong_structure_at_odds_with_the_chosen_one_is_named():
    choices, like = (0.5, 0.49, 0.45, 0.2), [1.0, 0.9, 0.1, 0.0]
    rows = table.aggregate(unlabelled(choices, like_chosen=like, ami=[0.1, 0.1, 0.9, 0.0]))
    assert table.second(rows)["ami_mean"] == 0.9
    assert "zebra / tsne / agglomerative, AMI 0.900" in table.verdict(rows)[1]
    assert table.summary(rows)["second"]["ami"] == 0.9
    weak = table.aggregate(unlabelled(choices, like_chosen=[1.0, 0.9, 0.25, 0.0]))
    assert table.second(weak) is None and len(table.verdict(weak)) == 1
    nothing = weak.assign(choice_mean=0.0)
    assert table.second(nothing) is None, "beside nothing anything would be strong"


@pytest.mark.parametrize(
    "largest, coverage",
    [(0.99, 0.99), (0.901, 1.0), (0.04, 0.04), (0.01, 0.05), (0.5, 0.55)],
    ids=["one and lone clips", "one and a small one", "noise", "noise and many small", "one and noise"],
)
def test_without_labels_a_cell_that_clusters_next_to_nothing_is_not_the_best(largest, coverage):
    rows = table.aggregate(unlabelled((0.9, 0.1, 0.2), [largest, 0.3, 0.3], [coverage, 1, 1]))
    assert table.best(rows)["clusterer"] == CELLS[2][2]
    assert list(table.degenerate(rows.sort_values("choice_mean"))) == [False, False, True]
    assert table.summary(rows)["zebra"]["clusterer"] == CELLS[2][2] and not table.warnings(rows)


@pytest.mark.parametrize("largest, coverage", [(0.9, 1.0), (0.1, 0.2), (0.6, 0.7)])
def test_nine_tenths_in_one_cluster_and_noise_may_be_the_best(largest, coverage):
    assert table.best(table.aggregate(unlabelled((0.1, 0.9), largest, coverage)))["choice_mean"] == 0.9


def test_where_no_cell_clusters_more_the_best_of_all_is_named_with_a_warning():
    rows = table.aggregate(unlabelled((0.1, 0.3), 0.95))
    assert table.best(rows)["choice_mean"] == 0.3
    assert re.fullmatch(r"warning: zebra / tsne / kmeans is best only.*90%.*95\.0% .*", "".join(table.warnings(rows)))


def test_with_labels_ami_alone_decides():
    rows = table.aggregate(unlabelled((0.9, 0.1), [0.3, 0.95], nmi=[0.3, 0.1], ami=[0.1, 0.2]))
    assert table.headline(rows) == "ami" and table.best(rows)["ami_mean"] == 0.2 and not table.warnings(rows)


def test_other_rows_of_a_method_lead_nothing_and_one_named_by_the_labels_is_never_the_best():
    names = ["kmeans", "idfd", "idfd/memory", "scan/majority"]
    rows = [one(("zebra", "none", name), 0, ami=value) for name, value in zip(names, (0.2, 0.3, 0.5, 0.9), strict=True)]
    result = table.aggregate(pd.DataFrame(rows))
    assert table.best(result)["clusterer"] == "idfd/memory"
    found = table.leaders(result, ["idfd", "scan"])
    assert {name: row["clusterer"] for name, row in found.items()} == {
        "best": "idfd/memory", "zebra": "kmeans", "idfd": "idfd",
    }  # fmt: skip


def test_clusters_that_follow_a_nuisance_more_than_the_labels_are_warned_of():
    (line,) = table.warnings(nuisances(labels=0.3, duration=0.41, level=0.35))
    assert line.startswith(
        "warning: the clusters of zebra / tsne / spectral follow the clips' duration: it explains 41%"
    )
    assert "the labels 30%" in line
    assert "follow the clips' group" in table.warnings(nuisances(labels=0.3, duration=0.41, group=0.7))[0]
    (line,) = table.warnings(reread(nuisances(rate=0.6)))
    assert "clips' rate: it explains 60% of them, more than everything else together" in line


@pytest.mark.parametrize(
    "shares",
    [{"labels": 0.5, "duration": 0.5}, {"labels": 0.5}, {"duration": 0.5}, {}, {"labels": -0.01, "level": 0.09}],
)
def test_no_warning_where_labels_lead_or_chance_would_do(shares):
    assert table.warnings(nuisances(**shares)) == []


def test_warnings_are_of_leaders_and_deep_methods_each_once():
    rows = unlabelled((0.1, 0.2, 0.3), duration_explained=0.7)
    rows.loc[len(rows)] = one(("scratch", "none", "deepcluster"), 0, duration_explained=0.6)
    found = table.warnings(table.aggregate(rows), ["deepcluster"])
    assert [" / ".join(CELLS[2]) in line for line in found] == [True, False]
    assert "scratch / none / deepcluster" in found[1]


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
    assert column(text, "NMI")[-1] == "0.010 ± 0.008" and column(text, "ACC")[0] == "0.500"
    assert "choice" not in text and "MI" not in table.markdown(table.aggregate(unlabelled()))


def test_markdown_is_sorted_by_what_cells_are_compared_by_and_has_the_best_first():
    assert column(table.markdown(table.aggregate(scored())), "AMI") == [
        f"{0.01 + i / 20:.3f} ± 0.008" for i in reversed(range(len(CELLS)))
    ]
    rows = table.aggregate(unlabelled((0.9, 0.1, 0.5, 0.3), [0.95, 0.3, 0.3, 0.3]))
    assert column(table.markdown(rows), "choice") == ["0.500", "0.300", "0.100", "0.900"], "no cluster of its own"
    out = pd.concat([pd.DataFrame([one(CELLS[0], 0, reason="too large")]), unlabelled((0.1, 0.3)).iloc[1:]])
    assert column(table.markdown(table.aggregate(out)), "chosen") == ["", "too large"]


def test_markdown_has_whole_numbers_of_clusters():
    rows = pd.DataFrame([one(CELLS[0], seed, ami=0.5, clusters=count) for seed, count in enumerate((9, 9, 8))])
    assert table.aggregate(rows)["clusters"][0] == 8.6667
    assert column(table.markdown(table.aggregate(rows)), "clusters") == ["9"]


@pytest.mark.parametrize("rows, score", [(scored(), "0.860 ± 0.008"), (unlabelled(), "0.300")])
def test_the_best_cell_and_its_score_are_bold(rows, score):
    frame = table.aggregate(rows)
    for shown in (table.markdown(frame), table.markdown(reread(frame))):
        (line,) = [line for line in shown.splitlines() if "**" in line]
        assert line == shown.splitlines()[2], "the first"
        names = [table.best(frame)[part] for part in table.KEY]
        assert line.startswith("| " + " | ".join(f"**{name}**" for name in names)) and f"| **{score}** |" in line
        assert line.count("**") == 8


def test_where_no_cell_has_a_score_none_is_bold():
    shown = table.markdown(table.aggregate(pd.DataFrame([one(CELLS[0], 0, reason="too large")])))
    assert "too large" in shown and "*" not in shown


def test_a_text_stays_one_cell_and_is_no_code():
    reason = "a | b\n`c` <img onerror=x> \\"
    shown = table.markdown(table.aggregate(pd.DataFrame([one(CELLS[0], 0, reason=reason)])))
    assert "a \\| b \\`c\\` \\<img onerror=x> \\\\ |" in shown and len(shown.splitlines()) == 3


def test_markdown_shows_sizes_and_nuisances():
    rows = unlabelled(
        largest=0.25, coverage=0.75, group_nmi=0.1, duration_nmi=0.5, rate_nmi=0.0, level_nmi=[0.1, 0.2, 0.3]
    )
    text = table.markdown(table.aggregate(rows))
    assert column(text, "largest") == ["0.250"] * 3 and column(text, "coverage") == ["0.750"] * 3
    assert column(text, "NMI of duration") == ["0.500"] * 3 and column(text, "NMI of level")[0] != ""
    assert column(text, "choice") and "NMI of rate" in text and "NMI of group" in text


def test_one_seed_has_no_deviation():
    assert "±" not in table.markdown(table.aggregate(scored(seeds=1)))


def test_costs_stand_beside_their_cells():
    spent = [dict(zip(table.KEY, CELLS[0], strict=True)) | {"seconds": s, "peak_mb": m} for s, m in [(1, 90), (2, 70)]]
    frame = table.aggregate(scored(CELLS[:2]))
    text = table.markdown(frame, pd.DataFrame(spent))
    shown = dict(zip(column(text, "clusterer"), column(text, "s"), strict=True))
    assert shown == {CELLS[0][2]: "1.50", CELLS[1][2]: ""} and "90" in column(text, "MB")
    assert table.markdown(frame, pd.DataFrame()) == table.markdown(frame, None) == table.markdown(frame)


def test_costs_are_those_of_all_stages_that_make_cells(tmp_path):
    for stage in ("grid-a", "deep-b", "pair-c", "embed-d"):
        costs.write(tmp_path, stage, [{"clusterer": stage, "seconds": 1.0}])
    assert {*table.spent(tmp_path)["clusterer"]} == {"grid-a", "deep-b", "pair-c"}


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
