"""Maps of the clips, coloured by one property each: of one map all have the same size and extent."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from audioclust.report.canvas import COLOURS, MARKS, NOISE, UNLABELLED, WIDTH, looks, ordered, picture, short

HEIGHT = 5.4  # inches
PANEL = (0.01, 0.01, 0.71, 0.94)  # of the picture: left, bottom, width and height of the map; the legend stands beside
GREY = {"": ("no label", UNLABELLED), "-1": ("noise", NOISE)}
LEGENDS = ((22, 1, 24, 9), (len(COLOURS) * len(MARKS) + len(GREY), 2, 15, 7))  # names, columns, letters, font size


def clip_map(xy: np.ndarray, values: np.ndarray, title: str, path: Path, *, named: bool = False) -> None:
    """Draw the map of clips (n, 2) coloured by ``values`` (n,), words or numbers.

    "" (no label) and "-1" (noise) are grey and lie below the others. More categories than there are colours and marks
    take a colour scale, in their order, and no legend. ``named``: fewer are written on their clips, too.
    """
    xy, values = np.asarray(xy), np.asarray(values).astype(str)
    names = [name for name in ordered(values) if name not in GREY]
    look = {name: (colour, MARKS[0]) for name, (_, colour) in GREY.items() if name in values} | looks(names)
    legend = len(look) <= LEGENDS[-1][0]
    with picture(path, WIDTH, HEIGHT, layout=None) as figure:
        axes = figure.add_axes(PANEL)
        axes.set_title(short(title if legend else f"{title} ({len(names)} values)", 80), loc="left", pad=2)
        _scatter(axes, xy, values, look)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
        if named and legend:
            _write_names(axes, xy, values, names)
        if legend:
            _legend(figure, look)


def _scatter(axes: Axes, xy: np.ndarray, values: np.ndarray, look: Mapping[str, tuple[str, str]]) -> None:
    # Shuffled, so that no category lies on top because its name comes last.
    shuffled = np.random.default_rng(0).permutation(len(values))
    size = float(np.clip(600 / np.sqrt(max(len(values), 1)), 2, 28))
    for grey in (True, False):
        for mark in MARKS:
            rows = [i for i in shuffled if (values[i] in GREY) == grey and look[values[i]][1] == mark]
            colours = [look[values[i]][0] for i in rows]
            axes.scatter(*xy[rows].T, s=size, c=colours, marker=mark, linewidths=0, alpha=0.85)


def _write_names(axes: Axes, xy: np.ndarray, values: np.ndarray, names: list[str]) -> None:
    """Write each name at the clip that is nearest to the median of its clips."""
    for name in names:
        own = xy[values == name]
        place = own[((own - np.median(own, axis=0)) ** 2).sum(axis=1).argmin()]
        text = axes.text(*place, short(name, 8), ha="center", va="center", fontsize=10 if len(names) <= 22 else 7)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _legend(figure: Figure, look: Mapping[str, tuple[str, str]]) -> None:
    columns, letters, size = next(rest for most, *rest in LEGENDS if len(look) <= most)
    left, width = PANEL[0] + PANEL[2], 1 - PANEL[0] - PANEL[2]
    figure.legend(
        handles=_handles(look, letters), loc="center left", bbox_to_anchor=(left, 0, width, 1), frameon=False,
        ncols=columns, fontsize=size, labelspacing=0.5 / columns, handletextpad=0.2, columnspacing=0.8, borderpad=0,
    )  # fmt: skip


def _handles(look: Mapping[str, tuple[str, str]], letters: int) -> list[Line2D]:
    # A legend leaves out what begins with an underscore.
    texts = {name: GREY[name][0] if name in GREY else re.sub("^_", " _", short(name, letters)) for name in look}
    return [
        Line2D([], [], color=look[name][0], marker=look[name][1], linestyle="", markersize=6, label=texts[name])
        for name in sorted(look, key=lambda name: name in GREY)
    ]
