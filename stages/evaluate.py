"""Scores of every labelling, the table and the pictures. Run by ``dvc repro evaluate``.

Enumerates what to score from params.yaml, never from the folder: outputs of items that were removed stay behind.
"""

import json

import numpy as np
import pandas as pd

from audioclust import costs, labels, plots, table
from audioclust.evaluate import evaluate
from params import EVALUATE_SUPPLIED, Params, run
from paths import CLIPS, COSTS, EMBEDDINGS, LABELS, LOGMEL, METRICS, PLOTS, REDUCED

REFERENCE = "docs/reference_table.csv"
PAGE_ROWS = 5000


def main() -> None:
    params = Params()
    encoders, reducers = [*params.items("encoders"), *params.items("pretexts")], params.items("reducers")
    methods = params.methods()
    clips = pd.read_csv(CLIPS / "clips.csv", dtype={"label": str, "group": str}, keep_default_na=False)
    files = [LABELS / "baseline" / e / f"{c}.npz" for e in encoders for c in params.items("clusterers")]
    files += [LABELS / "deep" / f"{method}.npz" for method in methods]
    cells = [pair for file in files for pair in zip(*labels.load(file), strict=True)]
    settings = params.section("evaluate", evaluate, supplied=EVALUATE_SUPPLIED)
    with costs.measured() as cost:
        embeddings = {e: EMBEDDINGS / e / "embedding.npy" for e in encoders}
        rows = evaluate(clips, cells, embeddings, params.items("seeds"), **settings)
        result = table.aggregate(rows)
        _write_metrics(result, list(methods))
        _draw(result, rows, cells, clips, reducers)
    costs.write(COSTS, "evaluate", [cost])
    print(table.markdown(result, pd.DataFrame([*costs.read(COSTS, "baseline"), *costs.read(COSTS, "deep")])))
    if params["data"]["dataset"] == "dcase2018_task5":
        print(table.reference_comparison(result, pd.read_csv(REFERENCE)))


def _write_metrics(result: pd.DataFrame, methods: list[str]) -> None:
    METRICS.mkdir(exist_ok=True)
    result.to_csv(METRICS / "table.csv", index=False)
    (METRICS / "table.md").write_text(table.markdown(result), encoding="utf-8")
    (METRICS / "summary.json").write_text(json.dumps(table.summary(result, methods), indent=1) + "\n", encoding="utf-8")


def _draw(result: pd.DataFrame, rows: pd.DataFrame, cells: list, clips: pd.DataFrame, reducers: list[str]) -> None:
    """Draw the map of the best cell's encoder, its confusion, the bars of all cells and example log-mels."""
    PLOTS.mkdir(exist_ok=True)
    best = table.best(result)
    name = " + ".join(part for part in (best["encoder"], best["reducer"], best["clusterer"]))
    clusters = next(
        found for cell, found in cells if all(cell[key] == best[key] for key in ("encoder", "reducer", "clusterer"))
    )
    # Where t-SNE is not run the map shows the first two dimensions of whichever reducer stands last.
    view = "tsne" if "tsne" in reducers else reducers[-1]
    xy = np.load(REDUCED / best["encoder"] / f"{view}.npy", mmap_mode="r")[0, :, :2]
    shown = {"label": clips["label"], "group": clips["group"], "cluster": pd.Series(clusters).astype(str)}
    for what, values in shown.items():
        plots.clip_map(
            xy, values.to_numpy(), f"{view} of {best['encoder']}, coloured by {what}", PLOTS / f"map_{what}.png"
        )
    plots.confusion(clips["label"].to_numpy(), clusters, PLOTS / "confusion.png", name)
    # The rows travel inside the page of `dvc plots show`, so there are never more than it can draw.
    few = np.sort(np.random.default_rng(0).permutation(len(clips))[:PAGE_ROWS])
    plots.confusion_rows(clips["label"].to_numpy()[few], clusters[few]).to_csv(PLOTS / "confusion.csv", index=False)
    plots.bars(result, PLOTS / "bars.png")
    plots.bars_rows(result).to_csv(PLOTS / "bars.csv", index=False)
    stats = json.loads((LOGMEL / "stats.json").read_text())
    axes = {"hop_seconds": stats["hop_seconds"], "mel_hz": np.array(stats["mel_hz"])}
    plots.examples(
        np.load(LOGMEL / "logmel.npy", mmap_mode="r"), clips["label"].to_numpy(), PLOTS / "examples.png", **axes
    )


if __name__ == "__main__":
    run(main)
