"""The pictures: map of clips, confusion, bars of all cells, example log-mels; and the same data as tables for DVC.

Where no clip has a label, clusters take the place of classes: their sizes that of the confusion, their clips that of
the examples.

PNG without dates, drawn by matplotlib's own defaults and bundled font, so that equal data give equal bytes. Figures
are drawn without pyplot: no display, no global state.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from audioclust.report.table import HEADLINES, MOST, eligible, headline

# Paul Tol's "muted" scheme and black: ten colours told apart with any colour vision; marks double them.
COLOURS = ["#332288", "#DDCC77", "#117733", "#CC6677", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#000000"]
MARKS = "o^"
NOISE, UNLABELLED = "#A0A0A0", "#DDDDDD"
GREY = {"": ("no label", UNLABELLED), "-1": ("noise", NOISE)}
DPI = 120  # with 8.4 inches about the width of a README
STYLE = {"font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
         "text.parse_math": False}  # fmt: skip
SHADES = matplotlib.colormaps["magma"].resampled(32)  # of a log-mel: half the bytes of all 256
# Rows travel in a script inside of DVC's page, which escapes nothing: a label with "</script>" would end it.
IN_SCRIPT = str.maketrans("<", "\N{FULLWIDTH LESS-THAN SIGN}")
CURVES = {"found_again": "found again in parts", "kappa": "seen by other encoders", "silhouette": "silhouette"}
COLUMNS = 40  # of a confusion matrix or of sizes; smaller clusters are added up


@contextmanager
def page(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of that many inches and write it."""
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _ordered(values: np.ndarray) -> list[str]:
    """Return the different values, numbers by size and before words."""
    return sorted(set(values), key=lambda v: (0, int(v), "") if re.fullmatch("-?[0-9]+", v) else (1, 0, v))


def _short(name: str, most: int = 24) -> str:
    """Return a name on one line, cut to ``most`` characters."""
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return name if len(name) <= most else name[: most - 1] + "…"


def _looks(names: list[str]) -> dict[str, tuple[str, str]]:
    """Return colour and mark of each name: ten colours, then the same with another mark, then a colour scale."""
    if len(names) > len(COLOURS) * len(MARKS):
        scale = matplotlib.colormaps["turbo"]
        return {name: (to_hex(scale(i / (len(names) - 1))), MARKS[0]) for i, name in enumerate(names)}
    return {name: (COLOURS[i % len(COLOURS)], MARKS[i // len(COLOURS)]) for i, name in enumerate(names)}


def clip_map(xy: np.ndarray, values: np.ndarray, title: str, path: Path) -> None:
    """Draw the map of clips (n, 2) coloured by ``values`` (n,), words or numbers.

    "" (no label) and "-1" (noise) are grey and lie below the others. More than 20 categories take a colour scale, in
    their order, and no legend.
    """
    values = np.asarray(values).astype(str)
    names = [name for name in _ordered(values) if name not in GREY]
    looks = {name: (colour, MARKS[0]) for name, (_, colour) in GREY.items() if name in values} | _looks(names)
    legend = len(names) <= len(COLOURS) * len(MARKS)
    with page(path, 8.4 if legend else 6.4, 5.4) as figure:
        axes = figure.add_subplot(title=title if legend else f"{title} ({len(names)} values)")
        _scatter(axes, xy, values, looks)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
        if legend:
            axes.legend(handles=_handles(looks), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _scatter(axes: Axes, xy: np.ndarray, values: np.ndarray, looks: Mapping[str, tuple[str, str]]) -> None:
    # Shuffled, so that no category lies on top because its name comes last.
    shuffled = np.random.default_rng(0).permutation(len(values))
    size = float(np.clip(600 / np.sqrt(max(len(values), 1)), 2, 28))
    for grey in (True, False):
        for mark in MARKS:
            rows = [i for i in shuffled if (values[i] in GREY) == grey and looks[values[i]][1] == mark]
            colours = [looks[values[i]][0] for i in rows]
            axes.scatter(*np.asarray(xy)[rows].T, s=size, c=colours, marker=mark, linewidths=0, alpha=0.85)


def _handles(looks: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    # A legend leaves out what begins with an underscore.
    texts = {name: GREY[name][0] if name in GREY else re.sub("^_", " _", _short(name)) for name in looks}
    last = sorted(looks, key=lambda name: name in GREY)
    return [
        Line2D([], [], color=looks[name][0], marker=looks[name][1], linestyle="", markersize=7, label=texts[name])
        for name in last
    ]


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
    width, height = min(0.46 * table.shape[1], 8.0), min(0.34 * len(table), 10.0)
    with page(path, max(width + 2.2, 4.5), height + 1.0) as figure:
        axes = figure.add_subplot(title=_short(title, 60), xlabel="cluster")
        _counts(axes, table.to_numpy(), 72 * width / table.shape[1], 72 * height / len(table))
        turned = 90 if table.columns.str.len().max() * 6 > 72 * width / table.shape[1] else 0
        axes.set_xticks(range(table.shape[1]), table.columns, rotation=turned, fontsize=8 if table.shape[1] < 30 else 6)
        axes.set_yticks(range(len(table)), [_short(name) for name in table.index], fontsize=8)
        axes.tick_params(length=0)
    return None


def by_size(clusters: np.ndarray) -> dict[int, int]:
    """Return cluster -> number of clips, the largest first, noise last."""
    found, counts = np.unique(clusters, return_counts=True)
    order = sorted(range(len(found)), key=lambda i: (found[i] == -1, -counts[i], found[i]))
    return {int(found[i]): int(counts[i]) for i in order}


def _sizes(clusters: np.ndarray, path: Path, title: str) -> None:
    """Draw how many clips each cluster has, in the colours of the map; of more than 40 the smallest are added up."""
    sizes = by_size(clusters)
    noise = sizes.pop(-1, 0)
    table = _folded(pd.DataFrame([sizes]), COLUMNS)
    looks = _looks(_ordered([str(cluster) for cluster in sizes]))
    names = [str(name) for name in table.columns] + ["noise"] * (noise > 0)
    counts = [*table.iloc[0].astype(int), noise][: len(names)]
    colours = [looks.get(name, (UNLABELLED, ""))[0] for name in names[: table.shape[1]]] + [NOISE]
    width = min(0.46 * len(names), 8.0)
    room = 72 * width / len(names)
    with page(path, max(width + 0.8, 4.5), 3.4) as figure:
        axes = figure.add_subplot(title=_short(title, 60), xlabel="cluster (no clip has a label)", ylabel="clips")
        axes.yaxis.get_major_locator().set_params(integer=True)
        drawn = axes.bar(range(len(names)), counts, color=colours[: len(names)])
        if len(str(max(counts))) * 4.6 + 3 <= room:
            axes.bar_label(drawn, fontsize=7, padding=1)
        turned = 90 if max(map(len, names)) * 6 > room else 0
        axes.set_xticks(range(len(names)), names, rotation=turned, fontsize=8 if len(names) < 30 else 6)
        axes.tick_params(axis="x", length=0)
        axes.margins(x=0.01)


def _folded(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the table with at most ``most`` columns, the last one the sum of those beyond."""
    if table.shape[1] <= most:
        return table
    rest = table.iloc[:, most - 1 :]
    return table.iloc[:, : most - 1].assign(**{f"{rest.shape[1]} others": rest.sum(axis=1)})


def _counts(axes: Axes, counts: np.ndarray, width: float, height: float) -> None:
    """Draw the matrix; the numbers where a cell of ``width`` by ``height`` points has room for them."""
    share = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(str(counts.max())) * 4.6 + 3 > width or height < 10:
        return
    for (i, j), value in np.ndenumerate(counts):
        if value:
            colour = "white" if share[i, j] > 0.55 else "black"
            axes.text(j, i, value, ha="center", va="center", color=colour, fontsize=7)


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


def cluster_name(cluster: int) -> str:
    """Return what a cluster is called: "cluster 7", or "noise" of -1."""
    return "noise" if cluster == -1 else f"cluster {cluster}"


def bars(table: pd.DataFrame, path: Path) -> None:
    """Draw every cell's headline score with its deviation over seeds, one panel per encoder, best on top.

    Cells that cannot be the best are pale and stand below the others.
    """
    score = headline(table)
    scored = table.assign(eligible=eligible(table))[table[f"{score}_mean"].notna()]
    scored = scored.sort_values(["eligible", f"{score}_mean"], kind="stable")
    encoders = [name for name in dict.fromkeys(table["encoder"]) if name in set(scored["encoder"])]
    if not encoders:
        return _nothing(path, "no cell has a score")
    colours = dict(zip(dict.fromkeys(table["reducer"]), COLOURS, strict=False))
    tallest, down = scored["encoder"].value_counts().max(), -(-len(encoders) // 2)
    across = min(len(encoders), 2)
    with page(path, 4.2 * across + 0.6, (0.2 * tallest + 0.75) * down) as figure:
        panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for axes, encoder in zip(panels, encoders, strict=False):
            _bars(axes, scored[scored["encoder"] == encoder], score, colours)
            axes.set_title(encoder, loc="left")
        for axes in panels[len(encoders) - across : len(encoders)]:
            axes.set_xlabel(HEADLINES[score])
            axes.tick_params(labelbottom=True)
        for axes in panels[len(encoders) :]:
            axes.set_axis_off()
        if not scored["eligible"].all():
            figure.suptitle(
                f"pale, never the best: over {MOST:.0%} of the clips in one cluster, as noise or alone", fontsize=9
            )
    return None


def _bars(axes: Axes, rows: pd.DataFrame, score: str, colours: Mapping[str, str]) -> None:
    names = rows["reducer"] + " / " + rows["clusterer"]
    error = {"elinewidth": 1, "capsize": 2, "ecolor": "#444444"}
    deviation = rows[f"{score}_std"].where(rows[f"{score}_std"] > 0)
    paint = [to_rgba(colours[r], 1 if e else 0.3) for r, e in zip(rows["reducer"], rows["eligible"], strict=True)]
    axes.barh(names, rows[f"{score}_mean"], xerr=deviation, color=paint, error_kw=error)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.margins(y=0.01)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)


def numbers(curve: pd.DataFrame, k: int, title: str, path: Path) -> None:
    """Draw what is known of each number of clusters, see ``report.numbers``, with ``k``, that of the best cell."""
    if curve.empty:
        return _nothing(path, "too few clips to count clusters")
    with page(path, 8.4, 3.4) as figure:
        axes = figure.add_subplot(title=title, xlabel="clusters", ylabel="index", xscale="log", ylim=(0, 1.02))
        for (name, label), colour in zip(CURVES.items(), COLOURS[::2], strict=False):
            axes.plot(curve["k"], curve[name].clip(0), color=colour, marker=".", label=label)
        axes.axvline(k, color="#777777", linestyle=":")
        axes.annotate(f" the best cell: {k}", (k, 0.02), color="#555555")
        ticks = [number for number in (2, 3, 5, 7, 10, 15, 20, 30, 50, 100, 200) if number <= curve["k"].max()]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def examples(
    logmel: np.ndarray,
    labels: np.ndarray,
    clusters: np.ndarray,
    path: Path,
    per_class: int = 3,
    *,
    hop_seconds: float = 0.01,
    mel_hz: np.ndarray | None = None,
    most: int = 12,
) -> None:
    """Draw log-mels (n, mels, frames) of a few clips of each class, spread over the class's rows.

    Args:
        logmel: may be a memory map; only the clips that are drawn are read.
        labels: (n,) classes; clips without a label ("") are left out.
        clusters: (n,) drawn instead of classes where no clip has a label, the largest first.
        path: the PNG.
        per_class: clips per class.
        hop_seconds: seconds between frames.
        mel_hz: (mels,) centre frequencies in Hz; without them the bands have no scale.
        most: classes, the first by name.
    """
    members, kind = _members(np.asarray(labels).astype(str), np.asarray(clusters))
    chosen = {name: _spread(rows, per_class) for name, rows in list(members.items())[:most]}
    seconds = logmel.shape[2] * hop_seconds
    images = {i: _thinned(np.asarray(logmel[i], dtype=np.float32)) for rows in chosen.values() for i in rows}
    low, high = np.percentile(np.stack(list(images.values())), (5, 99.5))
    with page(path, 8.4, 1.05 * len(chosen) + 0.5) as figure:
        panels = figure.subplots(len(chosen), per_class, sharex=True, sharey=True, squeeze=False)
        for line, (name, rows) in zip(panels, chosen.items(), strict=True):
            for axes, i in zip(line, rows, strict=False):
                axes.imshow(images[i], origin="lower", aspect="auto", cmap=SHADES, vmin=low, vmax=high,
                            extent=(0, seconds, -0.5, len(images[i]) - 0.5), interpolation="nearest")  # fmt: skip
            for axes in line[len(rows) :]:
                axes.set_axis_off()
            line[0].set_title(_short(name, 40), loc="left", fontsize=9, pad=3)
            _frequencies(line[0], mel_hz)
        for axes in panels[-1]:
            axes.set_xlabel("s")
        if len(members) > most:
            figure.suptitle(f"{most} of {len(members)} {kind}", fontsize=9)


def _members(labels: np.ndarray, clusters: np.ndarray) -> tuple[dict[str, np.ndarray], str]:
    """Return the rows of each class, by name, or without labels of each cluster, by size; and what these are."""
    classes = [name for name in _ordered(labels) if name]
    if classes:
        return {name: np.flatnonzero(labels == name) for name in classes}, "classes"
    found = by_size(clusters)
    texts = {c: f"{cluster_name(c)} ({count} clip{'s' * (count > 1)})" for c, count in found.items()}
    return {texts[c]: np.flatnonzero(clusters == c) for c in found}, "clusters"


def _thinned(image: np.ndarray, most: int = 150) -> np.ndarray:
    """Return means of neighbouring frames, at most ``most``: a panel has no pixels for more, and noise fills a PNG."""
    frames = image.shape[1]
    starts = np.arange(0, frames, -(-frames // most))
    return np.add.reduceat(image, starts, axis=1) / np.diff([*starts, frames])


def _spread(rows: np.ndarray, count: int) -> list[int]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))].tolist()


def _frequencies(axes: Axes, mel_hz: np.ndarray | None) -> None:
    axes.set_yticks([])
    if mel_hz is None:
        axes.set_ylabel("mel bands", fontsize=8)
        return
    ticks = [hz for hz in (100, 500, 2000, 6000, 16000) if mel_hz[0] <= hz <= mel_hz[-1]]
    axes.set_yticks(np.interp(ticks, mel_hz, range(len(mel_hz))), [f"{hz / 1000:g}" for hz in ticks], fontsize=7)
    axes.set_ylabel("kHz", fontsize=8)


def _nothing(path: Path, text: str) -> None:
    with page(path, 6, 1) as figure:
        figure.text(0.5, 0.5, text, ha="center", va="center")
