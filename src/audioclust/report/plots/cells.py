"""Bars: the headline score of every cell of the table."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from audioclust.report.canvas import COLOURS, GRID, nothing, picture, short
from audioclust.report.table import HEADLINES, KEY, best, chosen, eligible, headline

DEEP = COLOURS[3]
REDUCERS = [colour for colour in COLOURS if colour != DEEP]
PALE = 0.3  # opacity of cells that cannot be the best
WHISKER = "#444444"
ROW, ABOVE = 0.165, 0.5  # inches: height of a bar with its name, and of what stands above and below a panel's bars
TALLEST = 12.5  # inches: of all bars; where there are more they are thinner
BEST, CHOSEN = "*", "D"  # marks


def bars(table: pd.DataFrame, path: Path, deep: Collection[str] = ()) -> None:
    """Draw every cell's headline score with its deviation over seeds, one panel per encoder, best on top.

    Cells that cannot be the best are pale and stand below the others; the ``deep`` methods have a colour of their own
    and bold names, the others that of their reducer.
    """
    score = headline(table)
    scored = table.assign(eligible=eligible(table), deep=table["clusterer"].str.partition("/")[0].isin(deep))
    scored = scored[scored[f"{score}_mean"].notna()].sort_values(["eligible", f"{score}_mean"], kind="stable")
    if scored.empty:
        return nothing(path, "no cell has a score")
    colours = dict(zip(dict.fromkeys(table["reducer"]), REDUCERS, strict=False))
    marks = {tuple(row[part] for part in KEY): mark for mark, row in _marked(table).items()}
    encoders = list(dict.fromkeys(scored["encoder"][::-1]))  # that of the best cell first
    across = min(len(encoders), 2)
    lines = [encoders[i : i + across] for i in range(0, len(encoders), across)]
    most = [max((scored["encoder"] == name).sum() for name in line) for line in lines]
    height = min(sum(most) * ROW, TALLEST) + len(lines) * ABOVE + 0.6
    with picture(path, 4.2 * across + 0.6, height) as figure:
        panels = figure.subplots(len(lines), across, sharex=True, squeeze=False, height_ratios=most)
        for row, line, longest in zip(panels, lines, most, strict=True):
            for axes, encoder in zip(row, line, strict=False):
                _bars(axes, scored[scored["encoder"] == encoder], score, colours, marks)
                axes.set_ylim(top=axes.get_ylim()[1], bottom=axes.get_ylim()[1] - longest)
                axes.set_title(short(encoder, 40), loc="left")
            for axes in row[len(line) :]:
                axes.set_axis_off()
        for axes in panels.ravel()[len(encoders) - across : len(encoders)]:
            axes.set_xlabel(HEADLINES[score], fontsize=8)
            axes.tick_params(labelbottom=True)
        _legend(figure, scored, score, colours, marks.values())
    return None


def _marked(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the rows of the cells that are marked; without labels the chosen cell is the best."""
    rows = {CHOSEN: chosen(table), BEST: best(table) if eligible(table).any() else None}
    return {mark: row for mark, row in rows.items() if row}


def _bars(axes: Axes, rows: pd.DataFrame, score: str, colours: Mapping[str, str], marks: Mapping[tuple, str]) -> None:
    names = [short(f"{r} / {c}", 32) for r, c in zip(rows["reducer"], rows["clusterer"], strict=True)]
    error = {"elinewidth": 1, "capsize": 2, "ecolor": WHISKER}
    deviation = rows[f"{score}_std"].where(rows[f"{score}_std"] > 0)
    paint = [
        to_rgba(DEEP if row.deep else colours[row.reducer], 1 if row.eligible else PALE) for row in rows.itertuples()
    ]
    places = range(len(rows))
    axes.barh(places, rows[f"{score}_mean"], xerr=deviation, color=paint, error_kw=error)
    axes.set_yticks(places, names, fontsize=7.5)
    for text, bold in zip(axes.get_yticklabels(), rows["deep"], strict=True):
        text.set_fontweight("bold" if bold else "normal")
    ends = (rows[f"{score}_mean"] + deviation.fillna(0)).tolist()
    for place, cell in enumerate(zip(*(rows[part] for part in KEY), strict=True)):
        if cell in marks:
            _mark(axes, marks[cell], max(ends[place], 0), place)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_bounds(-0.5, len(rows) - 0.5)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _mark(axes: Axes, mark: str, x: float, y: float) -> None:
    """Draw a mark to the right of a bar that ends at ``x``."""
    beside = axes.transData + ScaledTranslation(8 / 72, 0, axes.figure.dpi_scale_trans)
    axes.plot(x, y, marker=mark, color="black", markersize=7 if mark == BEST else 4.5, transform=beside, clip_on=False)


def _legend(
    figure: Figure, scored: pd.DataFrame, score: str, colours: Mapping[str, str], marks: Collection[str]
) -> None:
    grid = scored[~scored["deep"]]
    handles = [Patch(color=colour, label=f"reducer {short(name, 16)}") for name, colour in colours.items()
               if name in set(grid["reducer"])]  # fmt: skip
    if scored["deep"].any():
        handles.append(Patch(color=DEEP, label="deep method"))
    texts = {BEST: f"highest {HEADLINES[score]}", CHOSEN: "what is taken without labels"}
    for mark in sorted(marks):
        handles.append(Line2D([], [], color="black", marker=mark, linestyle="", markersize=6, label=texts[mark]))
    if (scored[f"{score}_std"] > 0).any():
        handles.append(Line2D([], [], color=WHISKER, marker="|", label="deviation over seeds"))
    if not scored["eligible"].all():
        handles.append(Patch(color=to_rgba(COLOURS[0], PALE), label="pale: cannot be the best"))
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=8)
