"""What a run has come to, in one paragraph: what was used, which cell and why, how many clusters and how large."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from audioclust.report.summary import Cluster
from audioclust.report.table import HEADLINES, KEY, UNLABELLED

LISTED = 20  # clusters whose sizes are told, the largest
# Label-free figures of a cell, and what they are
FIGURES = {
    "choice": "",
    "kappa": "how well the other encoders see its clusters",
    "found_again": "how far the other clusterings of its encoder agree",
    "agreement": "how far its seeds agree",
}


def why(row: Mapping[str, Any], seed: int, score: str | None) -> str:
    """Return which cell is reported, why, and its label-free figures.

    Args:
        row: of the table.
        seed: of the labelling.
        score: what it is the best cell by, see ``table.headline``; None: the user named it.
    """
    reason = "as clusters.yaml names it" if score is None else f"the best cell by its {HEADLINES[score]}"
    if score not in (None, UNLABELLED):
        reason += f" {row[f'{score}_mean']:.3f}, which has seen the labels"
    figures = {name.replace("_", " "): (row[f"{name}_mean"], what) for name, what in FIGURES.items()}
    said = [
        f"{name} {value:.3f}" + (f" ({what})" if what else "")
        for name, (value, what) in figures.items()
        if not pd.isna(value)
    ]
    cell = " / ".join(row[part] for part in KEY)
    return f"{cell}, seed {seed}: {reason}" + (f"; without labels: {', '.join(said)}" if said else "")


def number(clusterer: str, wanted: Mapping[str, Any], resolved: Mapping[str, int], classes: int) -> str:
    """Return how many clusters were asked for, and whether anybody gave that number.

    Args:
        clusterer: of the cell.
        wanted: clusterer or method -> its ``k`` as it was asked for, "auto" where nobody gave one.
        resolved: what that came to.
        classes: how many the labels have; 0 without labels.
    """
    name = clusterer.partition("/")[0]
    if name not in resolved:
        return f"{name} finds the number of clusters itself"
    auto = "the number of classes" if classes else "taken because none was given: K=8, or -S k=8, gives one"
    return f"k = {resolved[name]}, {auto if wanted[name] == 'auto' else 'as given'}"


def sizes(found: Sequence[Cluster], names: Mapping[int, str], edited: bool = False) -> str:
    """Return the number of clusters and their sizes.

    Args:
        found: from ``summary.describe``, the largest first, noise last.
        names: of the clusters that have one.
        edited: by ``clusters.yaml``.
    """
    noise = [f"in none: {each.clips}" for each in found if each.cluster < 0]
    told = [f"{_called(each.cluster, names)}: {each.clips}" for each in found if each.cluster >= 0]
    more = [f"{len(told) - LISTED} more"] if len(told) > LISTED else []
    head = f"{len(told)} cluster{'' if len(told) == 1 else 's'}{', as clusters.yaml edits them,' if edited else ''}"
    return f"{head} (number: clips): {', '.join([*told[:LISTED], *more, *noise])}"


def _called(cluster: int, names: Mapping[int, str]) -> str:
    return f"{cluster} {names[cluster]!r}" if cluster in names else str(cluster)


def paragraph(used: str, chosen: str, asked: str, advice: str, found: str, remarks: Sequence[str], written: str) -> str:
    """Return the paragraph.

    Args:
        used: lines on what was used and what was not.
        chosen: from ``why``.
        asked: from ``number``.
        advice: the sentence of ``numbers.advice``.
        found: from ``sizes``.
        remarks: sentences on what the clusters follow, and what else there is.
        written: where to listen and to read on.
    """
    numbered = f"{asked}; {advice} (plots/numbers.png)"
    sentences = ["; ".join(used.strip().splitlines()), chosen, numbered, found, *filter(None, remarks), written]
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences) + "\n"
