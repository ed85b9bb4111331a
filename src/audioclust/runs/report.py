"""The report of one cell: its clusters as ``clusters.yaml`` wants them, in lists, exports, and on the page.

Shapes: n clips, d dimensions, f mel bands, m neighbours; noise is -1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audioclust import registry
from audioclust.clips.identity import channels
from audioclust.parameters import choices
from audioclust.report import edits, lists, summary, table
from audioclust.results import files
from audioclust.runs.predict.export import Outputs, fitted, space
from audioclust.runs.predict.model import Model

ROOM = "report.exports"
README = """\
The clusters of every recording for other programs, one file per recording in the folders of the recordings. Consecutive
clips of one cluster are one region; clips in no cluster have none. What a file system refuses in a name became _.

audacity/       open the recording, then File, Import, Labels
raven/          open the recording, then File, Open Sound Selection Table
label_studio    paste the .xml as the labelling interface and import the .json; set LOCAL_FILES_SERVING_ENABLED=true and
                LOCAL_FILES_DOCUMENT_ROOT to the folder of the recordings
"""
Labelling = tuple[dict[str, Any], np.ndarray]  # what a cell and seed is, and its labels (n,)


@dataclass
class Lists:
    """What is written beside the lists and the page."""

    # Formats of other programs, a file of audioclust/report/exports each; most write a file per recording
    exports: list[str] = field(default_factory=lambda: registry.names(ROOM))

    def check(self) -> None:
        known = registry.names(ROOM)
        unknown = [name for name in self.exports if name not in known]
        if unknown:
            raise ValueError(f"exports: {unknown[0]!r} is no format{choices(unknown[0], known)}")


class Reported(NamedTuple):
    """A cell, its clusters as they were edited, and what is known of them."""

    name: str  # encoder/reducer/clusterer/seed
    model: Model  # of the cell, with the edited labels
    clusters: list[summary.Cluster]
    listed: pd.DataFrame  # from ``lists.clip_list``

    @property
    def labels(self) -> np.ndarray:
        """Labels (n,), edited."""
        return self.model.voters.labels


def pick(wanted: edits.Edits, best: Labelling, labellings: Sequence[Labelling]) -> Labelling:
    """Return the labelling that ``clusters.yaml`` names, or the ``best`` one.

    Raises:
        ValueError: there is no such cell, or it did not run.
    """
    if wanted.cell == edits.BEST:
        return best
    cells = {lists.column(cell): (cell, labels) for cell, labels in labellings}
    return cells[edits.find(wanted, {name: cell["reason"] for name, (cell, _) in cells.items()})]


def modelled(wanted: edits.Edits, outputs: Outputs, labelling: Labelling, limit: float) -> Model:
    """Return the model of a cell with the labels and names that ``clusters.yaml`` wants.

    Args:
        wanted: from ``edits.read``.
        outputs: of the stages.
        labelling: one of ``outputs.cells()``.
        limit: see ``Predict``.

    Raises:
        ValueError: edits that do not fit the clusters.
    """
    cell, labels = labelling
    model = fitted(outputs, cell, labels, limit=limit)
    x = _points(model, outputs, cell) if wanted.split else None
    edited = edits.apply(wanted, labels, x, lists.column(cell))
    if not wanted.number():
        return model
    return model.relabelled(edited.labels, edited.names)


def _points(model: Model, outputs: Outputs, cell: Mapping[str, Any]) -> np.ndarray:
    """Return the points (n, d) among which a cell's model looks for neighbours."""
    whole = len(model.voters.rows) == len(model.voters.labels)
    return model.voters.x if whole else space(outputs, cell)


def described(
    model: Model,
    clips: pd.DataFrame,
    rate: int,
    x: np.ndarray | None,
    means: np.ndarray,
    edges: np.ndarray,
    sample: int,
) -> Reported:
    """Return a cell's clusters with how sure each clip is, exemplars and descriptions.

    Args:
        model: from ``modelled``.
        clips: ``path``, ``start``, ``duration`` (s), ``level`` (dBFS), and ``text`` where there are transcripts.
        rate: of the clips, Hz.
        x: embedding (n, d) of the cell's encoder, as ``summary.describe`` takes it.
        means: (n, f) from ``summary.band_means``.
        edges: (f + 1,) Hz from ``summary.band_edges``.
        sample: clips among which the neighbours for the purity are searched.
    """
    labels = model.voters.labels
    found = summary.describe(clips, labels, x, means, edges, sample)
    exemplars = [row for each in found for row in each.nearest]
    listed = lists.clip_list(clips, labels, model.names, model.voters.own.confidence, exemplars, rate)
    return Reported(lists.column(model.cell), model, found, listed)


def write_lists(
    reported: Reported, clips: pd.DataFrame, rate: int, labellings: Sequence[Labelling], settings: Lists, out: Path
) -> None:
    """Write ``clips.csv``, ``files.csv``, ``labellings.csv`` and the folder ``exports`` into ``out``.

    Args:
        reported: from ``report``.
        clips: ``path``, ``start`` (s) and ``rate`` (Hz, of the recording).
        rate: of the clips, Hz.
        labellings: every cell and seed.
        settings: which exports.
        out: a folder; its ``exports`` of an earlier run go.
    """
    runs = lists.joined(reported.listed, np.array(channels(clips)), rate)
    side_by_side = lists.labellings(clips, [cell for cell, _ in labellings], [each for _, each in labellings])
    tables = {"clips": reported.listed, "files": lists.file_list(reported.listed, runs), "labellings": side_by_side}
    for name, each in tables.items():
        files.write_text(out / f"{name}.csv", each.to_csv(index=False, lineterminator="\n"))
    recordings = lists.recordings(runs, dict(zip(clips["path"], pd.to_numeric(clips["rate"]), strict=True)))
    written = {"README.txt": README}
    for name in settings.exports:
        written |= registry.module(ROOM, name).files(recordings, reported.name)
    with files.whole_folder(out / "exports") as folder:
        for path, text in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())


def compared(
    reported: Reported, result: pd.DataFrame, labellings: Sequence[Labelling], methods: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the labellings that the page compares, by name: the reported one, and the first seed of some others.

    The others are every deep method's and, of each encoder, those of the cell that would be chosen without labels.

    Args:
        reported: from ``report``.
        result: the table.
        labellings: every cell and seed.
        methods: the deep ones.
    """
    deep = result["clusterer"].isin(methods)
    rows = result[deep].to_dict("records")
    rows += [row for _, part in result[~deep].groupby("encoder", sort=False) if (row := table.chosen(part))]
    keys = [tuple(row[part] for part in table.KEY) for row in rows]
    found = {reported.name: reported.labels}
    for cell, labels in labellings:
        key = tuple(cell[part] for part in table.KEY)
        if key in keys and not cell["reason"]:
            keys.remove(key)  # the first of its seeds
            found.setdefault(lists.column(cell), labels)
    return found
