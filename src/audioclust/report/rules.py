"""What choosing a cell without labels costs, by several rules, on sets that have labels.

Each set was run once per labelling, and each run's table has the same cells. A rule takes the cell with its highest
value among those that have clustered at all. A set may hold several structures, words and who says them: the cell is
compared with the best one of the structure that it follows most.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from audioclust.report.table import KEY, LABELLED, MAJORITY, cautious, grid, sound

RULES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "choice": cautious,
    "its mean alone": lambda table: table["choice_mean"],
    "kappa alone": lambda table: table["kappa_mean"],
    "found again alone": lambda table: table["found_again_mean"],
    "silhouette": lambda table: table["silhouette_all_mean"],
    "Calinski-Harabasz": lambda table: table["calinski_harabasz_mean"],
    "Davies-Bouldin": lambda table: -table["davies_bouldin_mean"],
    "agreement of seeds": lambda table: table["agreement_mean"],
}
SCORES = {"AMI": LABELLED, "NMI": "nmi"}


def regrets(sets: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return a row per set and rule: the cell, the labelling it follows, and the AMI and NMI lost to the best cell.

    Args:
        sets: by name, by labelling, the run's ``metrics/table.csv``.
    """
    rows = []
    for name, tables in sets.items():
        cells = _joined(tables)
        for rule, value in RULES.items():
            i = value(cells).reset_index(drop=True).idxmax()
            follows = max(
                tables, key=lambda each: cells[f"{LABELLED} {each}"].iloc[i] / cells[f"{LABELLED} {each}"].max()
            )
            lost = {
                shown: cells[f"{score} {follows}"].max() - cells[f"{score} {follows}"].iloc[i]
                for shown, score in SCORES.items()
            }
            rows.append({"set": name, "rule": rule, "cell": " / ".join(cells[KEY].iloc[i]), "follows": follows} | lost)
    return pd.DataFrame(rows)


def _joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the cells that may be chosen, with the scores against each labelling."""
    found = None
    for labelling, table in tables.items():
        scores = table[KEY].assign(**{f"{score} {labelling}": table[f"{score}_mean"] for score in SCORES.values()})
        found = table if found is None else found
        found = found.merge(scores, on=KEY)
    good = found["choice_mean"].notna() & sound(found) & ~found["clusterer"].str.endswith(MAJORITY)
    return found[good].reset_index(drop=True)


def markdown(found: pd.DataFrame, score: str = "NMI") -> str:
    """Return ``regrets`` as Markdown: what each rule loses on each set, and on average and at most over all."""
    lost = found.pivot(index="set", columns="rule", values=score)[list(RULES)].loc[list(dict.fromkeys(found["set"]))]
    lost.loc["mean"], lost.loc["most"] = lost.mean(), lost.max()
    lines = [[name, *(f"{value:.3f}" for value in row)] for name, row in zip(lost.index, lost.to_numpy(), strict=True)]
    head = [f"{score} lost", *RULES]
    return grid(head, lines, right=range(1, len(head)))
