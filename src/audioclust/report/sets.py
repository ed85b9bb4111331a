"""Runs on several sets beside each other: the best and the chosen cell of each, and every cell without reduction."""

from collections.abc import Mapping

import pandas as pd

from audioclust.report.table import KEY, best, chosen, grid, mean_std, named

SCORES = {"ami": "AMI", "nmi": "NMI", "acc": "ACC"}
UNREDUCED = "none"
SHOWN = ("nmi", "acc")  # of every cell


def leaders(sets: Mapping[str, pd.DataFrame]) -> str:
    """Return as Markdown, of each set, the cell with the highest AMI and the one that is taken without labels.

    Args:
        sets: by name, each run's ``metrics/table.csv``.
    """
    lines = []
    for name, table in sets.items():
        for what, row in (("best", best(table)), ("chosen", chosen(table))):
            if row is not None:
                lines.append([name, what, named(row), *(mean_std(row, score) for score in SCORES)])
    return grid(["set", "", "cell", *SCORES.values()], lines, right=range(3, 3 + len(SCORES)))


def rows(sets: Mapping[str, pd.DataFrame]) -> str:
    """Return as Markdown the NMI and the accuracy on each set of every cell without reduction, a row per cell.

    The cells of an encoder stand together, the highest mean NMI first; "–" where a cell did not run on a set.

    Args:
        sets: by name, each run's ``metrics/table.csv``.
    """
    columns = [*KEY, *(f"{score}_{part}" for score in SHOWN for part in ("mean", "std"))]
    tables = []
    for table in sets.values():
        ran = (table["reducer"] == UNREDUCED) & table["nmi_mean"].notna()
        tables.append(table.loc[ran, columns])
    found = pd.concat(tables).groupby(KEY, as_index=False)["nmi_mean"].mean()
    cells = found.sort_values(["encoder", "nmi_mean"], ascending=[True, False], kind="stable")[KEY]
    lines = [[cell["encoder"], cell["clusterer"]] for cell in cells.to_dict("records")]
    for table in tables:
        for line, row in zip(lines, cells.merge(table, on=KEY, how="left").to_dict("records"), strict=True):
            line += [mean_std(row, score) or "–" for score in SHOWN]
    head = ["encoder", "clusterer", *(f"{name}: {SCORES[score]}" for name in sets for score in SHOWN)]
    return grid(head, lines, right=range(2, len(head)))
