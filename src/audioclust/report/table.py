"""The final table: one row per cell (encoder, reducer, clusterer), its summary and Markdown, the report's beside it.

Where clips have labels, cells are compared by AMI, which many clusters do not raise as they raise NMI, else by their
``choice`` (``report.choice``): the headline score.
"""

import json
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audioclust.results import costs

KEY = ["encoder", "reducer", "clusterer"]
ORIGIN = "weights"  # where those of a row's encoder come from
# What clusters may follow although it says how clips were recorded or cut, and the scores against each.
NUISANCES = {
    "group": ("nmi", "ari", "acc", "explained"),
    "duration": ("nmi", "explained"),
    "rate": ("nmi", "explained"),
    "level": ("nmi", "explained"),
}
SCORES = ["nmi", "nmi_arithmetic", "ami", "ari", "acc", "explained",
          *(f"{what}_{name}" for what, names in NUISANCES.items() for name in names),
          "probe", "agreement", "choice", "kappa", "found_again", "like_chosen",
          "silhouette_all", "silhouette", "davies_bouldin", "calinski_harabasz"]  # fmt: skip
SIZES = ["clusters", "noise", "largest", "coverage", "balance"]
LABELLED, UNLABELLED = "ami", "choice"  # what cells are compared by
HEADLINES = {LABELLED: "AMI", UNLABELLED: "choice without labels"}
MAJORITY = "/majority"  # end of a row's name whose clusters are scored as their most frequent labels
MOST = 0.9  # of the clips in the largest cluster or in none: a cell beyond that has not clustered them
STRONG = 0.7  # of the best choice: a clustering that is as good and disagrees with it shows a second structure
OTHER = 0.2  # share of each other's entropy that two clusterings at odds explain at most
FINER = 2.0  # times as many clusters as were asked for, or as few, are another question
# Shares of the clusters' entropy that a nuisance must explain to be said to lead: more than chance does (0, with 99 %
# of random clusters of 100 clips below this), and without labels more than everything else together.
BY_CHANCE, HALF = 0.1, 0.5
# The order of the reference report's Table 3.1; what it does not have follows by name.
REPORT = {
    "encoder": ["byol_a", "byol_a_random", "passt", "wav2vec2"],
    "reducer": ["none", "pca", "tsne"],
    "clusterer": ["agglomerative", "dbscan", "kmeans", "meanshift"],
}
# Columns of the Markdown, in this order; a score that no cell has is left out.
SHOWN = {
    "ami": "AMI",
    "nmi": "NMI",
    "ari": "ARI",
    "acc": "ACC",
    "group_nmi": "NMI of group",
    "duration_nmi": "NMI of duration",
    "rate_nmi": "NMI of rate",
    "level_nmi": "NMI of level",
    "probe": "probe",
    "agreement": "agreement",
    "choice": "choice",
    "kappa": "kappa",
    "found_again": "found again",
    "silhouette_all": "silhouette (all clips)",
}


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell, in the report's order, from one row per cell and seed.

    Args:
        rows: encoder, reducer, clusterer; scores where there are any (``SCORES``, ``SIZES``); ``chosen``, the
            parameters found from the data (dict or JSON); ``reason``, why the cell did not run ("" where it did); where
            it is known ``weights``, where the encoder's come from.

    Returns:
        ``seeds``, the number that ran; ``<score>_mean`` and ``<score>_std`` over them (population, ddof=0; NaN where
        there is no such score) and the means of ``SIZES``, to 4 digits; ``chosen`` as JSON, one value where all seeds
        agree and else one per seed; the first ``reason``.
    """
    table = pd.DataFrame([_row(key, cell) for key, cell in rows.groupby(KEY, sort=False)])
    order = sorted(table.index, key=lambda i: [_rank(column, table.at[i, column]) for column in KEY])
    return table.loc[order].reset_index(drop=True)


def _row(key: tuple[Hashable, ...], cell: pd.DataFrame) -> dict[str, Any]:
    ran = cell[cell["reason"] == ""]
    row: dict[str, Any] = dict(zip(KEY, key, strict=True))
    row |= ({ORIGIN: cell[ORIGIN].iloc[0]} if ORIGIN in cell else {}) | {"seeds": len(ran)}
    for name in SCORES:
        values = _numbers(ran, name)
        row[f"{name}_mean"], row[f"{name}_std"] = rounded(values.mean()), rounded(values.std(ddof=0))
    row |= {name: rounded(_numbers(ran, name).mean()) for name in SIZES}
    return row | {"chosen": _agreed(ran["chosen"]), "reason": max(cell["reason"], key=bool)}


def _numbers(cell: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(cell[name]) if name in cell else pd.Series(dtype=float)


def rounded(value: float, digits: int = 4) -> float:
    """Return a number as the tables have it."""
    return round(float(value), digits) + 0.0  # -0.0 + 0.0 is 0.0: no minus sign that comes and goes


def _agreed(chosen: pd.Series) -> str:
    """Return what the seeds chose as one JSON object, "" where nothing was chosen."""
    seeds = [json.loads(c) if isinstance(c, str) and c else c or {} for c in chosen]
    found = {}
    for name in sorted({name for seed in seeds for name in seed}):
        values = [_significant(seed.get(name)) for seed in seeds]
        found[name] = values[0] if all(value == values[0] for value in values) else values
    return json.dumps(found) if found else ""


def _significant(value: Any) -> Any:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _rank(column: str, name: str) -> tuple[int, str]:
    known = REPORT[column]
    return (known.index(name) if name in known else len(known), name)


def headline(table: pd.DataFrame) -> str:
    """Return the score that cells are compared by, which depends on whether there are labels."""
    return LABELLED if table[f"{LABELLED}_mean"].notna().any() else UNLABELLED


def degenerate(table: pd.DataFrame) -> pd.Series:
    """Return which cells (bool) have more than ``MOST`` of the clips in their largest cluster, as noise or alone."""
    return (table["largest"] + 1 - table["coverage"]).round(4) > MOST


def eligible(table: pd.DataFrame) -> pd.Series:
    """Return which cells (bool) may be the best: those with a headline score, not named by the labels (``MAJORITY``).

    Without labels those that are ``sound``; all with a score where no other is left.
    """
    return _eligible(table, headline(table))


def _eligible(table: pd.DataFrame, score: str) -> pd.Series:
    scored = table[f"{score}_mean"].notna() & ~table["clusterer"].str.endswith(MAJORITY)
    good = scored & sound(table)
    return good if score == UNLABELLED and good.any() else scored


def sound(table: pd.DataFrame) -> pd.Series:
    """Return which cells (bool) may be chosen by their sizes: none that is ``degenerate``.

    Nor one with far more or fewer clusters than most cells have, where most have the same number: they were told it.
    """
    found = table["clusters"].dropna()
    most = found.mode()
    if most.empty or (found == most[0]).mean() < 0.5:
        return ~degenerate(table)
    return ~degenerate(table) & table["clusters"].between(most[0] / FINER, most[0] * FINER)


def cautious(table: pd.DataFrame) -> pd.Series:
    """Return the choice of each cell by which it is taken: its mean less its deviation over seeds.

    Of cells that are as good as equal the one is taken whose choice depends least on chance.
    """
    return table[f"{UNLABELLED}_mean"] - table[f"{UNLABELLED}_std"].fillna(0)


def best(table: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the eligible cell with the highest headline score, the first of equals.

    Where there are labels this choice has seen them: it says which cell of the table is highest, and is no way to
    choose a method.

    Raises:
        ValueError: no cell has a score.
    """
    first = _first(table, headline(table))
    if first is None:
        raise ValueError(
            "no cell of the table has a score: each was skipped or found fewer than two clusters; "
            "see the column `reason` of the table, and `k`, `eps` and `bandwidth` in params.yaml"
        )
    return table.iloc[first].to_dict()


def _first(table: pd.DataFrame, score: str) -> int | None:
    """Return the position of the best cell's row by a score; None where no cell has it."""
    scores = (cautious(table) if score == UNLABELLED else table[f"{score}_mean"]).where(_eligible(table, score))
    return None if scores.isna().all() else scores.reset_index(drop=True).idxmax()


def chosen(table: pd.DataFrame) -> dict[str, Any] | None:
    """Return the row of the cell that is taken where there are no labels; None where no cell has a choice."""
    first = _first(table, UNLABELLED)
    return None if first is None else table.iloc[first].to_dict()


def second(table: pd.DataFrame) -> dict[str, Any] | None:
    """Return the row of the best cell of a second structure: strong, and at odds with the ``chosen`` cell.

    None where there is none.
    """
    first = chosen(table)
    if first is None or first[f"{UNLABELLED}_mean"] <= 0:  # beside nothing anything would be strong
        return None
    at_odds = table["like_chosen_mean"] < OTHER
    strong = table[f"{UNLABELLED}_mean"] >= STRONG * first[f"{UNLABELLED}_mean"]
    return chosen(table[at_odds & strong & _eligible(table, UNLABELLED)])


def verdict(table: pd.DataFrame) -> list[str]:
    """Return lines on what is taken without labels: what it is, what that costs where there are labels, what else."""
    first, other = chosen(table), second(table)
    if first is None:
        return []
    lines = []
    if headline(table) == LABELLED:
        top, its = best(table)[f"{LABELLED}_mean"], first[f"{LABELLED}_mean"]
        lines.append(
            f"Without labels the choice is {named(first)}: AMI {its:.3f}, {max(top - its, 0):.3f} below the best cell."
        )
    else:
        lines.append(f"Chosen without labels: {named(first)}, whose clusters other encoders see too.")
    if other is not None:
        score = f", AMI {other[f'{LABELLED}_mean']:.3f}" if headline(table) == LABELLED else ""
        lines.append(
            f"There is a second structure, nearly as strong and at odds with it: {named(other)}{score}. Which one is "
            "wanted the recordings do not say: listen to both."
        )
    return lines


def leaders(table: pd.DataFrame, methods: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the row of the best cell over all ("best"), of each encoder and of each of the deep ``methods``.

    Other rows of a method, ``method/...``, are none of an encoder's and not the method's own.
    """
    scored = table[table[f"{headline(table)}_mean"].notna() & ~table["clusterer"].str.contains("/")]
    found, deep = {"best": best(table)}, scored["clusterer"].isin(methods)
    found |= {encoder: best(rows) for encoder, rows in scored[~deep].groupby("encoder", sort=False)}
    return found | {name: best(rows) for name, rows in scored[deep].groupby("clusterer", sort=False)}


def summary(table: pd.DataFrame, methods: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the figures of the ``leaders``, of the ``chosen`` cell and the ``second``, for ``dvc metrics diff``.

    A number that is missing is null. Only methods have their ``agreement`` here: it compares settings of one cell, and
    the best cell of an encoder is another one from run to run.
    """
    names = ["ami", "nmi", "ari", "acc"] if headline(table) == LABELLED else [UNLABELLED, *SIZES]
    rows = leaders(table, methods) | {"chosen": chosen(table), "second": second(table)}
    return {
        name: ({"encoder": row["encoder"]} if name in ("best", "chosen", "second") else {})
        | _brief(row, [*names, "agreement"] if name in methods else names)
        for name, row in rows.items()
        if row is not None
    }


def remarks(table: pd.DataFrame, methods: Sequence[str] = ()) -> list[str]:
    """Return what is to be said under the table: ``verdict`` and ``warnings``."""
    return verdict(table) + warnings(table, methods)


def warnings(table: pd.DataFrame, methods: Sequence[str] = ()) -> list[str]:
    """Return a line where no cell deserves to be the best, and one per leader or deep method that follows a nuisance.

    Clusters follow the nuisance that explains most of them, if that is more than the labels explain; without labels,
    more than half.
    """
    lines, first = [], best(table)
    if headline(table) == UNLABELLED and degenerate(table.loc[eligible(table)]).all():
        lines.append(
            f"warning: {named(first)} is best only because every cell has more than {MOST:.0%} of the clips in one "
            f"cluster, as noise or alone ({first['largest']:.1%} in its largest): none has clustered them; try other "
            "encoders, or clusterers with a `k`"
        )
    deep = table[table["clusterer"].isin(methods)].to_dict("records")
    cells = {named(row): row for row in [*leaders(table, methods).values(), *deep]}
    return lines + [line for row in cells.values() if (line := followed(row))]


def followed(row: dict[str, Any]) -> str:
    """Return the warning that a cell's clusters follow a nuisance, "" where they do not."""
    shares = {what: row[f"{what}_explained_mean"] for what in NUISANCES}
    what, share = max(shares.items(), key=lambda item: (not np.isnan(item[1]), item[1]))
    labels = row["explained_mean"]
    if not share > (HALF if np.isnan(labels) else max(labels, BY_CHANCE)):
        return ""
    rest = "more than everything else together" if np.isnan(labels) else f"the labels {labels:.0%}"
    return (
        f"warning: the clusters of {named(row)} follow the clips' {what}: it explains {share:.0%} of them, {rest}; "
        "they may say how clips were recorded or cut, not what is heard"
    )


def named(row: Mapping[Hashable, Any]) -> str:
    """Return a cell's name: encoder, reducer and clusterer."""
    return " / ".join(row[part] for part in KEY)


def _brief(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    numbers = {name: row.get(f"{name}_mean", row.get(name)) for name in names}
    return {name: None if np.isnan(value) else value for name, value in numbers.items()} | {
        part: row[part] for part in KEY[1:]
    }


def markdown(table: pd.DataFrame, runs: pd.DataFrame | None = None) -> str:
    """Return the table as Markdown, mean ± standard deviation over seeds, sorted by the headline score.

    The best cell comes first, it and its score are bold; cells that cannot be the best follow the others, and last
    come those that did not run, with their reason. With ``runs`` (encoder, reducer, clusterer, ``seconds``,
    ``peak_mb``; one row per run) also the mean seconds of a run and the largest peak memory.
    """
    paid = _spent(runs)
    scores = [name for name in SHOWN if table[f"{name}_mean"].notna().any()]
    what = [*KEY, *([ORIGIN] if ORIGIN in table else [])]
    head = [*what, *(SHOWN[name] for name in scores), *SIZES, "chosen", *(["s", "MB"] if paid else [])]
    ordered = by_score(table)
    lines = []
    for row in ordered.to_dict("records"):
        cells = [_text(row[part]) for part in what] + [mean_std(row, name) for name in scores]
        cells += [_figure(row["clusters"], ".0f"), *(_figure(row[name], ".3f") for name in SIZES[1:]), _remark(row)]
        cells += list(paid.get(tuple(cells[:3]), ("", ""))) if paid else []
        lines.append(cells)
    before = len(what)
    there = _first(table, headline(table)) is not None
    bold = [(0, at) for at in (0, 1, 2, before + scores.index(headline(table)))] if there else []
    return grid(head, lines, range(before, before + len(scores) + len(SIZES)), bold)


def by_score(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with the best first, then by their headline score, those that cannot be the best behind."""
    score = f"{headline(table)}_mean"
    return (
        table.assign(may=eligible(table))
        .sort_values(["may", score], ascending=False, kind="stable")
        .drop(columns="may")
    )


def grid(head: list[str], lines: list[list[str]], right: range, bold: Collection[tuple[int, int]] = ()) -> str:
    """Return a table as Markdown; columns of the range ``right`` and cells (row, column) that are bold."""
    rule = ["--:" if i in right or name in ("s", "MB") else "---" for i, name in enumerate(head)]
    rows = [[_escaped(cell) for cell in line] for line in lines]
    for row, column in bold:
        rows[row][column] = f"**{rows[row][column]}**"
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *rows])


def _escaped(text: str) -> str:
    """Return a text as one cell of Markdown shows it: on one line, no code, no HTML."""
    return re.sub(r"[\\|`<]", r"\\\g<0>", " ".join(str(text).split()))


def _text(value: Any) -> str:
    """Return a text; a table that was read from CSV has NaN for ""."""
    return value if isinstance(value, str) else ""


def _figure(value: float, form: str) -> str:
    return "" if pd.isna(value) else f"{value:{form}}"


def mean_std(row: Mapping[Hashable, Any], name: str) -> str:
    """Return a score with its deviation over seeds, where it does not round to 0.000; "" where there is no score."""
    mean = _figure(row[f"{name}_mean"], ".3f")
    return f"{mean} ± {row[f'{name}_std']:.3f}" if mean and row[f"{name}_std"] >= 0.0005 else mean


def _remark(row: dict[str, Any]) -> str:
    """Return why a cell did not run, else the chosen parameters. A table that was read from CSV has NaN for ""."""
    said = [row[name] if isinstance(row[name], str) else "" for name in ("reason", "chosen")]
    if said[0] or not said[1]:
        return said[0]
    return ", ".join(f"{name} {_values(value)}" for name, value in json.loads(said[1]).items())


def _values(value: Any) -> str:
    each = value if isinstance(value, list) else [value]
    return " / ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in each)


def spent(folder: Path) -> pd.DataFrame:
    """Return the costs of this machine's last runs that the table shows: a row per run of a cell."""
    return pd.DataFrame([row for stage in ("grid", "deep", "pair") for row in costs.read(folder, stage)])


def _spent(runs: pd.DataFrame | None) -> dict[tuple[Hashable, ...], tuple[str, str]]:
    if runs is None or not {*KEY, "seconds", "peak_mb"} <= set(runs):
        return {}
    cells = runs.dropna(subset=KEY).groupby(KEY)
    return {key: (f"{cell['seconds'].mean():.2f}", f"{cell['peak_mb'].max():.0f}") for key, cell in cells}


def reference_comparison(table: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Return the report's Table 3.1 beside ours, as Markdown, one row per cell of the report.

    Args:
        table: from ``aggregate``.
        reference: encoder, reducer, clusterer, nmi (geometric), acc: ``docs/reference_table.csv``.
    """
    ours = reference[KEY].merge(table, on=KEY, how="left")
    lines = []
    for theirs, mine in zip(reference.to_dict("records"), ours.to_dict("records"), strict=True):
        line = [theirs[part] for part in KEY]
        for name in ("nmi", "acc"):
            line += [f"{theirs[name]:.2f}", _figure(mine[f"{name}_mean"], ".2f") or "not run"]
            line.append(_figure(mine[f"{name}_mean"] - theirs[name], "+.2f"))
        lines.append(line)
    head = [*KEY, "NMI report", "NMI ours", "difference", "ACC report", "ACC ours", "difference"]
    return grid(head, lines, right=range(3, 9))
