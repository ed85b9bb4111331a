"""Recordings to clusters in one call: what the stages run, with their defaults, frozen encoders and a small grid.

import audioclust
found = audioclust.cluster("recordings/", k=8)
found.clips
found.predict("new.wav")
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.kinds import KINDS, Kind
from audioclust.parameters import choices
from audioclust.report import lists, numbers, summary, table
from audioclust.results import files, spaces
from audioclust.results import labels as labellings
from audioclust.results.embeddings import EMBEDDING, about, skipped
from audioclust.results.pieces import Pieces
from audioclust.runs import logmel, weights
from audioclust.runs.baseline import Baseline
from audioclust.runs.embed import Embed, origin
from audioclust.runs.evaluate import Evaluate
from audioclust.runs.grid import Item, grid
from audioclust.runs.label import number
from audioclust.runs.predict.export import Outputs, fitted
from audioclust.runs.predict.listing import listed
from audioclust.runs.predict.model import Model
from audioclust.runs.predict.saved import save
from audioclust.runs.prepare import Prepare
from audioclust.runs.reduce import Reduce

ENCODERS = ("logmel_stats", "byol_a_random", "speech_embedding", "resemblyzer", "aisfx", "musicnn")
REDUCERS = ("none", "tsne")
CLUSTERERS = ("kmeans", "agglomerative", "spectral", "gmm")
SEED = 0
LEAST = 4  # clips, of which a map can be made
MODEL, LIST, TABLE = "model", "clips.csv", "table.csv"  # in the folder of a result


@dataclass(repr=False)
class Result:
    """Clusters of recordings, and the model that found them."""

    clips: pd.DataFrame  # a row per clip: path, start, end (s), cluster, name, confidence, is_exemplar
    cell: str  # encoder/reducer/clusterer/seed
    why: str  # this cell: its figures, and what else is to be known
    table: pd.DataFrame  # the scores of every cell
    rejected: pd.DataFrame  # recordings without a cluster: path, start, reason, detail
    model: Model = field(repr=False)

    @property
    def labels(self) -> np.ndarray:
        """Return the cluster (n,) of each clip, -1 for noise."""
        return self.clips["cluster"].to_numpy()

    @property
    def k(self) -> int:
        """Return the number of clusters."""
        return len({*self.labels.tolist()} - {-1})

    def predict(self, paths: Any, **more: Any) -> pd.DataFrame:
        """Return the clusters of other recordings, see ``Model.predict``."""
        return self.model.predict(paths, **more)

    def save(self, folder: str | Path) -> None:
        """Write the model, ``clips.csv`` and ``table.csv`` into a folder, which ``audioclust.load`` reads.

        Raises:
            ValueError: the folder holds something else.
        """
        folder = Path(folder)
        there = [folder / name for name in (LIST, TABLE) if (folder / name).exists()]
        if there and not (folder / MODEL).exists():
            raise ValueError(f"{there[0]}: is there and none of a result's: choose another folder, or move it away")
        save(self.model, folder / MODEL)
        for name, content in ((LIST, self.clips), (TABLE, self.table)):
            files.write_text(folder / name, content.to_csv(index=False, lineterminator="\n"))

    def __repr__(self) -> str:
        sizes = self.clips["cluster"].value_counts().to_dict()
        shown = ", ".join(
            f"{size} in {cluster}" if cluster >= 0 else f"{size} in none" for cluster, size in sizes.items()
        )
        return f"{len(self.clips)} clips in {self.k} clusters ({shown}) by {self.cell}\n{self.why}"


def cluster(
    paths: Any, k: int | None = None, kind: Kind = "any", out: str | Path | None = None, *, clip_seconds: float = 4.0,
    long: Literal["crop", "split"] = "crop", workers: int = -1,
) -> Result:  # fmt: skip
    """Cluster recordings without labels.

    Each encoder that hears ``kind`` embeds all clips, a small grid clusters every embedding, and the clustering is
    taken that the other encoders see too and that others of its own encoder find again. The weights of encoders are
    fetched when they are first needed.

    Args:
        paths: a folder of recordings, a recording, or a list of such.
        k: clusters; None: the number that the recordings speak for, see ``report.numbers``, or where they leave it
            open 10, of few clips fewer.
        kind: what is to be heard: words, voices, sounds, music or any.
        out: a folder for all that is computed and, at its end, for what ``Result.save`` writes; None: a temporary one.
        clip_seconds: length of a clip.
        long: what becomes of longer recordings: "crop" takes their first clip, "split" cuts all of them.
        workers: processes; -1: one per core.

    Raises:
        ValueError: no recordings, fewer clips than clusters, or another wrong value.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: no kind of sound{choices(kind, KINDS)}")
    if k is not None and not (isinstance(k, int | np.integer) and k >= 2):
        raise ValueError(f"k = {k!r}: must be a number of clusters, 2 or more, or None")
    prepare = Prepare(clip_seconds=clip_seconds, long=long, max_rejected=1.0, workers=workers)
    with _folder(out) as data, tempfile.TemporaryDirectory(prefix="audioclust-") as scratch:
        shown, said = _prepared(paths, kind, prepare, data, Path(scratch))
        clips = len(np.load(data / "clips/durations.npy"))
        if clips < LEAST:
            raise ValueError(
                f"{clips} clips: at least {LEAST} are needed; name more recordings, or cut long ones: long='split'"
            )
        outputs = _embedded(data, prepare, workers)
        if k is not None and k > clips:
            raise ValueError(f"k = {k}: more clusters than the {clips} clips; lower it")
        tried = number(0, clips) if k is None else int(k)
        _clustered(outputs, tried, workers, Path(scratch))
        result = _chosen(outputs, shown, said)
        if k is None:
            advice = _advice(outputs, result, tried)
            # Of an open question the middle says no more than the number that was tried.
            if advice.low and advice.high <= numbers.OPEN * advice.low and advice.best != tried:
                _clustered(outputs, advice.best, workers, Path(scratch))
                result = _chosen(outputs, shown, said)
            result.why += f"\nOf the number of clusters: {advice.sentence}."
        if out is not None:
            result.save(data)
    return result


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="audioclust-") as folder:
            yield Path(folder)
        return
    folder = Path(out)
    if (folder / "check").exists():
        raise ValueError(f"out = {out}: holds what a pipeline has written: name a new folder, or an empty one")
    if folder.exists() and not (folder / "clips/rejected.csv").is_file() and any(folder.iterdir()):
        raise ValueError(f"out = {out}: holds something else: name a new folder, or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def _prepared(paths: Any, kind: str, prepare: Prepare, data: Path, scratch: Path) -> tuple[dict[str, str], str]:
    """Write clips, and which encoders hear them; return what the user calls each recording, and what was used."""
    found, refused = listed([paths] if isinstance(paths, str | os.PathLike) else paths)
    for each in refused:
        warnings.warn(f"{each.path}: {each.reason}", stacklevel=3)
    if not found:
        raise ValueError("there are no recordings in what was named: a folder of recordings, or a list of files")
    root = Path(os.path.commonpath([each.root.absolute() for each in found]))
    shown = {os.path.relpath(each.root.absolute() / each.path, root): each.shown for each in found}
    described = {name: weights.describe(registry.get("encoders", name)) for name in ENCODERS}
    deaf = weights.choose(described, kind, ())
    rates = weights.rates(described, deaf, FrontEnd().sample_rate)
    recordings = pd.DataFrame({"path": [*shown]})
    said = prepare.run(
        recordings, root, data / "clips", scratch=scratch / "prepare", rates=(rates["least"], rates["most"])
    )
    for name, why in deaf.items():
        about(data / "embeddings" / name, origin(registry.get("encoders", name)), why)
    return shown, said


def _embedded(data: Path, prepare: Prepare, workers: int) -> Outputs:
    """Write log-mels and the embedding of each encoder that hears."""
    there = [name for name in ENCODERS if not skipped(data / "embeddings" / name)]
    embed = Embed(workers=workers)
    archives = [("grid", name) for name in there]
    outputs = Outputs(data, prepare, embed, [SEED], Reduce().scale, archives, {name: {} for name in there})
    audio, durations = np.load(data / "clips/audio.npy", mmap_mode="r"), np.load(data / "clips/durations.npy")
    (data / "logmel").mkdir(exist_ok=True)
    stats = logmel.compute(
        audio, outputs.rate, data / "logmel/logmel.npy", FrontEnd(), durations=durations, workers=workers
    )
    source = {"logmel": data / "logmel/logmel.npy", "waveform": data / "clips/audio.npy"}
    moments = stats["mean"], stats["std"]
    for name in there:
        embed.run(name, {}, source, outputs.rate, moments, durations, data / "embeddings" / name / EMBEDDING)
    return outputs


def _clustered(outputs: Outputs, k: int, workers: int, scratch: Path) -> None:
    """Write the labels of the grid over each embedding."""
    reducers = {name: Item("reducers", name) for name in REDUCERS}
    clusterers = {name: Item("clusterers", name).with_k(k) for name in CLUSTERERS}
    for _, encoder in outputs.archives:
        x = np.load(outputs.data / "embeddings" / encoder / EMBEDDING)
        how = [SEED], Reduce(), Baseline(workers=workers), Pieces(scratch / "pieces")
        found, cells, clusters, _ = grid(x, reducers, clusterers, *how)
        for name, space in found.items():
            spaces.save(outputs.data / "reduced" / encoder, name, space)
        cells = [{"encoder": encoder, **cell} for cell in cells]
        labellings.save(outputs.data / f"labels/grid/{encoder}.npz", cells, clusters)


def _advice(outputs: Outputs, result: Result, k: int) -> numbers.Advice:
    """Return what speaks for which number of clusters, by the encoder of a result that has ``k``."""
    encoder = result.cell.partition("/")[0]
    return numbers.advice(Evaluate().numbers({"encoder": encoder}, outputs.embeddings, outputs.seeds, k).table)


def _chosen(outputs: Outputs, shown: dict[str, str], said: str) -> Result:
    """Return the clustering that is chosen without labels."""
    clips, cells = outputs.clips, [*outputs.cells()]
    nuisances = {name: pd.to_numeric(clips[name]) for name in ("duration", "rate", "level")}
    embeddings = outputs.embeddings
    unlabelled = pd.DataFrame({"label": "", "group": "", **nuisances})
    scores = table.aggregate(Evaluate().rows(unlabelled, cells, embeddings, outputs.seeds))
    best = table.best(scores)
    cell, labels = outputs.find("/".join(best[part] for part in table.KEY))
    model = fitted(outputs, cell, labels)
    near = summary.exemplars(np.load(embeddings[cell["encoder"]], mmap_mode="r"), labels)
    exemplars = [row for nearest, _ in near.values() for row in nearest]
    rows = lists.clip_list(clips, labels, {}, model.voters.own.confidence, exemplars, outputs.rate)
    rejected = pd.read_csv(outputs.data / "clips/rejected.csv", keep_default_na=False)
    return Result(
        clips=rows.assign(path=[shown[path] for path in rows["path"]]),
        cell=lists.column(cell),
        why="\n".join([f"{said}.", _figures(best), *table.remarks(scores)]),
        table=scores,
        rejected=rejected.assign(path=[shown.get(path, path) for path in rejected["path"]]),
        model=model,
    )


def _figures(best: dict[str, Any]) -> str:
    """Return what speaks for a cell."""
    return (
        f"Other encoders see its clusters (kappa {best['kappa_mean']:.2f}), and other clusterings of its own encoder "
        f"find them again (adjusted Rand index {best['found_again_mean']:.2f})."
    )
