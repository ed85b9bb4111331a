"""The cluster tree: how the clusters of a cell merge, with their sizes and what most of their clips are."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from scipy.cluster.hierarchy import dendrogram

from audioclust.report.canvas import COLOURS, GRID, TEXT, WIDTH, looks, nothing, ordered, picture, short
from audioclust.report.tree import linkage_of

ROW, ABOVE = 0.19, 1.0  # inches: of a cluster, and of what stands above and below all
MOST = 60  # rows; beyond, clusters that merge first share one
COUNTED = 12  # merges, the last ones, that say how many clusters they leave
MERGED = "#BBBBBB"  # a row of several clusters


def tree(x: np.ndarray, clusters: np.ndarray, labels: np.ndarray, title: str, path: Path) -> None:
    """Draw the tree of the clusters, see ``report.tree``, beside their sizes in the colours of the map.

    Args:
        x: embedding (n, d) in the scale in which distances are taken.
        clusters: (n,) integers; noise (-1) is left out.
        labels: (n,) classes, "" where unknown: beside each cluster stands the class of most of its clips.
        title: of the picture.
        path: the PNG.
    """
    clusters, labels = np.asarray(clusters), np.asarray(labels).astype(str)
    merges, names = linkage_of(x, clusters), np.unique(clusters[clusters != -1])
    if not len(merges):
        return nothing(path, "fewer than two clusters: there is no tree")
    many = {"p": MOST, "truncate_mode": "lastp"} if len(names) > MOST else {}
    leaves = dendrogram(merges, no_plot=True, **many)["leaves"]
    members = [names[_below(merges, leaf)] for leaf in leaves]
    with picture(path, WIDTH, ROW * len(leaves) + ABOVE) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
        _links(left, merges, leaves)
        _sizes(right, members, clusters, labels)
        for axes in (left, right):
            axes.set_ylim(len(leaves) - 0.4, -0.6)
        figure.suptitle(short(title, 100), fontsize=9)
    return None


def _below(merges: np.ndarray, node: int) -> list[int]:
    """Return the leaves below a node of the tree."""
    count, found, waiting = len(merges) + 1, [], [node]
    while waiting:
        node = int(waiting.pop())
        if node < count:
            found.append(node)
        else:
            waiting += merges[node - count, :2].tolist()
    return found


def _links(axes: Axes, merges: np.ndarray, leaves: list[int]) -> None:
    """Draw the merges between the ``leaves``, the root on the left; the last ones say how many clusters they leave."""
    place, height = {leaf: float(row) for row, leaf in enumerate(leaves)}, dict.fromkeys(leaves, 0.0)
    count = len(merges) + 1
    for number, (one, other, distance, _) in enumerate(merges):
        node = count + number
        if node in place or one not in place:  # inside of a row
            continue
        ends, starts = (place[one], place[other]), (height[one], height[other])
        axes.plot([starts[0], distance, distance, starts[1]], np.repeat(ends, 2), color=COLOURS[0], linewidth=1)
        place[node], height[node] = sum(ends) / 2, distance
        if number >= len(merges) - COUNTED:
            text = axes.annotate(
                f"{count - number - 1}", (distance, place[node]), (-3, 0), textcoords="offset points", ha="right",
                va="center", fontsize=7, color=TEXT,
            )  # fmt: skip
            text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    axes.set_xlim(merges[-1, 2] * 1.06, 0)
    axes.set_xlabel("distance (Ward); numbers: clusters that a cut to the left of the merge leaves", fontsize=7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=7)


def _sizes(axes: Axes, members: list[np.ndarray], clusters: np.ndarray, labels: np.ndarray) -> None:
    look = looks(ordered(np.unique(clusters[clusters != -1]).astype(str)))
    inside = [np.isin(clusters, each) for each in members]
    counts = [int(rows.sum()) for rows in inside]
    colours = [look[str(each[0])][0] if len(each) == 1 else MERGED for each in members]
    axes.barh(range(len(members)), counts, color=colours, height=0.7)
    for row, (rows, count) in enumerate(zip(inside, counts, strict=True)):
        axes.annotate(
            f"{count}{_majority(labels[rows])}", (count, row), (3, 0), textcoords="offset points", va="center",
            fontsize=7, annotation_clip=False,
        )  # fmt: skip
    names = [f"cluster {each[0]}" if len(each) == 1 else f"{len(each)} clusters" for each in members]
    axes.set_yticks(range(len(members)), names, fontsize=7.5)
    axes.set_xlim(0, max(counts) * (2 if (labels != "").any() else 1.2))
    axes.set_xlabel("clips", fontsize=7)
    axes.locator_params(axis="x", nbins=6, integer=True)
    axes.tick_params(axis="x", labelsize=7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _majority(labels: np.ndarray) -> str:
    """Return the most frequent class and its share of the clips that have one; "" where none has."""
    found, counts = np.unique(labels[labels != ""], return_counts=True)
    return f" · {short(found[counts.argmax()])} {counts.max() / counts.sum():.0%}" if len(found) else ""
