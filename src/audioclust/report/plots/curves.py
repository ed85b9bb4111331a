"""Curves over the number of clusters, one panel per criterion, with what each speaks for."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from audioclust.report.canvas import COLOURS, GRID, TEXT, WIDTH, nothing, picture, short
from audioclust.report.numbers import GAP, SEEN, SURE, advice, votes

# Criterion (``numbers.votes``) -> its title, and the curves of its panel: column, colour, line and name.
PANELS = {
    "agreement": ("found again (Rand index)", [
        ("found_again", COLOURS[0], "-", "in parts of the clips"),
        ("agreement", COLOURS[6], "-", "from other random numbers"),
    ]),
    "stable": ("share of the clips in clusters that are found again", [("stable", COLOURS[2], "-", "")]),
    "kappa": ("clusters seen by the other encoders (kappa)", [("kappa", COLOURS[3], "-", "")]),
    "silhouette": ("silhouette of all clips", [
        ("silhouette", COLOURS[5], "-", "clips"),
        ("by_chance", "#888888", ":", "points without clusters"),
    ]),
    "eigengap": ("eigengap of the neighbour graph", [("eigengap", COLOURS[8], "-", "")]),
}  # fmt: skip
TICKS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 1000)
RING = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "color": "black"}
BAND = "#E8E8E8"  # behind the numbers from the lowest to the highest


def numbers(curve: pd.DataFrame, k: int, title: str, path: Path) -> None:
    """Draw what is known of each number of clusters, see ``report.numbers``, with ``k``, that of the best cell.

    A ring is what a criterion speaks for, the grey band what all speak for together, and the line the middle one.
    """
    if curve.empty:
        return nothing(path, "too few clips to count clusters")
    said, named = advice(curve), votes(curve)
    with picture(path, WIDTH, 6.6) as figure:
        panels = figure.subplots(len(PANELS), 1, sharex=True, height_ratios=[1.7, 1, 1, 1, 1])
        for axes, (name, (text, lines)) in zip(panels, PANELS.items(), strict=True):
            _panel(axes, curve, text, lines)
            if said.low is not None:
                axes.axvspan(said.low / 1.03, said.high * 1.03, color=BAND, linewidth=0, zorder=0)
                axes.axvline(said.best, color=TEXT, linewidth=1, zorder=1)
            axes.axvline(k, color=TEXT, linewidth=1.2, linestyle=":", zorder=1)
            if name in named:
                column = "found_again" if name == "agreement" else name
                height = curve.set_index("k").at[named[name], column]
                axes.plot(named[name], height, **RING, clip_on=False)
        _bounds(panels, curve)
        _scale(panels[-1], curve)
        _key(figure, k, said.best)
        figure.suptitle(f"{short(title, 60)}: {said.sentence}", fontsize=9)
    return None


def _panel(axes: Axes, curve: pd.DataFrame, text: str, lines: list[tuple[str, str, str, str]]) -> None:
    for column, colour, line, name in lines:
        mark = "." if line == "-" else ""
        axes.plot(curve["k"], curve[column], color=colour, linestyle=line, marker=mark, markersize=4, label=name)
    axes.set_title(text, loc="left", fontsize=8, pad=2)
    if len(lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=7, borderaxespad=0.1)
    axes.tick_params(labelsize=7)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _bounds(panels: np.ndarray, curve: pd.DataFrame) -> None:
    """Scale the panels, and draw from where a number is good enough."""
    _, stable, kappa, silhouette, eigengap = panels
    for axes in panels[:2]:
        axes.set_ylim(min(0, curve[["found_again", "agreement"]].min().min()), 1.04)
    both = curve[["silhouette", "by_chance"]]
    silhouette.set_ylim(min(0, both.min().min() * 1.1), max(0.05, both.max().max() * 1.2))
    eigengap.set_ylim(0, max(1.2 * GAP, curve["eigengap"].max() * 1.2))
    for axes, bound in ((stable, SURE), (kappa, curve["kappa"].max() - SEEN), (eigengap, GAP)):
        axes.axhline(bound, color=TEXT, linewidth=0.8, linestyle="--", zorder=1)


def _scale(axes: Axes, curve: pd.DataFrame) -> None:
    axes.set_xscale("log")
    axes.set_xlim(curve["k"].min() / 1.08, curve["k"].max() * 1.08)
    ticks = [tick for tick in TICKS if curve["k"].min() <= tick <= curve["k"].max()]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("clusters", fontsize=8)


def _key(figure: Figure, k: int, best: int | None) -> None:
    """Say below the panels what the marks mean."""
    handles = [
        Line2D([], [], **RING, linestyle="", label="what a criterion speaks for"),
        Line2D([], [], color=TEXT, linewidth=0.8, linestyle="--", label="good enough above"),
        Line2D([], [], color=TEXT, linewidth=1.2, linestyle=":", label=f"the best cell: {k}"),
    ]
    if best is not None:
        handles.insert(1, Patch(color=BAND, label="from the lowest to the highest"))
        handles.append(Line2D([], [], color=TEXT, linewidth=1, label=f"the middle criterion: {best}"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=7.5)
