"""The tables of separation: means by hand, the source's figures beside ours, and several runs in one."""

import io
import json
import re
from functools import cache

import numpy as np
import pandas as pd

from audioclust.report.separation import ALL, KEY, SCORES, aggregate, markdown, read, summary

ABOUT = {"speech": {"sources": 2, "pairs": "all", "k": 40, "activation": "tanh"}}
PARTS = ("ff", "fm", "mm")

COLUMNS = [*KEY, "mixtures", "seeds", "counted", *SCORES, "sdr_improvement_std"]


def row(gain: float, mixture: str = "a", **changes) -> dict:
    """Return a row of stage ``separate``: global k-means of a model, of one source of a closed mixture of two."""
    return {
        "corpus": "mixtures", "mixture": mixture, "set": "closed", "count": 2, "part": "fm", "source": "s0",
        "method": "global", "model": "speech", "seed": 0, "sdr_improvement": gain, "si_sdr_improvement": gain - 1,
        "mixture_sdr": 0.5, "mixture_si_sdr": 0.25, "counted": True,
    } | changes  # fmt: skip


def speech(gain: float = 5.0, model: str = "speech", counts=(2, 3), seeds=(0, 1)) -> pd.DataFrame:
    """Return the rows of a run: all methods, sets and genders; a baseline gains 1 dB less than the model's methods."""
    rows = []
    for count in counts:
        for name in ("closed", "open"):
            for place, part in enumerate(PARTS if count == 2 else ("ffm",)):
                where = {"mixture": f"{name}{count}-{place}", "set": name, "count": count, "part": part}
                for method in ("mixture", "nmf", "ideal binary", "ideal ratio"):
                    if method != "nmf" or name == "closed":
                        rows.append(row(gain - 1 + place, method=method, model="", seed=-1, **where))
                for method in ("global", "soft", "oracle", "spectral"):
                    rows += [row(gain + place + seed, method=method, model=model, seed=seed, **where) for seed in seeds]
    return pd.DataFrame(rows)


def music() -> pd.DataFrame:
    parts = {"piano": 3.0, "violin": 2.0, "cello": 1.0}
    about = {"corpus": "music", "count": 3, "set": "open", "model": "trio"}
    return pd.DataFrame([row(gain, part=name, source=name, **about) for name, gain in parts.items()])


def cell(table: pd.DataFrame, **keys) -> pd.Series:
    chosen = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def lines(text: str, title: str) -> list[list[str]]:
    """Return the cells of the table below a title, the header first."""
    part = text.split(f"## {title}\n")[1].split("\n## ")[0]
    return [[each.strip() for each in line.strip("|").split("|")] for line in part.splitlines() if line[:1] == "|"]


@cache
def reported() -> str:
    return markdown(aggregate(speech(), ABOUT))


# Means


def test_the_share_of_mixtures_whose_number_of_sources_is_told_right():
    rows = pd.DataFrame(
        [
            row(1.0),
            row(1.0, mixture="b", part="mm", counted=False),
            row(1.0, mixture="c", part="ff"),
            row(1.0, mixture="d", part="mm"),
            row(0.0, method="ideal binary", model="", counted=None),
        ]
    )
    table = aggregate(rows, ABOUT)
    assert cell(table, part=ALL, method="global")["counted"] == 0.75
    assert pd.isna(cell(table, part=ALL, method="ideal binary")["counted"])
    assert "The number of sources is told right: speech closed 75% of 4." in markdown(table)
    found = summary(table)["mixtures"]["2 sources"]["closed"]
    assert found["speech global"]["counted"] == 0.75 and "counted" not in found["ideal binary"]


def test_means_over_mixtures_and_sources_and_the_deviation_over_seeds():
    rows = pd.DataFrame([
        row(1.0), row(2.0, source="s1"), row(6.0, mixture="b", part="mm"),
        row(4.0, seed=1), row(5.0, source="s1", seed=1), row(9.0, mixture="b", part="mm", seed=1),
    ])  # fmt: skip
    table = aggregate(rows, ABOUT)
    assert table.columns.tolist() == COLUMNS
    everything = cell(table, part=ALL)
    assert everything["sdr_improvement"] == 4.5 and everything["si_sdr_improvement"] == 3.5
    assert everything["sdr_improvement_std"] == 1.5, "of 3 and 6"
    assert (everything["mixtures"], everything["seeds"]) == (2, 2)
    assert (everything["mixture_sdr"], everything["mixture_si_sdr"]) == (0.5, 0.25)
    assert cell(table, part="fm")["sdr_improvement"] == 3 and cell(table, part="mm")["sdr_improvement"] == 7.5
    assert everything[["sources", "pairs", "k", "activation"]].tolist() == [2, "all", 40, "tanh"]


def test_a_number_is_written_as_one_beside_a_baseline_without_it():
    rows = pd.DataFrame([row(1.0, method="mixture", model="", seed=-1), row(2.0)])
    written = aggregate(rows, ABOUT).to_csv(index=False)
    assert "mixtures,speech,2,all,40,tanh," in written and "mixtures,,,,,," in written


def test_a_baseline_has_no_parameters_and_stands_first():
    table = aggregate(speech(), ABOUT)
    first = table.iloc[0]
    assert first["method"] == "mixture" and first[["model", "sources", "pairs", "k", "activation"]].tolist() == [""] * 5
    own = table[(table["set"] == "open") & (table["count"] == 2) & (table["part"] == ALL)]
    assert own["method"].tolist() == ["mixture", "ideal binary", "ideal ratio", "oracle", "spectral", "global", "soft"]


def test_a_source_without_a_sound_is_left_out():
    table = aggregate(pd.DataFrame([row(2.0), row(np.nan, source="s1"), row(np.nan, mixture="b", part="mm")]), ABOUT)
    assert cell(table, part=ALL)["sdr_improvement"] == 2 == cell(table, part="fm")["sdr_improvement"]
    assert np.isnan(cell(table, part="mm")["sdr_improvement"])
    genders = lines(markdown(table), "mixtures: genders, and the pairs trained on")
    assert ["global k-means", "all", "closed", "[2.54]", "[2.85]", "2.00 [9.07]", "2.00 [5.87]"] in genders


def test_unknown_genders_are_part_of_all_alone():
    table = aggregate(pd.DataFrame([row(2.0, part=""), row(4.0, part="", source="s7")]), ABOUT)
    assert table["part"].tolist() == [ALL] and table["sdr_improvement"].tolist() == [3.0]
    assert "| speech | global k-means | 3.00 [5.87] | [5.81] |" in markdown(table), "it is speech all the same"


def test_minus_zero_is_zero():
    assert str(aggregate(pd.DataFrame([row(-1e-9)]), ABOUT)["sdr_improvement"].iloc[0]) == "0.0"


# Tables


def test_the_four_tables_of_the_source():
    text = reported()
    titles = re.findall("^## (.*)$", text, re.M)
    assert titles == [
        "mixtures: two speakers", "mixtures: dimensions and activation of the embedding",
        "mixtures: genders, and the pairs trained on", "mixtures: three speakers",
    ]  # fmt: skip
    assert "SDR of the mixtures themselves: closed 0.50 dB, open 0.50 dB." in text
    assert "nan" not in text and "None" not in text
    for title in titles:  # a table is a rectangle
        table = lines(text, title)
        assert len(table) > 2 and {len(line) for line in table} == {len(table[0])}


def test_table_1_compares_the_ways_to_cluster():
    found = lines(reported(), "mixtures: two speakers")
    assert found[0] == ["model", "method", "closed", "open"]
    assert found[2:] == [
        ["–", "oracle NMF", "5.00 [5.06]", "–"],
        ["–", "ideal binary mask", "5.00", "5.00"],
        ["–", "ideal ratio mask", "5.00", "5.00"],
        ["speech", "oracle k-means", "6.50 ± 0.50 [6.54]", "6.50 ± 0.50 [6.45]"],
        ["speech", "oracle spectral", "6.50 ± 0.50 [6.35]", "6.50 ± 0.50 [6.26]"],
        ["speech", "global k-means", "6.50 ± 0.50 [5.87]", "6.50 ± 0.50 [5.81]"],
        ["speech", "global, soft masks", "6.50 ± 0.50", "6.50 ± 0.50"],
    ]


def test_table_2_has_the_sources_rows_and_ours():
    found = lines(reported(), "mixtures: dimensions and activation of the embedding")
    assert found[0] == ["K", "activation", "model", "oracle closed", "oracle open", "global closed", "global open"]
    assert [line[:2] for line in found[2:]] == [
        ["5", "tanh"], ["10", "tanh"], ["20", "tanh"], ["40", "tanh"], ["60", "tanh"], ["40", "logistic"],
    ]  # fmt: skip
    assert found[2][2:] == ["–", "[-0.77]", "[-0.74]", "[-0.96]", "[-1.07]"]
    assert found[5][2:] == [
        "speech", "6.50 ± 0.50 [6.54]", "6.50 ± 0.50 [6.45]", "6.50 ± 0.50 [5.87]", "6.50 ± 0.50 [5.81]",
    ]  # fmt: skip


def test_table_3_has_the_pairs_of_genders():
    found = lines(reported(), "mixtures: genders, and the pairs trained on")
    assert found[0] == ["method", "trained on", "set", "m + m", "f + f", "f + m", "all"]
    assert found[2] == ["oracle NMF", "–", "closed", "6.00 [3.25]", "4.00 [3.31]", "5.00 [6.53]", "5.00 [4.90]"]
    own = next(line for line in found if line[:3] == ["global k-means", "all", "open"])
    assert own[3:] == ["7.50 ± 0.50 [3.51]", "5.50 ± 0.50 [1.42]", "6.50 ± 0.50 [8.57]", "6.50 ± 0.50 [5.80]"]
    women = next(line for line in found if line[:3] == ["global k-means", "female", "open"])
    assert women[3:] == ["–", "[2.56]", "–", "–"]


def test_table_4_has_three_speakers():
    found = lines(reported(), "mixtures: three speakers")
    assert found[0] == ["model", "trained on", "method", "closed", "open"]
    assert ["–", "–", "oracle NMF", "4.00 [4.42]", "–"] in found
    assert ["speech", "2", "oracle k-means", "5.50 ± 0.50 [3.50]", "5.50 ± 0.50 [2.81]"] in found
    assert "three speakers" not in markdown(aggregate(speech(counts=(2,)), ABOUT))


def test_music_is_shown_by_instrument():
    about = ABOUT | {"trio": {"sources": 3, "pairs": "all", "k": 10, "activation": "tanh"}}
    text = markdown(aggregate(pd.concat([speech(), music()]), about))
    found = lines(text, "music: 3 instruments")
    assert found[0] == ["model", "trained on", "method", "set", "cello", "piano", "violin", "all"]
    assert found[2:] == [["trio", "3", "global k-means", "open", "1.00", "3.00", "2.00", "2.00"]]
    assert "## mixtures: two speakers" in text


# Several runs


def written(rows: pd.DataFrame, **about) -> str:
    """Return what a run keeps in metrics/separation.csv."""
    return aggregate(rows, {"speech": ABOUT["speech"] | about}).to_csv(index=False)


def test_a_table_is_read_as_it_was_written():
    table = aggregate(speech(), ABOUT)
    table.loc[3, "sdr_improvement"] = np.nan
    pd.testing.assert_frame_equal(read(io.StringIO(table.to_csv(index=False))), table)
    models = aggregate(speech()[speech()["model"] != ""], ABOUT)
    assert markdown(read(io.StringIO(models.to_csv(index=False)))) == markdown(models), "without baselines"


def test_several_runs_one_under_the_other_fill_the_tables():
    runs = [
        written(speech(5.0)), written(speech(1.0), k=5), written(speech(2.0), activation="logistic"),
        written(speech(3.0), pairs="balanced"), written(speech(4.0, counts=(2, 3)), sources=3),
    ]  # fmt: skip
    text = markdown(pd.concat([read(io.StringIO(run)) for run in runs], ignore_index=True))
    assert text.count("closed 0.50 dB, open 0.50 dB.") == 1
    two = lines(text, "mixtures: dimensions and activation of the embedding")
    assert two[2][:4] == ["5", "tanh", "speech", "2.50 ± 0.50 [-0.77]"] and two[5][3] == "6.50 ± 0.50 [6.54]"
    assert two[7][:4] == ["40", "logistic", "speech", "3.50 ± 0.50 [6.59]"]
    three = lines(text, "mixtures: genders, and the pairs trained on")
    balanced = next(line for line in three if line[:3] == ["oracle k-means", "balanced", "closed"])
    assert balanced[3:] == ["5.50 ± 0.50 [3.89]", "3.50 ± 0.50 [4.35]", "4.50 ± 0.50 [8.74]", "4.50 ± 0.50 [6.42]"]
    four = lines(text, "mixtures: three speakers")
    assert ["speech", "2", "oracle k-means", "5.50 ± 0.50 [3.50]", "5.50 ± 0.50 [2.81]"] in four
    assert ["speech", "3", "oracle k-means", "4.50 ± 0.50 [6.15]", "4.50 ± 0.50"] in four, "though of the same name"


def test_the_first_of_several_runs_is_the_one_of_table_1():
    runs = [aggregate(speech(gain), ABOUT) for gain in (5.0, 9.0)]
    found = lines(markdown(pd.concat(runs)), "mixtures: two speakers")
    assert ["speech", "global k-means", "6.50 ± 0.50 [5.87]", "6.50 ± 0.50 [5.81]"] in found
    assert len(found) == 2 + 7


# The summary


def test_the_summary_is_json_of_all_scores():
    found = json.loads(json.dumps(summary(aggregate(pd.concat([speech(), music()]), ABOUT))))
    assert set(found) == {"mixtures", "music"} and set(found["mixtures"]) == {"2 sources", "3 sources"}
    two = found["mixtures"]["2 sources"]["closed"]
    assert two["mixture"] == {"sdr": 0.5, "si_sdr": 0.25}
    assert two["speech global"] == {"sdr_improvement": 6.5, "si_sdr_improvement": 5.5, "counted": 1.0}
    assert two["speech oracle"] == {"sdr_improvement": 6.5, "si_sdr_improvement": 5.5}
    assert two["nmf"]["sdr_improvement"] == 5 and "nmf" not in found["mixtures"]["2 sources"]["open"]


def test_the_summary_leaves_out_what_has_no_score():
    found = summary(aggregate(pd.DataFrame([row(np.nan, counted=None)]), ABOUT))
    assert found["mixtures"]["2 sources"]["closed"]["speech global"] == {}


def test_nothing_to_show():
    empty = pd.DataFrame(
        columns=["corpus", "mixture", "set", "count", "part", "source", "method", "model", "seed", *SCORES]
    )
    table = aggregate(empty, {})
    assert table.empty and table.columns.tolist() == COLUMNS
    assert summary(table) == {} and "##" not in markdown(table)
    assert read(io.StringIO(table.to_csv(index=False))).empty
