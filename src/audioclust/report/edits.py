"""``clusters.yaml``: which cell is reported, and what its user makes of its clusters: names, merges, splits, drops.

They are applied in the order split, merge, drop, names, each to the numbers that the ones before leave. Numbers are
stable: the largest part of a split cluster keeps its number, the others get the next ones that no cluster has, in the
order of the file; a merged cluster keeps the first number; a dropped one becomes noise, -1. A name of a cluster that
was merged into another or dropped says nothing.

Shapes: n clips, d dimensions.
"""

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field
from ruamel.yaml import YAML, YAMLError

from audioclust.clusterers.kmeans import KMeans
from audioclust.parameters import checked, choices, types

BEST = "best"
NEAR = 3  # names of cells that a message offers
Number = Annotated[int, Field(ge=0, strict=True)]


@dataclass
class Edits:
    """What the file says; ``path`` is its name, for messages."""

    cell: str = BEST  # encoder/reducer/clusterer/seed, or the best one
    names: dict[Number, Annotated[str, Field(strict=True)]] = field(default_factory=dict)
    split: dict[Number, Annotated[int, Field(strict=True)]] = field(default_factory=dict)  # cluster -> parts
    merge: list[list[Number]] = field(default_factory=list)  # lists of clusters that become one
    drop: list[Number] = field(default_factory=list)
    path: Path = field(default=Path("clusters.yaml"), kw_only=True)

    def number(self) -> int:
        """Return how many clusters are named, merged, split or dropped."""
        return len(self.names) + sum(map(len, self.merge)) + len(self.split) + len(self.drop)

    def said(self) -> dict[str, Any]:
        """Return what is edited, as the file has it."""
        return {key: getattr(self, key) for key in ("names", "split", "merge", "drop")}


class Edited(NamedTuple):
    """Labels (n,) and the names of clusters that have one."""

    labels: np.ndarray
    names: dict[int, str]


def read(path: Path) -> Edits:
    """Return what ``clusters.yaml`` says; what it leaves out or empty is not edited.

    Raises:
        ValueError: it is no YAML, names a key twice or one that does not exist, or a value has the wrong type.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, ValueError) as error:
        raise ValueError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise ValueError(f"{path}: must hold keys and values such as `cell: best`, it holds {content!r}")
    given = {key: value for key, value in (content or {}).items() if value is not None}
    known = types(Edits)
    mistakes = [f"{key}: unknown key{choices(key, known)}" for key in given if key not in known]
    values, wrong = checked(known, {key: given[key] for key in given if key in known}, "")
    if mistakes or wrong:
        raise ValueError("\n".join(f"{path}: {mistake}" for mistake in mistakes + wrong))
    return Edits(**values, path=path)


def find(edits: Edits, cells: Mapping[str, str]) -> str:
    """Return the name of the cell that the file names.

    Args:
        edits: from ``read``, with a cell other than ``BEST``.
        cells: encoder/reducer/clusterer/seed -> why it did not run, "" where it did.

    Raises:
        ValueError: there is no such cell, or it did not run.
    """
    what = f"{edits.path}: cell = {edits.cell!r}"
    if edits.cell not in cells:
        near = difflib.get_close_matches(edits.cell, [name for name, why in cells.items() if not why], NEAR, 0.0)
        raise ValueError(
            f"{what}: no such cell; it is encoder/reducer/clusterer/seed, such as {', '.join(near)}, or {BEST}; the "
            "columns of data/clusters/labellings.csv are all of them"
        )
    if cells[edits.cell]:
        raise ValueError(f"{what}: this cell did not run: {cells[edits.cell]}")
    return edits.cell


def apply(edits: Edits, labels: np.ndarray, x: np.ndarray | None, cell: str, random_state: int = 0) -> Edited:
    """Return the labels as the file wants them.

    Args:
        edits: from ``read``.
        labels: (n,) of the cell, integers, -1 for noise.
        x: (n, d) the space that clusters are split in, by k-means; None where none is.
        cell: its name, for messages.
        random_state: of k-means.

    Raises:
        ValueError: a cluster that does not exist or does no more, one that is merged twice, a split below 2 or above
            its clips, no cluster left, or a name that is no name.
    """
    state = _State(labels, edits, cell)
    for cluster, parts in edits.split.items():
        state.split(cluster, parts, x, random_state)
    for clusters in edits.merge:
        state.merge(clusters)
    for cluster in edits.drop:
        state.drop(cluster)
    if edits.drop and not (state.labels >= 0).any():
        raise ValueError(f"{edits.path}: drop: no cluster is left; keep one")
    names = {cluster: state.name(cluster, name) for cluster, name in edits.names.items()}
    return Edited(state.labels, {cluster: name for cluster, name in names.items() if cluster not in state.gone})


class _State:
    """Labels while they are edited, and what became of the clusters that are no more."""

    def __init__(self, labels: np.ndarray, edits: Edits, cell: str):
        self.labels, self.edits, self.cell = np.array(labels), edits, cell
        self.merged: set[int] = set()
        self.gone: dict[int, str] = {}
        self.free = int(labels.max(initial=-1)) + 1

    def split(self, cluster: int, parts: int, x: np.ndarray, random_state: int) -> None:
        self._must("split", cluster)
        rows = np.flatnonzero(self.labels == cluster)
        what = f"{self.edits.path}: split: cluster {cluster} into {parts}"
        if not 2 <= parts <= len(rows):
            raise ValueError(f"{what}: must be 2 or more, and at most its {len(rows)} clips")
        found = KMeans(parts, random_state=random_state).fit(np.asarray(x[rows])).labels_
        sizes = np.bincount(found)
        if len(sizes) < parts:
            raise ValueError(f"{what}: its clips are the same but for {len(sizes)}; split it into fewer")
        for part in np.argsort(-sizes, kind="stable")[1:]:  # the largest keeps the number
            self.labels[rows[found == part]] = self.free
            self.free += 1

    def merge(self, clusters: Sequence[int]) -> None:
        if len(clusters) < 2:
            raise ValueError(f"{self.edits.path}: merge: {clusters}: name two clusters or more that become one")
        for cluster in clusters:
            if cluster in self.merged:
                raise ValueError(
                    f"{self.edits.path}: merge: cluster {cluster} stands there twice; write all clusters that become "
                    "one into one list, once"
                )
            self._must("merge", cluster)
            self.merged.add(cluster)
        first, *others = clusters
        self.labels[np.isin(self.labels, others)] = first
        self.gone |= {other: f"is merged into {first}" for other in others}

    def drop(self, cluster: int) -> None:
        self._must("drop", cluster)
        self.labels[self.labels == cluster] = -1
        self.gone[cluster] = "is dropped"

    def name(self, cluster: int, name: str) -> str:
        """Return a cluster's name on one line."""
        if cluster not in self.gone:
            self._must("names", cluster)
        said, what = " ".join(name.split()), f"{self.edits.path}: names: cluster {cluster}: {name!r}"
        if not said or any(unicodedata.category(each) in ("Cc", "Cs") for each in said):
            raise ValueError(f"{what}: must be a text of characters that can be printed")
        if said.lstrip("+-").isdigit():
            raise ValueError(f"{what}: would be taken for the number of a cluster; add a word")
        return said

    def _must(self, key: str, cluster: int) -> None:
        """Raise where there is no such cluster, or no more."""
        if cluster not in self.gone and (self.labels == cluster).any():
            return
        there = ", ".join(str(each) for each in np.unique(self.labels[self.labels >= 0]).tolist()) or "none"
        of = f"{self.cell} has the clusters {there}"
        if self.edits.cell == BEST:
            of = f"the best cell, {of}; if this file was written for another cell, name it: cell: ..."
        why = self.gone.get(cluster, "does not exist")
        raise ValueError(f"{self.edits.path}: {key}: cluster {cluster} {why}: {of}")
