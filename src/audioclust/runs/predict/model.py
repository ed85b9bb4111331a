"""A cell of the table that gives other recordings its clusters.

A clip that the cell was fitted to is found by a digest of its samples and keeps its label. Others have that of the
clusterer's own rule where there is one (k-means' centroids, a deep method's network), else the vote of the nearest
fitted clips, in the embedding of the cell's encoder as the grid scales it. How far out a clip lies is seen there too,
and beyond ``limit`` it belongs to none of the clusters.

    model = load("data/model")
    model.predict("new recordings/")

Shapes: n fitted clips, m others.
"""

import hashlib
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from audioclust.points.scale import Scaling
from audioclust.points.vote import Voters, Votes, vote
from audioclust.runs.predict.hearing import Heard, Hearing
from audioclust.runs.predict.listing import Recording, Refused, listed, together, why
from audioclust.runs.predict.rules import Rule
from audioclust.runs.prepare import Prepare, sounds

NOISE = -1
DIGEST = 16  # bytes
BLOCK = 1 << 26  # bytes of sound that are heard at a time
COLUMNS = ("path", "start", "end", "cluster", "name", "confidence", "distance", "known")
DIGITS = {"confidence": 2, "distance": 3}


class Part(NamedTuple):
    """What is found of some recordings: a row of ``COLUMNS`` per clip, and what has no cluster."""

    clips: pd.DataFrame
    refused: list[Refused]


@dataclass
class Model:
    """One cell, fitted."""

    cell: dict[str, Any]  # encoder, reducer, clusterer, seed
    prepare: Prepare  # how recordings become clips
    hearing: Hearing
    scalings: list[Scaling]  # of each encoder's embedding
    voters: Voters  # the fitted clips; their labels are those that the user sees
    found: np.ndarray  # (n,) int32 labels as the cell has them
    digests: np.ndarray  # (n,) of the clips' samples, bytes
    ids: np.ndarray  # (n,) their names in ``clips.csv``, bytes
    rule: Rule | None = None  # None: neighbours vote
    names: dict[int, str] = field(default_factory=dict)  # of clusters that have one
    limit: float = 1.0  # distance beyond which a clip belongs to no cluster

    def relabelled(self, labels: np.ndarray, names: Mapping[int, str]) -> "Model":
        """Return it with the labels (n,) that the user wants, such as merged ones, and names of clusters."""
        named = {int(cluster): name for cluster, name in names.items()}
        return replace(self, voters=self.voters.relabelled(labels), names=named)

    def predict(self, paths: Any, *, limit: float | None = None, workers: int = -1) -> pd.DataFrame:
        """Return ``path``, ``start``, ``end`` (s), ``cluster``, ``name``, ``confidence``, ``distance``, ``known``.

        A row per clip, in the order of ``paths``. ``cluster`` is -1 of noise and of what is not ``known``, as its
        ``distance`` is above the limit; 1 is where 90 % of the fitted clips lie within. ``confidence`` is the share of
        the nearest fitted clips that lie in the cluster. ``attrs["refused"]`` lists recordings, and silent parts
        of some, that have none: path, start and reason.

        Args:
            paths: a recording or a folder of them, or a list of such.
            limit: in the place of the model's.
            workers: processes; -1: one per core.

        Raises:
            ValueError: the cell's encoder reads texts, or log-mels of another front end are needed.
            RuntimeError: an encoder's weights are absent and unreachable.
        """
        parts = [*self.parts(paths, limit=limit, workers=workers)]
        table = pd.concat([part.clips for part in parts], ignore_index=True)
        table.attrs["refused"] = refused = [each for part in parts for each in part.refused]
        if refused:
            warnings.warn(
                f"{len(refused)} have no cluster, see attrs['refused']; the first is {refused[0].path}: "
                f"{refused[0].reason}",
                stacklevel=2,
            )
        return table

    def parts(
        self, paths: Any, *, limit: float | None = None, workers: int = -1, scratch: Path | None = None
    ) -> Iterator[Part]:
        """Yield what ``predict`` returns part by part, so that any number of recordings needs no more memory than some.

        ``scratch`` is where sounds are decoded to, on a disk; None: the system's temporary folder.
        """
        for encoder in self.hearing.encoders:
            encoder.check()
        hearing = replace(self.hearing, embed=replace(self.hearing.embed, workers=workers))
        model = replace(self, prepare=replace(self.prepare, workers=workers), hearing=hearing)
        model.limit = self.limit if limit is None else limit
        recordings, refused = listed([paths] if isinstance(paths, str | os.PathLike) else paths)
        yield Part(_table([]), refused)
        for some in together(recordings):
            with tempfile.TemporaryDirectory(dir=scratch, prefix="audioclust-") as folder:
                yield model._of(some, Path(folder))

    def _of(self, recordings: list[Recording], folder: Path) -> Part:
        """Return what is found of recordings of one root."""
        shown = {each.path: each.shown for each in recordings}
        found = self.prepare.convert([*shown], recordings[0].root, folder)
        refused = [Refused(shown[each["path"]], row["start"], why(row)) for each in found for row in each["rejected"]]
        rows = []
        for clips, audio in _blocks(found, self.samples):
            votes, known = self.votes(clips, audio, folder)
            rows += self._rows(clips, shown, votes, known | (votes.distance <= self.limit))
        return Part(_table(rows), refused)

    @property
    def samples(self) -> int:
        """Return how many samples a clip has."""
        return round(self.prepare.clip_seconds * self.prepare.sample_rate)

    def _rows(self, clips: list[dict[str, Any]], shown: dict[str, str], votes: Votes, known: np.ndarray) -> list[tuple]:
        clusters = np.where(known, votes.labels, NOISE).tolist()
        confidence = np.where(np.array(clusters) == NOISE, np.nan, votes.confidence)
        return [
            (
                shown[clip["path"]], clip["start"], round(clip["start"] + clip["duration"], 6), cluster,
                self.names.get(cluster, ""), round(sure, DIGITS["confidence"]), round(far, DIGITS["distance"]), inside,
            )
            for clip, cluster, sure, far, inside in zip(
                clips, clusters, confidence.tolist(), votes.distance.tolist(), known.tolist(), strict=True
            )
        ]  # fmt: skip

    def votes(self, clips: list[dict[str, Any]], audio: np.ndarray, folder: Path) -> tuple[Votes, np.ndarray]:
        """Return what is found of clips, and which of them (m,) the cell was fitted to.

        Args:
            clips: ``clip_id`` and ``duration`` of each.
            audio: (m, samples) int16.
            folder: for arrays on the disk.
        """
        durations = np.array([clip["duration"] for clip in clips])
        ids = [clip["clip_id"].encode() for clip in clips]
        places = self._places(digests(audio, durations, self.prepare.sample_rate), ids)
        fitted = places >= 0
        out = Votes(*(each[places] for each in self.voters.own))
        if not fitted.all():
            new = self._new(audio[~fitted], durations[~fitted], folder)
            for whole, some in zip(out, new, strict=True):
                whole[~fitted] = some
        return out, fitted

    def _places(self, found: np.ndarray, ids: list[bytes]) -> np.ndarray:
        """Return which fitted clip each is (m,), of copies the one of its own name; -1: none."""
        places = []
        for digest, name in zip(found.tolist(), ids, strict=True):
            rows = self._rows_of.get(digest, [-1])
            places.append(next((row for row in rows if row >= 0 and self.ids[row] == name), rows[0]))
        return np.array(places)

    @cached_property
    def _rows_of(self) -> dict[bytes, list[int]]:
        found = defaultdict(list)
        for row, digest in enumerate(self.digests.tolist()):
            found[digest].append(row)
        return dict(found)

    def _new(self, audio: np.ndarray, durations: np.ndarray, folder: Path) -> Votes:
        """Return what is found of clips that the cell was not fitted to."""
        heard = self.hearing(audio, self.prepare.sample_rate, durations, folder)
        x, lengths = side_by_side(heard.embeddings, self.scalings)
        return self.voters(x, lengths, None if self.rule is None else self._by_rule(heard, x))

    def _by_rule(self, heard: Heard, x: np.ndarray) -> np.ndarray:
        """Return the labels (m,) that the user sees, of those that the rule gives.

        Where the user has split a cluster, or the rule names one without a fitted clip, neighbours vote: of that
        cluster, or all.
        """
        own = self.rule.labels(heard, x)
        labels = np.empty(len(own), np.int32)
        for cluster in np.unique(own):
            rows, inside = own == cluster, self.found == cluster
            shown = np.unique(self.voters.labels[inside])
            if len(shown) == 1:
                labels[rows] = shown[0]
            else:
                among = inside[self.voters.rows]
                among = among if among.any() else np.ones_like(among)
                labels[rows] = vote(self.voters.x[among], self.voters.labels[self.voters.rows[among]], x[rows])
        return labels


def side_by_side(embeddings: Iterable[np.ndarray], scalings: list[Scaling]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return embeddings (m, d) scaled, side by side, and how long their rows were (m, e); None where that is seen."""
    pairs = list(zip(embeddings, scalings, strict=True))
    x = np.concatenate([scaling(each) for each, scaling in pairs], axis=1)
    if not all(scaling.how.endswith("l2") for scaling in scalings):
        return x, None
    return x, np.stack([scaling.lengths(each) for each, scaling in pairs], axis=1)


def digests(audio: np.ndarray, durations: np.ndarray, rate: int) -> np.ndarray:
    """Return a digest (m,) of the signal of each clip, bytes.

    Args:
        audio: (m, samples) int16, an array or a memory map.
        durations: (m,) seconds of signal.
        rate: Hz.
    """
    lengths = np.rint(durations * rate).astype(np.int64)
    found = [
        hashlib.blake2b(np.ascontiguousarray(clip[:length]), digest_size=DIGEST).hexdigest().encode()
        for clip, length in zip(audio, lengths, strict=True)
    ]
    return np.array(found, f"S{2 * DIGEST}")  # in hexadecimal, as NumPy drops zeros at the end


def _blocks(found: list[dict[str, Any]], samples: int) -> Iterator[tuple[list[dict[str, Any]], np.ndarray]]:
    """Yield clips with their samples, some at a time, in order."""
    most = max(1, BLOCK // (2 * samples))
    clips, audio, count = [], [], 0
    for each in found:
        left = each["clips"]
        for sound in sounds(each, samples):
            while len(sound):
                part = sound[: most - count]
                audio.append(part)
                clips += left[: len(part)]
                sound, left, count = sound[len(part) :], left[len(part) :], count + len(part)
                if count == most:
                    yield clips, np.concatenate(audio)
                    clips, audio, count = [], [], 0
    if count:
        yield clips, np.concatenate(audio)


def _table(rows: list[tuple]) -> pd.DataFrame:
    types = {"start": float, "end": float, "cluster": int, "confidence": float, "distance": float, "known": bool}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)
