"""The clusters of one cell, as ``clusters.yaml`` wants them: lists, exports, the page, the model, and a paragraph.

Run by ``dvc repro report`` as ``python stages/report.py``. Nothing else depends on ``clusters.yaml``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cells
import fitted
import own_source  # noqa: F401
from audioclust.report import edits, numbers, page, paragraph, summary, table
from audioclust.report.tree import linkage_of
from audioclust.results import costs, files
from audioclust.results.embeddings import EMBEDDING, skipped
from audioclust.runs.evaluate import Evaluate, space, tree_points
from audioclust.runs.predict.export import Predict
from audioclust.runs.predict.saved import save
from audioclust.runs.report import Lists, Reported, compared, described, modelled, pick, write_lists
from params import Params, run
from paths import CHECK, CLIPS, CLUSTERS, COSTS, EDITS, EMBEDDINGS, LOGMEL, METRICS, MODEL, PAGE, PLOTS, REDUCED, TRUTH

WRITTEN = (
    f"Listen: {PAGE}. Lists: {CLUSTERS}/clips.csv, files.csv (recordings) and labellings.csv (every cell); for "
    f"Audacity, Raven and Label Studio: {CLUSTERS}/exports. Names, merges, splits: {EDITS}, then `dvc repro report`."
)


def main() -> None:
    try:
        _report()
    except ValueError as error:  # DVC has taken the older outputs away
        raise ValueError(f"{error}; the report of before comes back by `dvc checkout`") from error


def _report() -> None:
    params, wanted = Params(), edits.read(EDITS)
    text = {"dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    clips = pd.read_csv(CLIPS / "clips.csv", **text)
    labels = pd.read_csv(TRUTH / "labels.csv", **text)["label"]
    result, rate = pd.read_csv(METRICS / "table.csv"), _json(CLIPS / "format.json")["sample_rate"]
    with costs.measured() as cost:
        outputs = fitted.outputs(params)
        labellings = [*outputs.cells()]
        cell, found = pick(wanted, cells.first(labellings, table.best(result)), labellings)
        model = modelled(wanted, outputs, (cell, found), Predict(**params.section("predict", Predict)).limit)
        embeddings = {name: EMBEDDINGS / name / EMBEDDING for name in _there(params)}
        x, sample = space(cell, embeddings, outputs.seeds)[0], Evaluate(**params.section("evaluate", Evaluate)).sample
        reported = described(model, clips, rate, x, *_bands(), sample)
        write_lists(reported, clips, rate, labellings, Lists(**params.part("report", Lists)), CLUSTERS)
        save(model, MODEL)
        row = next(row for row in result.to_dict("records") if all(row[part] == cell[part] for part in table.KEY))
        why = paragraph.why(row, cell["seed"], table.headline(result) if wanted.cell == edits.BEST else None)
        _write_page(params, wanted, reported, clips.assign(label=labels), result, labellings, why, rate)
        said = paragraph.paragraph(
            (CLIPS / "summary.txt").read_text(encoding="utf-8"), why, _asked(cell["clusterer"], labels),
            _advice(), paragraph.sizes(reported.clusters, model.names, wanted.number() > 0),
            [table.followed(row), *(table.verdict(result)[1:] if wanted.cell == edits.BEST else [])], WRITTEN,
        )  # fmt: skip
        files.write_text(CLUSTERS / "report.txt", said)
    costs.write(COSTS, "report", [cost])
    print(said, end="")


def _there(params: Params) -> list[str]:
    """Return the encoders that ran."""
    return [encoder for encoder in cells.encoders(params) if not skipped(EMBEDDINGS / encoder)]


def _bands() -> tuple[np.ndarray, np.ndarray]:
    """Return the mean log-mel of each clip (n, f), and the borders of the bands (f + 1,) in Hz."""
    stats = _json(LOGMEL / "stats.json")
    means = summary.band_means(np.load(LOGMEL / "logmel.npy", mmap_mode="r"), np.load(LOGMEL / "frames.npy"))
    front_end = stats["front_end"]
    return means, summary.band_edges(stats["mel_hz"], front_end["f_min"], front_end["f_max"])


def _advice() -> str:
    """Return what speaks for which number of clusters."""
    return numbers.advice(pd.read_csv(PLOTS / "numbers.csv")).sentence


def _asked(clusterer: str, labels: pd.Series) -> str:
    """Return how many clusters a clusterer was asked for, and by whom."""
    asked = {name: k for part in _json(CHECK / "clusters.json").values() for name, k in part.items()}
    resolved = {name: k for path in sorted((TRUTH / "k").glob("*.json")) for name, k in _json(path).items()}
    return paragraph.number(clusterer, asked, resolved, labels[labels != ""].nunique())


def _write_page(
    params: Params, wanted: edits.Edits, reported: Reported, clips: pd.DataFrame, result: pd.DataFrame,
    labellings: list[cells.Labelling], why: str, rate: int,
) -> None:  # fmt: skip
    """Write the page; ``clips`` with their ``label``."""
    voters, others = reported.model.voters, clips[["label", "group", "duration", "level"]]
    methods = cells.methods(params)
    embeddings = {name: EMBEDDINGS / name / EMBEDDING for name in _there(params)}
    _, rows, points = tree_points(reported.model.cell, reported.labels, embeddings, params.items("seeds"))
    shown = compared(reported, result, labellings, methods)
    ran = sum(not cell["reason"] for cell, _ in labellings)
    xy, map_name = _map(params, reported.model.cell)
    content = page.Page(
        title=f"Clusters of {reported.name}",
        chosen=reported.name,
        why=f"{why}.",
        clips=reported.listed.join(others.assign(**{name: pd.to_numeric(others[name]) for name in others.columns[2:]})),
        xy=xy,
        map_name=map_name,
        labellings=shown,
        clusters=reported.clusters,
        neighbours=voters.rows[voters.nearest],
        numbers=pd.read_csv(PLOTS / "numbers.csv"),
        tree=linkage_of(points, reported.labels[rows]),
        warnings=table.remarks(result, methods),
        left_out=[f"{ran - len(shown)} of {ran} labellings: {CLUSTERS}/labellings.csv has all."] * (len(shown) < ran),
        audio=CLIPS / "audio.npy",
        rate=rate,
        signal=np.load(CLIPS / "durations.npy"),
        edits=wanted.said(),
        advice=_advice(),
    )
    page.write(PAGE, content, page.Report(**params.part("report", page.Report)))


def _map(params: Params, cell: dict[str, Any]) -> tuple[np.ndarray, str]:
    """Return the map (n, 2) of a cell's encoder, or where it has none or two of the first that it has, and its name."""
    reducers, there = params.items("reducers"), _there(params)
    view = "tsne" if "tsne" in reducers else reducers[-1]
    encoder = next(name for name in (*cell["encoder"].split("+"), *there) if name in there)
    found = np.load(REDUCED / encoder / f"{view}.npy", mmap_mode="r")
    xy = found[min(params.items("seeds").index(cell["seed"]), len(found) - 1), :, :2]
    return np.pad(xy, ((0, 0), (0, 2 - xy.shape[1]))), f"{view} of {encoder}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
