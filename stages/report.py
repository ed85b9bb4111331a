"""The clusters of one cell, as ``clusters.yaml`` wants them: lists, exports, the page, and a paragraph on all of it.

Run by ``dvc repro report`` as ``python stages/report.py``. Nothing else depends on ``clusters.yaml``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cells
import own_source  # noqa: F401
from audioclust.report import edits, paragraph, summary, table
from audioclust.results import costs, files
from audioclust.results.embeddings import EMBEDDING, skipped
from audioclust.runs.evaluate import Evaluate
from audioclust.runs.report import Lists, cell_space, pick, report, write_lists
from params import Params, run
from paths import CHECK, CLIPS, CLUSTERS, COSTS, EDITS, EMBEDDINGS, LOGMEL, METRICS, PLOTS, TRUTH

WRITTEN = (
    "Lists: data/clusters/clips.csv, files.csv (recordings) and labellings.csv (every cell); for Audacity, Raven and "
    "Label Studio: data/clusters/exports; names, merges, splits: clusters.yaml, then dvc repro report."
)


def main() -> None:
    params, wanted = Params(), edits.read(EDITS)
    text = {"dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    clips, labels = (pd.read_csv(path, **text) for path in (CLIPS / "clips.csv", TRUTH / "labels.csv"))
    result, rate = pd.read_csv(METRICS / "table.csv"), _json(CLIPS / "format.json")["sample_rate"]
    with costs.measured() as cost:
        labellings = cells.cells(params)
        cell, found = pick(wanted, cells.first(labellings, table.best(result)), labellings)
        there = [encoder for encoder in cells.encoders(params) if not skipped(EMBEDDINGS / encoder)]
        embeddings = {encoder: EMBEDDINGS / encoder / EMBEDDING for encoder in there}
        means, edges = _bands()
        x = cell_space(cell, embeddings, params.items("seeds"), means)
        sample = Evaluate(**params.section("evaluate", Evaluate)).sample
        reported = report(wanted, (cell, found), clips, rate, x, means, edges, sample, 10)
        settings = Lists(**params.part("report", Lists))
        write_lists(reported, clips, rate, labellings, settings, CLUSTERS)
        said = _paragraph(cell, wanted, reported, result, labels["label"])
        files.write_text(CLUSTERS / "report.txt", said)
    costs.write(COSTS, "report", [cost])
    print(said, end="")


def _bands() -> tuple[np.ndarray, np.ndarray]:
    """Return the mean log-mel of each clip (n, f), and the borders of the bands (f + 1,) in Hz."""
    stats = _json(LOGMEL / "stats.json")
    means = summary.band_means(np.load(LOGMEL / "logmel.npy", mmap_mode="r"), np.load(LOGMEL / "frames.npy"))
    front_end = stats["front_end"]
    return means, summary.band_edges(stats["mel_hz"], front_end["f_min"], front_end["f_max"])


def _paragraph(cell: dict, wanted: edits.Edits, reported: Any, result: pd.DataFrame, labels: pd.Series) -> str:
    """Return what was used, which cell is reported and why, the number of clusters and their sizes."""
    row = next(row for row in result.to_dict("records") if all(row[part] == cell[part] for part in table.KEY))
    score = table.headline(result) if wanted.cell == edits.BEST else None
    asked = {name: k for part in _json(CHECK / "clusters.json").values() for name, k in part.items()}
    resolved = {name: k for path in sorted((TRUTH / "k").glob("*.json")) for name, k in _json(path).items()}
    return paragraph.paragraph(
        (CLIPS / "summary.txt").read_text(encoding="utf-8"),
        paragraph.why(row, cell["seed"], score),
        paragraph.number(cell["clusterer"], asked, resolved, labels[labels != ""].nunique()),
        pd.read_csv(PLOTS / "numbers.csv"),
        paragraph.sizes(reported.clusters, reported.names),
        WRITTEN,
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
