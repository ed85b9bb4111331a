"""Recordings of any kind to clips of one rate and length, on all cores, in bounded memory, resumable.

Shards of recordings are decoded by worker processes, each into a file of its own; the parent strings them together.
A killed run keeps its finished shards and ends in the same bytes.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust import parallel
from audioclust.clips.audio import Rejected, clips, resampled, to_int16
from audioclust.parameters import NonNegative, Positive, Unit
from audioclust.runs.label import CLIP

SHARD = 100  # recordings per task


@dataclass
class Source:
    """Where recordings come from."""

    dataset: str  # a file of audioclust/datasets
    root: str = "data/raw"  # the folder of the recordings; public sets are fetched into it

    def recordings(self, dataset: Any) -> pd.DataFrame:
        """List the recordings; where a folder lacks them and the set can be fetched (or rendered), do that first.

        Args:
            dataset: an instance of the data set's class.

        Raises:
            FileNotFoundError: the folder does not exist, or holds none and nothing can be fetched.
        """
        root = Path(self.root)
        try:
            return dataset.recordings(root)
        except FileNotFoundError:
            # A folder that does not exist is a slip of the pen, not a wish for gigabytes.
            if not hasattr(dataset, "download") or not root.is_dir():
                raise
        dataset.download(root)
        return dataset.recordings(root)


@dataclass
class Prepare:
    """How recordings become clips."""

    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] = 16000  # of the clips, Hz
    channels: Literal["mean", "first", "each"] = "mean"  # each: every channel becomes a clip of its own
    clip_seconds: Positive = 4.0  # length of a clip; shorter recordings are padded with zeros at the end
    # crop keeps the first clip of a long recording, split cuts it into consecutive ones, of which the last is dropped
    # where it is shorter than half a clip or than min_seconds.
    long: Literal["crop", "split"] = "crop"
    min_seconds: NonNegative = 0.05  # shorter recordings are rejected
    max_rejected: Unit = 0.05  # share of recordings without any usable clip above which the run stops
    workers: Annotated[int, Field(ge=-1)] = -1  # processes; -1: one per core

    def run(self, recordings: pd.DataFrame, root: Path, out: Path, *, scratch: Path) -> None:
        """Write ``audio.npy`` (n, samples) int16, ``clips.csv``, ``rejected.csv``, ``format.json``, ``info.json``.

        ``clips.csv`` has one row per clip and, after ``CLIP``, a column for each labelling; ``durations.npy`` (n,)
        float64 repeats the seconds of signal, for what must not run again when labels change.

        Args:
            recordings: ``path`` (relative to ``root``), ``group``, and a column for each labelling.
            root: the folder of the recordings.
            out: the folder to write to.
            scratch: the folder where finished shards wait for the others; removed at the end.

        Raises:
            ValueError: no recordings, a path twice, a labelling with the name of another column, clips without a
                sample, no workers, or too many rejected; ``rejected.csv`` is there.
        """
        self._check()
        table = _ordered(recordings, root)
        # Worker processes may be older than the working folder.
        root, scratch = root.absolute(), scratch.absolute()
        scratch.mkdir(parents=True, exist_ok=True)
        paths = table["path"].tolist()
        tasks = [(paths[i : i + SHARD], root, scratch, self._settings()) for i in range(0, len(paths), SHARD)]
        parts = list(parallel.run(_shard, tasks, workers=self.workers, name="prepare"))
        found = [json.loads(part.read_text(encoding="utf-8")) for part in parts]
        out.mkdir(parents=True, exist_ok=True)
        rejected = [row for shard in found for row in shard["rejected"]]
        _write_csv(pd.DataFrame(rejected, columns=["path", "start", "reason", "detail"]), out / "rejected.csv")
        rows = [row for shard in found for row in shard["clips"]]
        lost = _judge(table, rows, rejected, self.max_rejected)
        _write_audio(parts, len(rows), self._settings()["samples"], out / "audio.npy")
        _write_csv(pd.DataFrame(rows, columns=list(CLIP[:-1])).merge(table, on="path", how="left"), out / "clips.csv")
        np.save(out / "durations.npy", np.array([row["duration"] for row in rows]))
        _write_json({"sample_rate": self.sample_rate, "samples": self._settings()["samples"]}, out / "format.json")
        _write_json({"clips": len(rows), "recordings": len(table), "rejected": lost}, out / "info.json")
        shutil.rmtree(scratch)

    def _check(self) -> None:
        if round(self.clip_seconds * self.sample_rate) < 1:
            raise ValueError(
                f"data.clip_seconds = {self.clip_seconds}: a clip must have a sample at {self.sample_rate} Hz; raise it"
            )
        if self.workers == 0:
            raise ValueError("data.workers = 0: must be 1 or more, or -1 for one per core")

    def _settings(self) -> dict[str, Any]:
        """Return what the clips of a shard depend on."""
        return {
            "rate": self.sample_rate, "policy": self.channels, "samples": round(self.clip_seconds * self.sample_rate),
            "long": self.long, "min_seconds": self.min_seconds,
        }  # fmt: skip


def _ordered(recordings: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Return path, group and labellings, by path: relative to ``root`` however it was given, so outputs travel."""
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
        raise ValueError(f"{len(twice)} recordings are listed twice, the first is {twice.iloc[0]!r}")
    return table.sort_values("path", ignore_index=True)


def _shard(paths: list[str], root: Path, scratch: Path, settings: dict[str, Any]) -> Path:
    """Decode some recordings into ``scratch``; return the JSON file that tells what the raw file beside it holds."""
    key = hashlib.blake2b(digest_size=12)
    for path in paths:
        key.update(json.dumps([path, _stamp(root / path)]).encode())
    key.update(json.dumps(settings, sort_keys=True).encode())
    index, raw = scratch / f"{key.hexdigest()}.json", scratch / f"{key.hexdigest()}.raw"
    if _finished(index, raw):
        return index
    kept: dict[str, Any] = {"clips": [], "rejected": []}
    part = raw.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as stream:
        for path in paths:
            _recording(path, root, settings, stream, kept)
    kept["digest"] = _digest(part)
    os.replace(part, raw)
    part.write_text(json.dumps(kept), encoding="utf-8")
    os.replace(part, index)
    return index


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file is edited: its size and the time of its last change."""
    if not path.is_file():
        return []
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, hashlib.blake2b).hexdigest()


def _finished(index: Path, raw: Path) -> bool:
    """Tell whether a shard is there and whole; its size alone would not show a page lost with the machine's power."""
    try:
        return json.loads(index.read_text(encoding="utf-8"))["digest"] == _digest(raw)
    except (FileNotFoundError, ValueError, KeyError):
        return False


def _recording(path: str, root: Path, settings: dict[str, Any], stream: Any, kept: dict[str, Any]) -> None:
    """Append the clips of one recording to ``stream`` and their rows to ``kept``; or the reason why there are none.

    A recording that turns out to be damaged on the way gives no clip at all.
    """
    begin, count, rejected = stream.tell(), len(kept["clips"]), []
    samples, rate = settings["samples"], settings["rate"]
    wanted = samples / rate if settings["long"] == "crop" else None
    try:
        chunks = resampled(root / path, rate, settings["policy"], wanted)
        for position, clip in enumerate(clips(chunks, samples, settings["long"])):
            if position == 0 and len(clip) < settings["min_seconds"] * rate:
                raise Rejected("too short", f"{len(clip) / rate:.4f} s; data.min_seconds is {settings['min_seconds']}")
            if position > 0 and len(clip) < min(samples, max(samples / 2, settings["min_seconds"] * rate)):
                break
            for channel in range(clip.shape[1]):
                start = position * samples / rate
                sound = to_int16(clip[:, channel], samples)
                if not sound.any():
                    rejected.append(_rejection(path, start, "silent", f"all samples of channel {channel} are zero"))
                    continue
                stream.write(sound.tobytes())
                name = f"{path}|{start:.6f}|{channel}"
                kept["clips"].append(
                    {
                        "clip_id": hashlib.blake2b(name.encode(), digest_size=6).hexdigest(),
                        "path": path,
                        "start": round(start, 6),
                        "duration": round(len(clip) / rate, 6),
                    }
                )
        if len(kept["clips"]) == count and not rejected:
            raise Rejected("empty", "no samples were decoded")
    except Rejected as error:
        stream.seek(begin)
        stream.truncate()
        del kept["clips"][count:]
        rejected = [_rejection(path, 0.0, error.reason, error.detail)]
    kept["rejected"] += rejected


def _rejection(path: str, start: float, reason: str, detail: str) -> dict[str, Any]:
    return {"path": path, "start": round(start, 6), "reason": reason, "detail": detail}


def _judge(table: pd.DataFrame, rows: list[dict], rejected: list[dict], max_rejected: float) -> int:
    """Return how many recordings gave no clip; stop where they are too many."""
    lost = len(table) - len({row["path"] for row in rows})
    if lost > max_rejected * len(table) or not rows:
        counts = Counter(row["reason"] for row in {row["path"]: row for row in rejected}.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        raise ValueError(
            f"{lost} of {len(table)} recordings cannot be used ({reasons}); at most {max_rejected:.0%} may be "
            f"(data.max_rejected). Each is listed in data/clips/rejected.csv; mend or remove them, or raise the limit"
        )
    return lost


def _write_audio(parts: list[Path], clips: int, samples: int, path: Path) -> None:
    """String the shards' raw samples together behind a .npy header: no array, so no memory."""
    part = path.with_suffix(".part.npy")
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.int16)),
        "fortran_order": False,
        "shape": (clips, samples),
    }
    with part.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for index in parts:
            with index.with_suffix(".raw").open("rb") as raw:
                shutil.copyfileobj(raw, stream, 1 << 22)
    os.replace(part, path)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    part = path.with_suffix(".part.csv")
    table.to_csv(part, index=False, lineterminator="\n")
    os.replace(part, path)


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
