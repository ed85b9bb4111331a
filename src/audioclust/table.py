"""The final table: one row a cell, mean and standard deviation over seeds; its summary and its Markdown."""

import json
import math
from typing import Any

import pandas as pd

KEY = ["encoder", "reducer", "clusterer"]
SCORES = ["nmi", "nmi_arithmetic", "ami", "ari", "acc", "group_nmi", "group_ari", "group_acc",
          "silhouette", "davies_bouldin", "calinski_harabasz"]  # fmt: skip
# The order of the reference report's Table 3.1; what it does not have follows by name.
REPORT = {
    "encoder": ["byol_a", "byol_a_random", "passt", "wav2vec2"],
    "reducer": ["none", "pca", "tsne"],
    "clusterer": ["agglomerative", "dbscan", "kmeans", "meanshift"],
}


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell from one row a cell and seed.

    For each score its ``_mean`` and ``_std`` (population) over seeds, NaN where it does not exist for this data;
    ``clusters`` and ``noise`` as means, ``chosen`` of the first seed as JSON, ``reason`` where a cell did not run.
    """
    table = [_row(key, cell) for key, cell in rows.groupby(KEY, sort=False)]
    frame = pd.DataFrame(table)
    order = sorted(range(len(frame)), key=lambda i: [_rank(column, frame[column][i]) for column in KEY])
    return frame.iloc[order].reset_index(drop=True)


def _row(key: tuple[str, ...], cell: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(KEY, key, strict=True)) | {"seeds": len(cell)}
    for name in SCORES:
        values = pd.to_numeric(cell[name]) if name in cell else pd.Series(dtype=float)
        row[f"{name}_mean"] = round(values.mean(), 4)
        row[f"{name}_std"] = round(values.std(ddof=0), 4)
    for name in ("clusters", "noise"):
        row[name] = round(pd.to_numeric(cell[name]).mean(), 4) if name in cell else math.nan
    chosen = cell["chosen"].iloc[0]
    return row | {"chosen": json.dumps(chosen, sort_keys=True) if chosen else "", "reason": cell["reason"].iloc[0]}


def _rank(column: str, name: str) -> tuple[int, str]:
    known = REPORT[column]
    return (known.index(name) if name in known else len(known), name)


def headline(table: pd.DataFrame) -> str:
    """Return the score that cells are compared by: NMI where there are labels, else the silhouette."""
    return "nmi" if table["nmi_mean"].notna().any() else "silhouette"


def best(table: pd.DataFrame) -> dict[str, Any]:
    """Return the row of the cell with the highest headline score.

    Raises:
        ValueError: no cell has one.
    """
    column = f"{headline(table)}_mean"
    if not table[column].notna().any():
        raise ValueError("no cell of the table has a score: every cell was skipped or found a single cluster")
    return table.loc[table[column].idxmax()].to_dict()


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Return the best cell of each encoder and over all, nested for ``dvc metrics diff``.

    The best is chosen by the headline score, so where there are labels it has seen them: a figure of merit of the
    table, not a way to choose a method.
    """
    scored = table[table[f"{headline(table)}_mean"].notna()]
    found = {"best": _brief(best(scored))}
    return found | {encoder: _brief(best(rows)) for encoder, rows in scored.groupby("encoder", sort=False)}


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: row[f"{name}_mean"] for name in ("nmi", "ari", "acc", "silhouette")}
    numbers = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {"cell": "/".join(row[part] for part in KEY), **numbers}


def markdown(table: pd.DataFrame, costs: pd.DataFrame | None = None) -> str:
    """Return the table as Markdown; with ``costs`` also the mean seconds of a cell and the peak memory in MB."""
    spent = _spent(costs)
    names = [
        name for name in ("nmi", "ari", "acc", "ami", "group_nmi", "silhouette") if table[f"{name}_mean"].notna().any()
    ]
    head = [
        *KEY,
        *(name.upper().replace("_", " ") if name != "silhouette" else name for name in names),
        "clusters",
        "noise",
        "chosen",
    ]
    head += ["s", "MB"] if spent else []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in table.to_dict("records"):
        cells = [row[part] for part in KEY]
        if row["reason"] and not isinstance(row["reason"], float):
            cells += ["", *[""] * (len(names) - 1), "", "", row["reason"]]
        else:
            cells += [_mean_std(row, name) for name in names]
            cells += [f"{row['clusters']:.1f}", f"{row['noise']:.3f}", _chosen(row["chosen"])]
        cells += list(spent.get(tuple(cells[:3]), ("", ""))) if spent else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mean_std(row: dict[str, Any], name: str) -> str:
    mean, std = row[f"{name}_mean"], row[f"{name}_std"]
    return "" if math.isnan(mean) else f"{mean:.3f} ± {std:.3f}"


def _chosen(text: Any) -> str:
    if not isinstance(text, str) or not text:
        return ""
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in json.loads(text).items()
    )


def _spent(costs: pd.DataFrame | None) -> dict[tuple[str, ...], tuple[str, str]]:
    if costs is None or costs.empty or not {*KEY, "seconds"} <= set(costs):
        return {}
    groups = costs.groupby(KEY)
    return {key: (f"{cell['seconds'].mean():.2f}", f"{cell['peak_mb'].max():.0f}") for key, cell in groups}


def reference_comparison(table: pd.DataFrame, reference: pd.DataFrame) -> str:
    """Return the report's Table 3.1 (encoder, reducer, clusterer, nmi, acc) beside our cells, as Markdown."""
    ours = table.set_index(KEY)
    lines = ["| encoder | reducer | clusterer | report NMI / ACC | ours NMI / ACC |", "|---|---|---|---|---|"]
    for row in reference.to_dict("records"):
        key = tuple(row[part] for part in KEY)
        mine = f"{ours.loc[key, 'nmi_mean']:.2f} / {ours.loc[key, 'acc_mean']:.2f}" if key in ours.index else "not run"
        lines.append(f"| {' | '.join(key)} | {row['nmi']:.2f} / {row['acc']:.2f} | {mine} |")
    return "\n".join(lines) + "\n"
