"""What the pictures have in common: a figure that is written byte for byte alike, colours, marks and short names.

PNG without dates, drawn by matplotlib's own defaults and bundled font, so that equal data give equal bytes. Figures
are drawn without pyplot: no display, no global state.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# Paul Tol's "muted" scheme and black: ten colours told apart with any colour vision; marks double them.
COLOURS = ["#332288", "#DDCC77", "#117733", "#CC6677", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#000000"]
MARKS = "o^sDvP"
NOISE, UNLABELLED = "#A0A0A0", "#DDDDDD"
GRID, TEXT = "#E4E4E4", "#555555"  # lines behind the data, notes beside them
DPI, WIDTH = 120, 8.4  # inches: about the width of a README
STYLE = {"font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
         "text.parse_math": False}  # fmt: skip
SHADES = matplotlib.colormaps["magma"].resampled(32)  # of a log-mel: half the bytes of all 256
HERTZ = (100, 500, 2000, 6000, 16000)  # marked on an axis of mel bands
LETTER = 0.62  # mean width of a letter, as a share of the size of the font


@contextmanager
def picture(path: Path, width: float, height: float, layout: str | None = "constrained") -> Iterator[Figure]:
    """Yield a figure of that many inches and write it. ``layout``: None where axes are placed by hand."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout=layout)
        yield figure
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def nothing(path: Path, text: str) -> None:
    """Draw a text, where there is nothing else to draw."""
    with picture(path, 6, 1) as figure:
        figure.text(0.5, 0.5, text, ha="center", va="center")


def ordered(values: np.ndarray) -> list[str]:
    """Return the different values, numbers by size and before words."""
    return sorted(set(values), key=lambda v: (0, int(v), "") if re.fullmatch("-?[0-9]+", v) else (1, 0, v))


def short(name: str, most: int = 24) -> str:
    """Return a name on one line, of ``most`` characters: of a longer one the beginning and the end."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    tail = (most - 1) // 3
    return name if len(name) <= most else f"{name[: most - 1 - tail]}…{name[-tail:]}"


def looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and mark of each name: ten colours, then the same with other marks, then a colour scale."""
    if len(names) > len(COLOURS) * len(MARKS):
        scale = matplotlib.colormaps["viridis"]
        return {name: (to_hex(scale(i / (len(names) - 1))), MARKS[0]) for i, name in enumerate(names)}
    return {name: (COLOURS[i % len(COLOURS)], MARKS[i // len(COLOURS)]) for i, name in enumerate(names)}


def mel_axis(axes: Axes, mel_hz: np.ndarray | None) -> None:
    """Mark frequencies on the y axis of a log-mel whose bands have these centres in Hz; without them no scale."""
    axes.set_yticks([])
    if mel_hz is None:
        axes.set_ylabel("mel bands", fontsize=8)
        return
    ticks = [hz for hz in HERTZ if mel_hz[0] <= hz <= mel_hz[-1]]
    axes.set_yticks(np.interp(ticks, mel_hz, range(len(mel_hz))), [f"{hz / 1000:g}" for hz in ticks], fontsize=7)
    axes.set_ylabel("kHz", fontsize=8)
