"""Recordings of any kind to clips of one rate and length, on all cores, in bounded memory, resumable.

The recordings are cut into sections of some minutes, and tasks of about as much sound are decoded by worker processes,
each into a file of its own; the parent strings them together. A killed run keeps its finished tasks and ends in the
same bytes. What was decoded for an earlier run is taken from there.
"""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust import parallel
from audioclust.datasets._layout import printable
from audioclust.parameters import NonNegative, Positive, Probability, Unit
from audioclust.results import files
from audioclust.results.kept import Kept
from audioclust.results.unfinished import Unfinished
from audioclust.runs.label import CLIP
from audioclust.runs.prepare import decode, reuse, summary
from audioclust.runs.prepare.decode import Section, Settings
from audioclust.runs.prepare.joined import by_path, joined
from audioclust.runs.prepare.reuse import Content
from audioclust.runs.prepare.sections import highest_rate, sections, tasks
from audioclust.runs.recordings import STAMP, digests, stamps_of

RATE = 16000  # Hz, of the default log-mels


@dataclass
class Prepare:
    """How recordings become clips."""

    # Of the clips, Hz; auto: the highest that an encoder asks for, as far as a recording has as much
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] | Literal["auto"] = "auto"
    channels: Literal["mean", "first", "each"] = "mean"  # each: every channel becomes a clip of its own
    clip_seconds: Positive = 4.0  # length of a clip; shorter recordings are padded with zeros at the end
    # crop keeps the first clip of a long recording; split cuts all of it into clips, of which the last, that ends with
    # the recording, is dropped where it is shorter than half a clip or than min_seconds.
    long: Literal["crop", "split"] = "crop"
    overlap: Probability = 0.0  # with split, the share of a clip that the next one has too
    min_seconds: NonNegative = 0.05  # shorter recordings are rejected
    min_level: Annotated[float, Field(le=0)] | None = (
        None  # dBFS (RMS); clips below it are left out; null: only those that are all zeros
    )
    # Share of recordings without any usable clip above which the run stops; a single one never stops it, but at 0
    max_rejected: Unit = 0.05
    workers: Annotated[int, Field(ge=-1)] = -1  # processes; -1: one per core

    def run(
        self, recordings: pd.DataFrame, root: Path, out: Path, *, scratch: Path, rates: tuple[int, int] = (RATE, RATE),
        kept: Kept | None = None, known: Path | None = None,
    ) -> str:  # fmt: skip
        """Write ``audio.npy`` (n, samples) int16, ``clips.csv``, ``rejected.csv``, ``format.json``, ``info.json``.

        ``clips.csv`` has one row per clip and, after ``CLIP``, a column for each labelling and, where recordings have
        texts, ``text``, that of the clip's recording. What must not run again when labels change reads
        ``durations.npy`` (n,) float64, seconds of signal, and ``digests.npy`` (n, 16) uint8, hashes of the samples.
        ``info.json`` counts.

        Args:
            recordings: ``path`` (relative to ``root``), ``group``, a column for each labelling, and ``text``
                where there are texts; what else lies in the folder is counted in ``attrs``: ``other_files`` that are no
                recordings.
            root: the folder of the recordings.
            out: the folder to write to.
            scratch: the folder where finished tasks wait for the others, in a folder per key; it is removed at the end
                unless other runs need it.
            rates: what ``sample_rate`` auto is at least, and at most where a recording has as much.
            kept: where samples are kept for later runs, whose recordings may have other names; None: nowhere.
            known: a file of digests that ``recordings.digests`` keeps.

        Returns:
            What was used and what was not, in a sentence or two.

        Raises:
            ValueError: no recordings, a path twice, a labelling with the name of another column, clips without a
                sample, no workers, too many rejected, or none left that is loud enough; ``rejected.csv`` is there.
        """
        self.check()
        table = _ordered(recordings, root)
        contents = _contents(table["path"].tolist(), root, known, kept is not None)
        prepare = self
        if self.sample_rate == "auto":
            prepare = replace(self, sample_rate=self._rate([root / path for path in contents], *rates))
        return prepare._run(table, recordings.attrs.get("other_files", 0), root, out, scratch, contents, kept)

    def _run(
        self, table: pd.DataFrame, others: int, root: Path, out: Path, scratch: Path, contents: Mapping[str, Content],
        kept: Kept | None,
    ) -> str:  # fmt: skip
        """Do what ``run`` does, of ordered recordings, at a rate that is known."""
        self.check()
        settings = self.settings
        with Unfinished(scratch, decode.key(settings, [*contents])) as folder:
            ready = reuse.take(contents, kept, settings, folder, self.workers) if kept else {}
            found = self._all([*contents], root, folder, ready)
            for each in found:
                each["copy_of"] = contents[each["path"]].digest
            rejected = [row for each in found for row in each["rejected"]]
            rows = [row for each in found for row in each["clips"]]
            _write_csv(pd.DataFrame(rejected, columns=["path", "start", "reason", "detail"]), out / "rejected.csv")
            info = summary.counts(found, rows, others)
            summary.judge(info, rejected, self.max_rejected, self.min_level)
            _write_audio(found, len(rows), settings.samples, out / "audio.npy")
            columns = [name for name in CLIP if name != "group"]
            _write_csv(pd.DataFrame(rows, columns=columns).merge(table, on="path", how="left"), out / "clips.csv")
            files.write_array(out / "durations.npy", np.array([row["duration"] for row in rows]))
            files.write_array(out / "digests.npy", _digests(found))
            _write_json({"sample_rate": self.sample_rate, "samples": settings.samples}, out / "format.json")
            _write_json(info, out / "info.json")
        if kept:
            kept.count(len(found) - len(ready), len(found))
            reuse.put(found, contents, kept, settings, out / "audio.npy")
        return summary.said(info, found, rejected, self.min_level)

    def convert(self, paths: Sequence[str], root: Path, scratch: Path) -> list[dict[str, Any]]:
        """Return what became of each recording, in order: ``path``, ``clips`` and ``rejected``, rows of the tables of
        these names, and for ``sounds`` where in ``scratch`` its samples lie.

        Args:
            paths: different ones, relative to ``root``.
            root: the folder of the recordings.
            scratch: the folder to decode into.
        """
        return self._all(paths, root, scratch, {})

    def check(self) -> None:
        if self.sample_rate != "auto" and round(self.clip_seconds * self.sample_rate) < 1:
            raise ValueError(
                f"data.clip_seconds = {self.clip_seconds}: a clip must have a sample at {self.sample_rate} Hz; raise it"
            )
        if self.overlap and self.long != "split":
            raise ValueError(f"data.overlap = {self.overlap}: only data.long=split cuts clips that overlap; set both")
        if self.workers == 0:
            raise ValueError("data.workers = 0: must be 1 or more, or -1 for one per core")

    @property
    def settings(self) -> Settings:
        """What the clips of a recording depend on, at a rate that is known."""
        samples = round(self.clip_seconds * self.sample_rate)
        hop = max(1, round(samples * (1 - self.overlap)))
        return Settings(
            self.sample_rate, self.channels, samples, hop, self.long, self.min_seconds, self.min_level
        )  # fmt: skip

    def _rate(self, paths: list[Path], least: int, most: int) -> int:
        """Return the highest sample rate of all recordings, within the two limits."""
        return least if least >= most else min(max(least, highest_rate(paths, self.workers)), most)

    def _all(
        self, paths: Sequence[str], root: Path, scratch: Path, ready: Mapping[str, list[dict[str, Any]]]
    ) -> list[dict[str, Any]]:
        """Return what became of each recording, in order, of those that are ready from their parts."""
        new = [path for path in paths if path not in ready]
        sizes = [files.stamp(root / path)[0] for path in new]
        parts = self._decoded(sections(new, sizes, root, self.settings, self.workers), root, scratch, "prepare")
        found = {path: joined(each, self.settings) for path, each in (ready | by_path(parts)).items()}
        again = [section for each in found.values() for section in _rescaled(each)]
        if again:  # the level of all of a recording is known now
            parts = self._decoded(again, root, scratch, "prepare, other levels")
            found |= {path: joined(each, self.settings) for path, each in by_path(parts).items()}
        return [found[path] for path in paths]

    def _decoded(self, found: Sequence[Section], root: Path, scratch: Path, name: str) -> list[dict[str, Any]]:
        arguments = [(task, root, scratch, self.settings) for task in tasks(found)]
        return [
            part for shard in parallel.run(decode.shard, arguments, workers=self.workers, name=name) for part in shard
        ]


def _ordered(recordings: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return path, group, labellings, text, by path: relative to ``root`` however it was given, so outputs travel."""
    if not len(recordings):
        raise ValueError("there are no recordings: check data.root and data.dataset")
    labellings = [column for column in recordings.columns if column not in ("path", "group")]
    taken = sorted({*labellings} & {*CLIP})
    if taken:
        raise ValueError(f"a labelling is called {taken[0]!r}, as a column of the clip table is: give it another name")
    table = pd.DataFrame({"path": [Path(os.path.relpath(root / path, root)).as_posix() for path in recordings["path"]]})
    for column in ("group", *labellings):
        table[column] = recordings[column].fillna("").astype(str).to_numpy() if column in recordings else ""
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise ValueError(f"{len(twice)} recordings are listed twice, the first is {printable(twice.iloc[0])!r}")
    return table.sort_values("path", ignore_index=True)


def _contents(paths: list[str], root: Path, known: Path | None, every: bool) -> dict[str, Content]:
    """Return what each file holds; without ``every``, the hash of those alone that may be copies of another one."""
    stamps = stamps_of([root / path for path in paths])
    times = Counter(stamps["bytes"])
    asked = [i for i, size in enumerate(stamps["bytes"]) if every or times[size] > 1]
    found = dict(zip(asked, digests([root / paths[i] for i in asked], stamps.iloc[asked], known), strict=True))
    rows = stamps[STAMP].itertuples(index=False, name=None)
    return {
        path: Content(stamp[0], tuple(stamp), found.get(i, ""))
        for i, (path, stamp) in enumerate(zip(paths, rows, strict=True))
    }


def _rescaled(each: dict[str, Any]) -> list[Section]:
    """Return the sections of a recording that must be decoded once more, as all of it has another gain."""
    factor = decode.gain_of(each)
    if factor == each["gain"] or any(part["rejected"] for part in each["parts"]):
        return []
    return [Section(*part["section"])._replace(gain=factor) for part in each["parts"]]


def _digests(found: list[dict[str, Any]]) -> np.ndarray:
    """Return the hashes of the clips, (n, 16) uint8."""
    names = "".join(name for each in found if each["clips"] for part in each["parts"] for name in part["digests"])
    return np.frombuffer(bytes.fromhex(names), np.uint8).reshape(-1, 16)


def _write_audio(found: list[dict[str, Any]], clips: int, samples: int, path: Path) -> None:
    """String the recordings' samples together behind a .npy header: no array, so no memory."""
    with files.whole(path) as stream:
        files.write_header(stream, np.int16, (clips, samples))
        for each in found:
            for part in each["parts"] if each["clips"] else ():
                with part["raw"].open("rb") as raw:
                    raw.seek(part["offset"])
                    _copy(raw, stream, 2 * samples * len(part["clips"]))


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        block = source.read(min(count, 1 << 22))
        target.write(block)
        count -= len(block)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _write_json(content: dict[str, Any], path: Path) -> None:
    files.write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
