"""The pictures: map of clips, confusion, bars of all cells, example log-mels. PNG without dates, so equal bytes."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from scipy.optimize import linear_sum_assignment  # noqa: E402
from sklearn.metrics.cluster import contingency_matrix  # noqa: E402

from audioclust.table import headline  # noqa: E402

# Okabe and Ito's palette: told apart with any colour vision; then tab20 for the rest.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000"]
GREY = "#C8C8C8"  # noise, and clips without a label
LEGEND = 20  # more categories than that get colours but no legend
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "font.family": "DejaVu Sans"}
NONE = ("", "-1")


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=120, metadata={"Software": None}, bbox_inches="tight")
    plt.close(figure)


def _palette(names: list[str]) -> dict[str, str]:
    shown = [name for name in names if name not in NONE]
    if len(shown) <= len(COLOURS):
        colours = COLOURS
    else:
        colours = [to_hex(plt.get_cmap("tab20")(i)) for i in range(20)]
        if len(shown) > len(colours):
            colours = [to_hex(plt.get_cmap("turbo")(i / (len(shown) - 1))) for i in range(len(shown))]
    return dict(zip(shown, colours, strict=False)) | dict.fromkeys(NONE, GREY)


def clip_map(xy: np.ndarray, values: np.ndarray, title: str, path: Path) -> None:
    """Draw the map of clips (n, 2) coloured by category; "" (no label) and "-1" (noise) in grey, below the others."""
    values = np.asarray(values).astype(str)
    names = _ordered(values)
    palette = _palette(names)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 5.4))
        for name in sorted(names, key=lambda value: value not in NONE):
            rows = values == name
            text = {"": "no label", "-1": "noise"}.get(name, name)
            size = float(np.clip(4e4 / len(values), 4, 28))
            axes.scatter(*xy[rows].T, s=size, color=palette[name], label=text, linewidths=0, alpha=0.85)
        axes.set(xticks=[], yticks=[], title=title)
        axes.spines[:].set_visible(False)
        if 1 < len(names) <= LEGEND:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=1.6)
        _save(figure, path)


def _ordered(values: np.ndarray) -> list[str]:
    """Return the categories, numbers by size, words by name."""
    return sorted(set(values), key=lambda v: (0, int(v), "") if v.lstrip("-").isdigit() else (1, 0, v))


def map_rows(xy: np.ndarray, shown: dict[str, pd.Series]) -> pd.DataFrame:
    """Return the map's data for DVC: x, y and one column a colouring."""
    return pd.DataFrame(
        {"x": np.round(xy[:, 0], 3), "y": np.round(xy[:, 1], 3)} | {k: v.array for k, v in shown.items()}
    )


def confusion_table(labels: np.ndarray, clusters: np.ndarray) -> pd.DataFrame:
    """Return counts, classes by clusters; the cluster that the Hungarian match gives a class stands on the diagonal."""
    names, groups = np.unique(labels), np.unique(clusters)
    counts = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(-counts)
    matched = dict(zip(rows, columns, strict=True))
    order = [matched[i] for i in range(len(names)) if i in matched]
    order += [i for i in range(len(groups)) if i not in order]
    text = ["noise" if group == -1 else str(group) for group in groups]
    return pd.DataFrame(counts[:, order], index=names, columns=[text[i] for i in order])


def confusion(labels: np.ndarray, clusters: np.ndarray, path: Path, title: str) -> None:
    """Draw classes against clusters: counts as text, shares of the class as shade; unlabelled clips are left out."""
    known = np.asarray(labels) != ""
    with plt.rc_context(STYLE):
        if not known.any():
            return _nothing(path, "confusion: the clips have no labels")
        table = confusion_table(np.asarray(labels)[known], np.asarray(clusters)[known])
        share = table.to_numpy() / table.to_numpy().sum(axis=1, keepdims=True)
        rows, columns = table.shape
        figure, axes = plt.subplots(figsize=(1.8 + 0.45 * min(columns, 40), 1.2 + 0.36 * min(rows, 60)))
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        if rows * columns <= 900:
            for (i, j), value in np.ndenumerate(table.to_numpy()):
                if value:
                    colour = "white" if share[i, j] > 0.55 else "black"
                    axes.text(j, i, value, ha="center", va="center", color=colour, fontsize=7)
        axes.set(xlabel="cluster", title=title)
        axes.set_xticks(range(columns), table.columns, rotation=90 if columns > 15 else 0, fontsize=8)
        axes.set_yticks(range(rows), table.index, fontsize=8)
        _save(figure, path)
        return None


def confusion_rows(labels: np.ndarray, clusters: np.ndarray) -> pd.DataFrame:
    """Return actual class and matched class of every labelled clip, for DVC's confusion template.

    A cluster goes by the class that the Hungarian match gives it, one without a class by its number.
    """
    known = np.asarray(labels) != ""
    actual, found = np.asarray(labels)[known], np.asarray(clusters)[known]
    if not len(actual):
        return pd.DataFrame({"actual": ["no labels"], "predicted": ["no labels"]})
    table = confusion_table(actual, found)
    names = {c: table.index[i] if i < len(table) else f"cluster {c}" for i, c in enumerate(table.columns)}
    text = ["noise" if cluster == -1 else str(cluster) for cluster in found]
    return pd.DataFrame({"actual": actual, "predicted": [names[c] for c in text]})


def bars_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return cell, score (NMI, or the silhouette without labels) and its deviation over seeds, best first."""
    score = headline(table)
    rows = table[table[f"{score}_mean"].notna()].sort_values(f"{score}_mean", ascending=False, kind="stable")
    cells = rows["encoder"] + " / " + rows["reducer"] + " / " + rows["clusterer"]
    return pd.DataFrame({"cell": cells, score: rows[f"{score}_mean"], "std": rows[f"{score}_std"]})


def bars(table: pd.DataFrame, path: Path) -> None:
    """Draw the headline score of every cell with its deviation over seeds, one panel an encoder, best on top."""
    score = headline(table)
    encoders = list(dict.fromkeys(table["encoder"]))
    height = max(table.groupby("encoder").size().max() * 0.22 + 0.9, 2)
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(encoders), figsize=(4.4 * len(encoders), height), sharex=True, squeeze=False, layout="constrained"
        )
        for axes, encoder in zip(panels[0], encoders, strict=True):
            rows = table[(table["encoder"] == encoder) & table[f"{score}_mean"].notna()]
            rows = rows.sort_values(f"{score}_mean", kind="stable")
            colours = rows["reducer"].map(_palette(sorted(set(table["reducer"]))))
            axes.barh(
                rows["reducer"] + " / " + rows["clusterer"], rows[f"{score}_mean"], xerr=rows[f"{score}_std"],
                color=colours, error_kw={"elinewidth": 1, "capsize": 2},
            )  # fmt: skip
            axes.set(title=encoder, xlabel={"nmi": "NMI"}.get(score, score))
            axes.tick_params(axis="y", length=0, labelsize=8)
        _save(figure, path)


def examples(
    logmel: np.ndarray, labels: np.ndarray, path: Path, per_class: int = 3, hop_seconds: float = 0.01, most: int = 12
) -> None:
    """Draw log-mels (n, mels, frames) of the first ``per_class`` clips of at most ``most`` classes."""
    labels = np.asarray(labels)
    names = _ordered(labels)[:most]
    low, high = np.percentile(np.asarray(logmel[:: max(len(logmel) // 200, 1)], dtype=np.float32), (5, 99.5))
    with plt.rc_context(STYLE | {"font.size": 8}):
        figure, panels = plt.subplots(
            len(names), per_class, figsize=(2.7 * per_class, 0.95 * len(names) + 0.4), sharex=True, sharey=True,
            squeeze=False, layout="constrained",
        )  # fmt: skip
        for row, name in zip(panels, names, strict=True):
            for axes in row[np.count_nonzero(labels == name) :]:
                axes.set_axis_off()
            for axes, clip in zip(row, np.flatnonzero(labels == name)[:per_class], strict=False):
                image = np.asarray(logmel[clip], dtype=np.float32)
                seconds = image.shape[1] * hop_seconds
                axes.imshow(
                    image, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high,
                    extent=(0, seconds, 0, len(image)), interpolation="nearest",
                )  # fmt: skip
                axes.set_yticks([])
            row[0].set_ylabel(name or "no label", rotation=0, ha="right", va="center")
        for axes in panels[-1]:
            axes.set_xlabel("s")
        _save(figure, path)


def _nothing(path: Path, text: str) -> None:
    figure, axes = plt.subplots(figsize=(4, 1))
    axes.text(0.5, 0.5, text, ha="center", va="center")
    axes.set_axis_off()
    _save(figure, path)
