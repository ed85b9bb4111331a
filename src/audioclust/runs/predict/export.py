"""From what the stages have written to a model of one cell."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audioclust import registry
from audioclust.parameters import Positive, nearest
from audioclust.points.scale import Scale, Scaling
from audioclust.points.vote import Voters
from audioclust.reducers.pca import PCA
from audioclust.report.table import KEY
from audioclust.results import labels as labellings
from audioclust.results.embeddings import EMBEDDING
from audioclust.runs.deep import UNTRAINED, on_frozen
from audioclust.runs.embed import Embed
from audioclust.runs.predict.hearing import Encoder, Hearing
from audioclust.runs.predict.model import Model, digests, side_by_side
from audioclust.runs.predict.rules import LOGMELS, Centroids, Fitted
from audioclust.runs.prepare import Prepare

PLAIN = "logmel_stats"  # where a method started from no encoder, distances are taken in this one's embedding
REDUCED = {"none", "pca"}  # reducers that reduce other points too


@dataclass
class Predict:
    """How other recordings are given clusters."""

    # Distance beyond which a clip belongs to none of them; within 1 lie 90 % of the fitted clips
    limit: Positive = 1.0


@dataclass
class Outputs:
    """What the stages have written below ``data``, and the parameters that they had."""

    data: Path
    prepare: Prepare
    embed: Embed
    seeds: list[int]
    scale: Scale  # of embeddings before they are reduced
    archives: list[tuple[str, str]]  # stage ("grid", "deep", "pair") and file of labels
    encoders: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # parameters of frozen ones
    pca: dict[str, Any] = field(default_factory=dict)  # its parameters

    def cells(self) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield each cell, with the ``stage`` that ran it, and its labels (n,)."""
        for stage, name in self.archives:
            cells, found = labellings.load(self.data / "labels" / stage / f"{name}.npz")
            yield from ((cell | {"stage": stage}, each) for cell, each in zip(cells, found, strict=True))

    def find(self, name: str) -> tuple[dict[str, Any], np.ndarray]:
        """Return the cell encoder/reducer/clusterer/seed and its labels (n,); without a seed the first that ran.

        Raises:
            ValueError: there is no such cell, or it did not run.
        """
        reason, known = "", {}
        for cell, found in self.cells():
            short = "/".join(cell[part] for part in KEY)
            known[short] = None
            if name in (short, f"{short}/{cell['seed']}"):
                if not cell["reason"]:
                    return cell, found
                reason = reason or f"it did not run: {cell['reason']}"
        hint = nearest(name.rpartition("/")[0] if name.rpartition("/")[2].isdigit() else name, known)
        raise ValueError(f"cell {name!r}: {reason or f'there is no such cell{hint}'}; metrics/table.csv lists all")

    @property
    def embeddings(self) -> dict[str, Path]:
        """Return the files of embeddings, by encoder."""
        names = [name for stage, name in self.archives if stage == "grid"]
        return {name: self.data / "embeddings" / name / EMBEDDING for name in names}

    @cached_property
    def clips(self) -> pd.DataFrame:
        return pd.read_csv(self.data / "clips/clips.csv", dtype=str, keep_default_na=False, skip_blank_lines=False)

    @cached_property
    def stats(self) -> dict[str, Any]:
        return json.loads((self.data / "logmel/stats.json").read_text(encoding="utf-8"))

    @property
    def rate(self) -> int:
        """Return the sample rate of the clips, Hz.

        Raises:
            ValueError: the clips have another length than the parameters say.
        """
        made = json.loads((self.data / "clips/format.json").read_text(encoding="utf-8"))
        if made["samples"] != round(self.prepare.clip_seconds * made["sample_rate"]):
            raise ValueError(
                f"data.clip_seconds = {self.prepare.clip_seconds}: the clips in {self.data / 'clips'} have "
                f"{made['samples'] / made['sample_rate']} s; run `dvc repro` first, or set it back"
            )
        return made["sample_rate"]


def fitted(outputs: Outputs, cell: Mapping[str, Any], found: np.ndarray, *, limit: float = 1.0) -> Model:
    """Return the model of a cell.

    Args:
        outputs: of the stages.
        cell: one of ``outputs.cells()``.
        found: (n,) its labels.
        limit: see ``Predict``.
    """
    encoders, rule = _encoders(outputs, cell), _method(outputs, cell)
    front = {name: outputs.stats[name] for name in ("mean", "std", "front_end")}
    prepare = Prepare(**{**vars(outputs.prepare), "sample_rate": outputs.rate})
    hearing = Hearing(encoders, outputs.embed, front, isinstance(rule, Fitted) and rule.on_logmels)
    scalings, x, lengths = _scaled(outputs, cell)
    if cell["stage"] == "grid" and cell["clusterer"] == "kmeans" and cell["reducer"] in REDUCED:
        rule = Centroids.of(x, found, _pca(x, outputs.pca) if cell["reducer"] == "pca" else None)
    audio, durations = (
        np.load(outputs.data / "clips/audio.npy", mmap_mode="r"),
        np.load(outputs.data / "clips/durations.npy"),
    )
    return Model(
        cell={part: cell[part] for part in (*KEY, "seed")},
        prepare=prepare,
        hearing=hearing,
        scalings=scalings,
        voters=Voters.of(x, found, lengths, os.cpu_count() or 1),
        found=np.asarray(found, np.int32),
        digests=digests(audio, durations, outputs.rate),
        ids=outputs.clips["clip_id"].to_numpy().astype("S"),
        rule=rule,
        limit=limit,
    )


def space(outputs: Outputs, cell: Mapping[str, Any]) -> np.ndarray:
    """Return the points (n, d) among which a cell's model looks for neighbours."""
    return _scaled(outputs, cell)[1]


def _scaled(outputs: Outputs, cell: Mapping[str, Any]) -> tuple[list[Scaling], np.ndarray, np.ndarray | None]:
    """Return how each embedding of a cell is scaled, all of them so, side by side (n, d), and the lengths of rows."""
    embeddings = [_embedding(outputs, encoder, cell["seed"]) for encoder in _encoders(outputs, cell)]
    scalings = [Scaling.of(each, outputs.scale) for each in embeddings]
    return scalings, *side_by_side(embeddings, scalings)


def _encoders(outputs: Outputs, cell: Mapping[str, Any]) -> list[Encoder]:
    """Return the encoders of a cell: one, two, or in the place of none ``PLAIN``."""
    names = cell["encoder"].split("+")
    if names == [UNTRAINED]:
        return [Encoder(PLAIN)]
    trained = {*registry.names("pretext")}
    return [
        Encoder(name, {}, outputs.data / "embeddings" / name / f"seed-{cell['seed']}") if name in trained
        else Encoder(name, dict(outputs.encoders[name]))
        for name in names
    ]  # fmt: skip


def _method(outputs: Outputs, cell: Mapping[str, Any]) -> Fitted | None:
    """Return the model of a deep method; None of the grid's cells, and of rows that a method has beside its own."""
    name = cell["clusterer"]
    if cell["stage"] == "grid" or "/" in name:
        return None
    of_stage = Path(name) if cell["stage"] == "deep" else Path(cell["stage"], name)
    return Fitted(name, outputs.data / "models" / of_stage / f"seed-{cell['seed']}", _seen(name, cell["encoder"]))


def _seen(method: str, encoder: str) -> list[str | int]:
    """Return what a method was fitted to, see ``Fitted``."""
    kind = registry.get("methods", method)
    names = [] if encoder == UNTRAINED else encoder.split("+")
    if kind.input == "logmel" and not on_frozen(kind, names):
        return [LOGMELS]
    return ([LOGMELS] if kind.input == "views" and len(names) == 1 else []) + list(range(len(names)))


def _embedding(outputs: Outputs, encoder: Encoder, seed: int) -> np.ndarray:
    """Return the embedding (n, d) of the fitted clips."""
    folder = outputs.data / "embeddings" / encoder.name
    if encoder.name == PLAIN and not encoder.parameters:
        return _plain(outputs)
    embedding = np.load(folder / EMBEDDING, mmap_mode="r")
    return np.asarray(embedding[outputs.seeds.index(seed)] if embedding.ndim == 3 else embedding)


def _plain(outputs: Outputs) -> np.ndarray:
    source = {"logmel": outputs.data / "logmel/logmel.npy"}
    stats, durations = (outputs.stats["mean"], outputs.stats["std"]), np.load(outputs.data / "clips/durations.npy")
    with tempfile.TemporaryDirectory() as folder:
        outputs.embed.run(PLAIN, {}, source, outputs.rate, stats, durations, Path(folder, EMBEDDING))
        return np.load(Path(folder, EMBEDDING))


def _pca(x: np.ndarray, parameters: Mapping[str, Any]) -> PCA:
    """Return the reducer, fitted as the grid fits it."""
    model = PCA(**parameters)
    model.fit_transform(x)
    return model
