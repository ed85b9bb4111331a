"""Classes against clusters, or without labels the sizes of the clusters; and the same clips as a table for DVC."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from audioclust.report.canvas import LETTER, NOISE, UNLABELLED, looks, ordered, picture, short

# Rows travel in a script inside of DVC's page, which escapes nothing: a label with "</script>" would end it.
IN_SCRIPT = str.maketrans("<", "\N{FULLWIDTH LESS-THAN SIGN}")
WIDEST = 10.6  # inches
COLUMNS = 40  # of a confusion matrix or of sizes; smaller clusters are added up


def by_size(clusters: np.ndarray) -> dict[int, int]:
    """Return cluster -> number of clips, the largest first, noise last."""
    found, counts = np.unique(clusters, return_counts=True)
    order = sorted(range(len(found)), key=lambda i: (found[i] == -1, -counts[i], found[i]))
    return {int(found[i]): int(counts[i]) for i in order}


def cluster_name(cluster: int) -> str:
    """Return what a cluster is called: "cluster 7", or "noise" of -1."""
    return "noise" if cluster == -1 else f"cluster {cluster}"


def confusion_table(labels: np.ndarray, clusters: np.ndarray) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the counts, classes by clusters, and which class each matched cluster goes by.

    Columns stand in the order of the classes that the Hungarian match (that of the accuracy) gives them; clusters
    without a class follow by size, noise last.
    """
    classes, found = np.unique(labels).astype(str), np.unique(clusters)
    counts = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    rest = set(range(len(found))) - set(columns.tolist())
    order = [*columns, *sorted(rest, key=lambda c: (found[c] == -1, -counts[:, c].sum(), c))]
    names = np.array(["noise" if cluster == -1 else str(cluster) for cluster in found])
    table = pd.DataFrame(counts[:, order], index=classes, columns=names[order])
    return table, dict(zip(names[columns].tolist(), classes[rows].tolist(), strict=True))


def confusion_rows(labels: np.ndarray, clusters: np.ndarray) -> pd.DataFrame:
    """Return ``actual`` and ``predicted`` class of every labelled clip, for DVC's confusion template.

    ``predicted`` is the class that the Hungarian match gives the clip's cluster; "cluster 7" or "noise" without one.
    Where no clip has a label, ``actual`` is "no label" and ``predicted`` the cluster: their sizes. A "<" in a label is
    written as a wide one (``IN_SCRIPT``).
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    known = labels != ""
    if not known.any():
        return pd.DataFrame({"actual": "no label", "predicted": [cluster_name(cluster) for cluster in clusters]})
    table, matched = confusion_table(labels[known], clusters[known])
    names = {c: matched.get(c, c if c == "noise" else f"cluster {c}") for c in table.columns}
    texts = pd.Series(clusters[known]).astype(str).replace("-1", "noise")
    rows = pd.DataFrame({"actual": labels[known], "predicted": texts.map(names)})
    return rows.map(lambda text: text.translate(IN_SCRIPT))


def confusion(labels: np.ndarray, clusters: np.ndarray, path: Path, title: str) -> None:
    """Draw classes (rows) against clusters (columns): counts, shaded by their share of the class.

    Clips without a label ("") are left out; of more than 40 clusters the smallest unmatched are added up. Where no clip
    has a label, the sizes of the clusters are drawn.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    known = labels != ""
    if not known.any():
        return _sizes(clusters, path, title)
    table, matched = confusion_table(labels[known], clusters[known])
    table = _folded(table, max(COLUMNS, len(matched) + 1))
    names = [short(name) for name in table.index]
    margin = max(map(len, names)) * 8 * LETTER / 72 + 1.4  # names of classes, and beside the matrix its scale
    width, height = min(0.46 * table.shape[1], WIDEST - margin), min(0.34 * len(table), 10.0)
    with picture(path, max(width + margin, 4.5), height + 1.1) as figure:
        axes = figure.add_subplot()
        axes.set_title(short(title, 60), loc="left")
        axes.set(xlabel="cluster, in the order of the classes that they match best", ylabel="label")
        room = 72 * width / table.shape[1], 72 * height / len(table)
        shown = _counts(axes, table.to_numpy(), *room)
        _name_columns(axes, [str(name) for name in table.columns], room[0])
        axes.set_yticks(range(len(table)), names, fontsize=8 if room[1] > 11 else 6)
        axes.tick_params(length=0)
        bar = figure.colorbar(shown, ax=axes, aspect=8 * height, pad=0.02, ticks=[0, 0.5, 1])
        bar.set_label("share of the label's clips" if height > 1.5 else "share", fontsize=8)
        bar.ax.set_yticklabels(["0", "½", "1"], fontsize=8)
        bar.outline.set_visible(False)
    return None


def _sizes(clusters: np.ndarray, path: Path, title: str) -> None:
    """Draw how many clips each cluster has, in the colours of the map; of more than 40 the smallest are added up."""
    sizes = by_size(clusters)
    noise = sizes.pop(-1, 0)
    table = _folded(pd.DataFrame([sizes]), COLUMNS)
    look = looks(ordered([str(cluster) for cluster in sizes]))
    names = [str(name) for name in table.columns] + ["noise"] * (noise > 0)
    counts = [*table.iloc[0].astype(int), noise][: len(names)]
    colours = [look.get(name, (UNLABELLED, ""))[0] for name in names[: table.shape[1]]] + [NOISE]
    width = min(0.46 * len(names), 8.0)
    room = 72 * width / len(names)
    with picture(path, max(width + 0.8, 4.5), 3.4) as figure:
        axes = figure.add_subplot(xlabel="cluster (no clip has a label)", ylabel="clips")
        axes.set_title(short(title, 60), loc="left")
        axes.yaxis.get_major_locator().set_params(integer=True)
        drawn = axes.bar(range(len(names)), counts, color=colours[: len(names)])
        if len(str(max(counts))) * 4.6 + 3 <= room:
            axes.bar_label(drawn, fontsize=7, padding=1)
        _name_columns(axes, names, room)
        axes.tick_params(axis="x", length=0)
        axes.margins(x=0.01)


def _name_columns(axes: Axes, names: list[str], room: float) -> None:
    """Write the names below columns that are ``room`` points wide."""
    turned = 90 if max(map(len, names)) * 6 > room else 0
    axes.set_xticks(range(len(names)), names, rotation=turned, fontsize=8 if len(names) < 30 else 6)


def _folded(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the table with at most ``most`` columns, the last one the sum of those beyond."""
    if table.shape[1] <= most:
        return table
    rest = table.iloc[:, most - 1 :]
    return table.iloc[:, : most - 1].assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})


def _counts(axes: Axes, counts: np.ndarray, width: float, height: float) -> object:
    """Draw the matrix; the numbers where a cell of ``width`` by ``height`` points has room for them."""
    share = counts / counts.sum(axis=1, keepdims=True)
    shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(str(counts.max())) * 4.6 + 3 > width or height < 10:
        return shown
    for (i, j), value in np.ndenumerate(counts):
        if value:
            colour = "white" if share[i, j] > 0.55 else "black"
            axes.text(j, i, value, ha="center", va="center", color=colour, fontsize=7)
    return shown
