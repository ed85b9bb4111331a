"""Figures that the sources print for deep methods, beside ours: ``docs/reference_deep.csv``.

They are of images (REUTERS: of texts), ours of sounds: they say which variant the source found better and by how much,
not which code is better. A figure per row; scores are fractions, whatever the source prints. ``settings`` are those of
our parameters that make the variant, "" where nothing here does; those of all variants of a method name the same
parameters, so that a run is of one variant at most.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

CLUSTERING = ("nmi", "acc", "ari")
# Scores that stand together, in this order; the others are of representations, by whatever was trained on them.
TOGETHER = (CLUSTERING, ("classification", "detection", "segmentation"), ("probe",))
NAMES = {"nmi": "NMI", "acc": "ACC", "ari": "ARI", "probe": "linear probe"}
NOTE = (
    "The sources' own figures are of images (REUTERS: of texts), ours of sounds: no comparison of quality. Each cell "
    "is NMI / ACC / ARI where nothing else is said."
)


def read(path: Path) -> pd.DataFrame:
    """Return method, variant, settings, data, metric, value, deviation (NaN where there is none) and source."""
    text = dict.fromkeys(["variant", "settings"], "")
    return pd.read_csv(path).fillna(text)


def beside(table: pd.DataFrame, figures: pd.DataFrame, methods: Sequence[str]) -> str:
    """Return our rows of the deep ``methods`` and all that the sources print for these, as Markdown.

    Args:
        table: from ``table.aggregate``, or read from its CSV.
        figures: from ``read``.
        methods: names of ``audioclust.methods``.

    Returns:
        "" where no row has labels to be scored by, or the sources print nothing of its method.
    """
    method = table["clusterer"].str.partition("/")[0]
    scored = table[method.isin(methods) & method.isin(figures["method"]) & table["nmi_mean"].notna()]
    lines = []
    for name, ours in scored.groupby(method, sort=True):
        for row in ours.to_dict("records"):
            lines.append([row["clusterer"], f"ours, from {row['encoder']}", _ours(row)])
        for variant, theirs in figures[figures["method"] == name].groupby("variant", sort=False):
            lines += [[name, variant, each] for each in _by_source(theirs)]
    return f"{NOTE}\n\n{_grid(['method', 'variant', 'scores'], lines)}" if lines else ""


def ablation(runs: Sequence[Mapping[str, Any]], figures: pd.DataFrame, method: str) -> str:
    """Return the variants of a method that the sources compare, with ours of the same settings, as Markdown.

    Args:
        runs: ``name``, ``section`` (the method's parameters) and ``table`` (from ``table.aggregate``, or read from its
            CSV) of each run.
        figures: from ``read``.
        method: a name of ``audioclust.methods``.

    Raises:
        ValueError: the sources print no variant of this method that could be run.
    """
    known = figures[(figures["method"] == method) & (figures["settings"] != "")]
    if known.empty:
        choices = sorted(set(figures.loc[figures["settings"] != "", "method"]))
        raise ValueError(f"{method}: no variants are known of it: choose one of {', '.join(choices)}")
    sets = list(dict.fromkeys(known["data"]))
    lines = []
    for settings, theirs in known.groupby("settings", sort=False):
        variant = [next(iter(theirs["variant"])) or method, settings]
        cells = ["; ".join(_by_source(theirs[theirs["data"] == data], named=False)) for data in sets]
        found = [(run, row) for run in runs if is_variant(run["section"], settings) for row in _rows(run, method)]
        ours = [[run["name"], f"{row['clusterer']} from {row['encoder']}", _ours(row)] for run, row in found] or [
            ["not run", "", ""]
        ]
        # The source's figures stand once, beside the first of our rows.
        lines += [variant + each + (cells if i == 0 else [""] * len(cells)) for i, each in enumerate(ours)]
    return f"{NOTE}\n\n{_grid(['variant', 'settings', 'run', 'row', 'ours', *sets], lines)}"


def is_variant(section: Mapping[str, Any], settings: str) -> bool:
    """Say whether parameters have all the values of ``settings``, such as "heads=both transformed=2"."""
    return all(_written(section[name]) == value for name, value in (each.split("=") for each in settings.split()))


def _written(value: Any) -> str:
    """Return a value as a column of settings has it: as YAML, 1.0 as 1."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _rows(run: Mapping[str, Any], method: str) -> list[dict[str, Any]]:
    """Return a run's rows of the method, its own first."""
    names = run["table"]["clusterer"]
    return run["table"][names.str.partition("/")[0] == method].sort_values("clusterer").to_dict("records")


def _ours(row: Mapping[str, Any]) -> str:
    """Return mean ± deviation over seeds of each score; "–" for one that could not be taken."""
    cells = []
    for name in CLUSTERING:
        mean, deviation = row[f"{name}_mean"], row[f"{name}_std"]
        more = f" ± {deviation:.3f}" if row["seeds"] > 1 else ""
        cells.append("–" if pd.isna(mean) else f"{mean:.3f}{more}")
    return " / ".join(cells)


def _by_source(figures: pd.DataFrame, named: bool = True) -> list[str]:
    """Return a cell for each group of scores that stand together: its figures by data set, which are ``named``."""
    cells = []
    for together in TOGETHER:
        said = []
        for (data, _), own in figures[figures["metric"].isin(together)].groupby(["data", "source"], sort=False):
            values = {row["metric"]: _theirs(row) for row in own.to_dict("records")}
            figure = " / ".join(values.get(name, "–") for name in together)
            said.append(f"{data} {figure}" if named else figure)
        if said:
            what = "" if together == CLUSTERING else f"{' / '.join(NAMES.get(name, name) for name in together)}: "
            cells.append(what + ", ".join(said))
    return cells


def _theirs(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.3f}" + ("" if pd.isna(row["deviation"]) else f" ± {row['deviation']:.3f}")


def _grid(head: list[str], lines: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *lines])
