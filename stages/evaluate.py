"""Scores of every labelling, the table, the pictures and the clusters of the best cell. Run by ``dvc repro evaluate``.

What is scored is enumerated by ``cells``.
"""

import json

import numpy as np
import pandas as pd

import cells
import own_source  # noqa: F401
from audioclust.points.subset import subset
from audioclust.report import numbers, plots, summary, summary_page, table
from audioclust.report.views import views
from audioclust.results import costs, files
from audioclust.results.embeddings import EMBEDDING, skipped
from audioclust.runs.evaluate import Evaluate, space, tree_points
from audioclust.views.augment import Augment
from audioclust.views.clips import load
from params import Params, run
from paths import CHECK, CLIPS, CLUSTERS, COSTS, EMBEDDINGS, LOGMEL, METRICS, PLOTS, REDUCED, TRUTH

REFERENCE = "docs/reference_table.csv"
PAGE_ROWS = 5000


def main() -> None:
    params = Params()
    encoders, reducers, methods = cells.encoders(params), params.items("reducers"), cells.methods(params)
    text = {"dtype": str, "keep_default_na": False}
    listed = pd.read_csv(CLIPS / "clips.csv", skip_blank_lines=False, **text)
    clips = pd.read_csv(TRUTH / "labels.csv", skip_blank_lines=False, **text).join(_nuisances(listed))
    labellings = cells.cells(params)
    evaluate = Evaluate(**params.section("evaluate", Evaluate))
    with costs.measured() as cost:
        there = [encoder for encoder in encoders if not skipped(EMBEDDINGS / encoder)]
        embeddings = {encoder: EMBEDDINGS / encoder / EMBEDDING for encoder in there}
        rows = evaluate.rows(clips, labellings, embeddings, params.items("seeds"))
        result = table.aggregate(rows)
        _write_metrics(result, methods)
        best, clusters = cells.first(labellings, table.best(result))
        _describe(best, clusters, listed, space(best, embeddings, params.items("seeds"))[0], result, evaluate.sample)
        _draw(result, best, clusters, clips, there, reducers, methods)
        encoder, shown, x = tree_points(best, clusters, embeddings, params.items("seeds"))
        title = f"{_name(best)}: its clusters merged in {encoder}"
        plots.tree(x, clusters[shown], clips["label"].to_numpy()[shown], title, PLOTS / "tree.png")
        k = len(set(clusters[clusters >= 0].tolist()))
        said = _draw_numbers(*evaluate.numbers(best, embeddings, params.items("seeds"), k), k)
        _draw_views(Augment(**params.section("augment", Augment)))
    costs.write(COSTS, "evaluate", [cost])
    print(table.markdown(result, table.spent(COSTS)), *table.remarks(result, methods), sep="\n")
    if table.headline(result) == table.UNLABELLED:
        print(f"Of the number of clusters: {said} (plots/numbers.png).")
    if json.loads((CHECK / "dataset.json").read_text(encoding="utf-8"))["name"] == "dcase2018_task5":
        print(table.reference_comparison(result, pd.read_csv(REFERENCE)))


def _nuisances(clips: pd.DataFrame) -> pd.DataFrame:
    """Return ``group`` as text and the other nuisances that ``clips`` has as numbers."""
    there = clips[[name for name in table.NUISANCES if name in clips]]
    return there.assign(**{name: pd.to_numeric(there[name]) for name in there if name != "group"})


def _write_metrics(result: pd.DataFrame, methods: list[str]) -> None:
    files.write_text(METRICS / "table.csv", result.to_csv(index=False))
    files.write_text(METRICS / "summary.json", json.dumps(table.summary(result, methods), indent=1) + "\n")


def _describe(
    best: dict, clusters: np.ndarray, clips: pd.DataFrame, x: np.ndarray | None, result: pd.DataFrame, sample: int
) -> None:
    """Write what the clusters of the best cell are like, as a table and a page; ``x`` (n, d): of its encoder."""
    stats = json.loads((LOGMEL / "stats.json").read_text(encoding="utf-8"))
    means = summary.band_means(np.load(LOGMEL / "logmel.npy", mmap_mode="r"), np.load(LOGMEL / "frames.npy"))
    edges = summary.band_edges(stats["mel_hz"], stats["front_end"]["f_min"], stats["front_end"]["f_max"])
    found = summary.describe(clips, clusters, x, means, edges, sample)
    files.write_text(CLUSTERS / "summary.csv", summary.table(found, clips).to_csv(index=False))
    encoder = None if x is None else best["encoder"]
    text = summary_page.markdown(found, clips, best, encoder, table.headline(result))
    files.write_text(METRICS / "clusters.md", text)


def _draw(
    result: pd.DataFrame,
    best: dict,
    clusters: np.ndarray,
    clips: pd.DataFrame,
    encoders: list[str],
    reducers: list[str],
    methods: list[str],
) -> None:
    """Draw the map of the best cell's encoder, its confusion, the bars of all cells and example log-mels."""
    PLOTS.mkdir(exist_ok=True)
    # Where t-SNE is not run the map shows the first two dimensions of whichever reducer stands last.
    view = "tsne" if "tsne" in reducers else reducers[-1]
    encoder = best["encoder"] if best["encoder"] in encoders else encoders[0]
    xy = np.load(REDUCED / encoder / f"{view}.npy", mmap_mode="r")[0, :, :2]
    for what in ("label", "group", "cluster"):
        there = what != "cluster" and (clips[what] != "").any()
        shown = clips[what].to_numpy() if there else clusters
        by = what if there or what == "cluster" else f"cluster: no {what}s"
        title = f"{view} of {encoder}, coloured by {by}"
        plots.clip_map(xy, shown, title, PLOTS / f"map_{what}.png", named=not there)
    plots.confusion(clips["label"].to_numpy(), clusters, PLOTS / "confusion.png", _name(best))
    # The rows travel inside the page of `dvc plots show`, so there are never more than it can draw.
    few = subset(len(clips), PAGE_ROWS)
    rows = plots.confusion_rows(clips["label"].to_numpy()[few], clusters[few])
    files.write_text(PLOTS / "confusion.csv", rows.to_csv(index=False))
    plots.bars(result, PLOTS / "bars.png", methods)
    logmel = np.load(LOGMEL / "logmel.npy", mmap_mode="r")
    plots.examples(logmel, clips["label"].to_numpy(), clusters, PLOTS / "examples.png", **_axes())


def _name(cell: dict) -> str:
    return f"{' + '.join(cell[part] for part in table.KEY)}, seed {cell['seed']}"


def _axes() -> dict:
    """Return what the axes of a log-mel are."""
    stats = json.loads((LOGMEL / "stats.json").read_text(encoding="utf-8"))
    return {"hop_seconds": stats["hop_seconds"], "mel_hz": np.array(stats["mel_hz"])}


def _draw_numbers(encoder: str, curve: pd.DataFrame, k: int) -> str:
    """Write and draw what is known of each number of clusters, of which the best cell has ``k``; return it in words."""
    files.write_text(PLOTS / "numbers.csv", curve.to_csv(index=False))
    plots.numbers(curve, k, f"k-means on {encoder}", PLOTS / "numbers.png")
    return numbers.advice(curve).sentence


def _draw_views(augment: Augment) -> None:
    """Draw one clip under every op of training."""
    clips = load(LOGMEL)
    # The middle clip: as good as any other, and the same one every time.
    row = clips.n // 2
    logmel = np.load(LOGMEL / "logmel.npy", mmap_mode="r")[row]
    moments, augment = (clips.mean, clips.std), augment.sized(clips.frames)
    views(logmel, int(clips.frames[row]), *moments, augment, PLOTS / "views.png", **_axes())


if __name__ == "__main__":
    run(main)
