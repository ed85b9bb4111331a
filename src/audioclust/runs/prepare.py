"""Recordings of any kind to clips of one rate and length, on all cores, in bounded memory, resumable.

The recordings are cut into sections of some minutes, and tasks of about as much sound are decoded by worker processes,
each into a file of its own; the parent strings them together. A killed run keeps its finished tasks and ends in the
same bytes.
"""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust import parallel
from audioclust.clips.audio import Level, clips, gain, open_recording, resampled, to_int16
from audioclust.clips.identity import clip_id
from audioclust.clips.rejected import Rejected
from audioclust.datasets._layout import printable
from audioclust.parameters import NonNegative, Positive, Unit
from audioclust.results import files, sealed
from audioclust.results.unfinished import Unfinished
from audioclust.runs.label import CLIP

SECTION = 600.0  # seconds of one recording that a task decodes, at most
TASK = 300.0  # seconds of sound in a task of several recordings, about
ASKED = 1 << 20  # bytes from which a recording is asked for its length
ASKED_AT_ONCE = 256  # recordings whose sample rate a task asks for
RATE = 16000  # Hz, of the default log-mels
BYTES_PER_SECOND = 32_000  # of a recording that was not asked
LISTED = 3  # recordings named in the summary


@dataclass
class Prepare:
    """How recordings become clips."""

    # Of the clips, Hz; auto: the highest that an encoder asks for, as far as a recording has as much
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)] | Literal["auto"] = "auto"
    channels: Literal["mean", "first", "each"] = "mean"  # each: every channel becomes a clip of its own
    clip_seconds: Positive = 4.0  # length of a clip; shorter recordings are padded with zeros at the end
    # crop keeps the first clip of a long recording, split cuts it into consecutive ones, of which the last is dropped
    # where it is shorter than half a clip or than min_seconds.
    long: Literal["crop", "split"] = "crop"
    min_seconds: NonNegative = 0.05  # shorter recordings are rejected
    # Share of recordings without any usable clip above which the run stops; a single one never stops it, but at 0
    max_rejected: Unit = 0.05
    workers: Annotated[int, Field(ge=-1)] = -1  # processes; -1: one per core

    def run(
        self, recordings: pd.DataFrame, root: Path, out: Path, *, scratch: Path, rates: tuple[int, int] = (RATE, RATE)
    ) -> str:
        """Write ``audio.npy`` (n, samples) int16, ``clips.csv``, ``rejected.csv``, ``format.json``, ``info.json``.

        ``clips.csv`` has one row per clip and, after ``CLIP``, a column for each labelling and, where recordings have
        texts, ``text``, that of the clip's recording; ``durations.npy`` (n,) float64 repeats the seconds of signal, for
        what must not run again when labels change. ``info.json`` counts.

        Args:
            recordings: ``path`` (relative to ``root``), ``group``, a column for each labelling, and ``text``
                where there are texts; what else lies in the folder is counted in ``attrs``: ``other_files`` that are no
                recordings.
            root: the folder of the recordings.
            out: the folder to write to.
            scratch: the folder where finished tasks wait for the others, in a folder per key; it is removed at the end
                unless other runs need it.
            rates: what ``sample_rate`` auto is at least, and at most where a recording has as much.

        Returns:
            What was used and what was not, in a sentence or two.

        Raises:
            ValueError: no recordings, a path twice, a labelling with the name of another column, clips without a
                sample, no workers, or too many rejected; ``rejected.csv`` is there.
        """
        self.check()
        table = _ordered(recordings, root)
        paths = table["path"].tolist()
        rate = self._rate(paths, root, *rates) if self.sample_rate == "auto" else self.sample_rate
        return replace(self, sample_rate=rate)._run(table, recordings.attrs.get("other_files", 0), root, out, scratch)

    def _run(self, table: pd.DataFrame, others: int, root: Path, out: Path, scratch: Path) -> str:
        """Do what ``run`` does, of ordered recordings, at a rate that is known."""
        self.check()
        paths = table["path"].tolist()
        with Unfinished(scratch, _key(self._settings(), paths)) as folder:
            found = self.convert(paths, root, folder)
            rejected = [row for each in found for row in each["rejected"]]
            rows = [row for each in found for row in each["clips"]]
            _write_csv(pd.DataFrame(rejected, columns=["path", "start", "reason", "detail"]), out / "rejected.csv")
            info = _counts(found, rows, others)
            _judge(info, rejected, self.max_rejected)
            _write_audio(found, len(rows), self._settings()["samples"], out / "audio.npy")
            columns = [name for name in CLIP if name != "group"]
            _write_csv(pd.DataFrame(rows, columns=columns).merge(table, on="path", how="left"), out / "clips.csv")
            files.write_array(out / "durations.npy", np.array([row["duration"] for row in rows]))
            _write_json({"sample_rate": self.sample_rate, "samples": self._settings()["samples"]}, out / "format.json")
            _write_json(info, out / "info.json")
        return _summary(info, found, rejected)

    def convert(self, paths: list[str], root: Path, scratch: Path) -> list[dict[str, Any]]:
        """Return what became of each recording, in order: ``path``, ``clips`` and ``rejected``, rows of the tables of
        these names, and for ``sounds`` where in ``scratch`` its samples lie.

        Args:
            paths: different ones, relative to ``root``.
            root: the folder of the recordings.
            scratch: the folder to decode into.
        """
        return self._converted(self._sections(paths, root), root, scratch)

    def check(self) -> None:
        if self.sample_rate != "auto" and round(self.clip_seconds * self.sample_rate) < 1:
            raise ValueError(
                f"data.clip_seconds = {self.clip_seconds}: a clip must have a sample at {self.sample_rate} Hz; raise it"
            )
        if self.workers == 0:
            raise ValueError("data.workers = 0: must be 1 or more, or -1 for one per core")

    def _rate(self, paths: list[str], root: Path, least: int, most: int) -> int:
        """Return the highest sample rate of all recordings, within the two limits."""
        if least >= most:
            return least
        blocks = [[root / path for path in paths[i : i + ASKED_AT_ONCE]] for i in range(0, len(paths), ASKED_AT_ONCE)]
        found = parallel.run(_highest, [(block,) for block in blocks], workers=self.workers)
        return min(max(least, *found), most)

    def _settings(self) -> dict[str, Any]:
        """Return what the clips of a recording depend on."""
        return {
            "rate": self.sample_rate, "policy": self.channels, "samples": round(self.clip_seconds * self.sample_rate),
            "long": self.long, "min_seconds": self.min_seconds,
        }  # fmt: skip

    def _sections(self, paths: list[str], root: Path) -> list[dict[str, Any]]:
        """Return the sections of all recordings: path, the first clip, how many (None: to the end), seconds."""
        sizes = [files.stamp(root / path)[0] for path in paths]
        asked = [i for i, size in enumerate(sizes) if size >= ASKED and self.long == "split"]
        lengths = parallel.run(_seconds, [(root / paths[i],) for i in asked], workers=self.workers)
        known, times = dict(zip(asked, lengths, strict=True)), Counter(sizes)
        per = max(1, int(SECTION // self.clip_seconds))  # clips
        found = []
        for i, (path, size) in enumerate(zip(paths, sizes, strict=True)):
            length, whole = known.get(i) or size / BYTES_PER_SECOND, per * self.clip_seconds
            last = max(0, math.ceil(length / whole) - 1) if known.get(i) else 0
            common = {"path": path, "twin": times[size] > 1}  # another file may have the same content
            found += [common | {"first": per * j, "count": per, "seconds": whole} for j in range(last)]
            count = 1 if self.long == "crop" else None
            found.append(common | {"first": per * last, "count": count, "seconds": min(length, whole)})
        return found

    def _converted(self, sections: list[dict[str, Any]], root: Path, scratch: Path) -> list[dict[str, Any]]:
        """Return what became of each recording, in order."""
        parts = self._decoded(sections, root, scratch, "prepare")
        found = [_joined(group) for group in _by_path(parts)]
        again = [(each, _gain(each)) for each in found if _gain(each) != 1 and len(each["parts"]) > 1]
        if again:  # their level is known now
            scaled = [part["section"] | {"gain": factor} for each, factor in again for part in each["parts"]]
            parts = self._decoded(scaled, root, scratch, "prepare, other levels")
            others = {group[0]["path"]: _joined(group) for group in _by_path(parts)}
            found = [others.get(each["path"], each) for each in found]
        return found

    def _decoded(self, sections: list[dict], root: Path, scratch: Path, name: str) -> list[dict[str, Any]]:
        tasks, sounds = [[]], 0.0
        for section in sections:
            if tasks[-1] and sounds + section["seconds"] > TASK:
                tasks.append([])
                sounds = 0.0
            tasks[-1].append(section)
            sounds += section["seconds"]
        arguments = [(task, root, scratch, self._settings()) for task in tasks]
        shards = parallel.run(_shard, arguments, workers=self.workers, name=name)
        return [part for shard in shards for part in shard]


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


def _highest(paths: list[Path]) -> int:
    """Return the highest sample rate of some recordings, as far as their headers tell; 0 of none."""
    highest = 0
    for path in paths:
        with suppress(Rejected), closing(open_recording(path)) as recording:
            highest = max(highest, recording.rate)
    return highest


def _seconds(path: Path) -> float | None:
    """Return the length of a recording as far as its header tells."""
    try:
        with closing(open_recording(path)) as recording:
            return recording.seconds
    except Rejected:
        return None


def _key(*inputs: Any) -> str:
    return hashlib.blake2b(json.dumps(inputs, sort_keys=True).encode(), digest_size=12).hexdigest()


def _shard(sections: list[dict], root: Path, scratch: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Decode some sections into ``scratch``; return what each became and which ``raw`` file holds its samples.

    A sealed JSON file tells what the raw file beside it holds, and its digest.
    """
    key = _key([[section, files.stamp(root / section["path"])] for section in sections], settings)
    index, raw = scratch / f"{key}.json", scratch / f"{key}.raw"
    parts = _kept(index, raw)
    if parts is None:
        with files.whole(raw) as stream:
            parts = [_section(section, root, settings, stream) for section in sections]
        sealed.write(index, json.dumps({"parts": parts, "digest": _digest(raw)}).encode())
    return [part | {"raw": raw} for part in parts]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, hashlib.blake2b).hexdigest()


def _kept(index: Path, raw: Path) -> list[dict[str, Any]] | None:
    """Return what is known of a task's sections; None where its files are not there or damaged."""
    try:
        data = sealed.read(index)
        kept = None if data is None else json.loads(bytes(data))
        return kept["parts"] if kept and kept["digest"] == _digest(raw) else None
    except (FileNotFoundError, sealed.Damaged):
        return None


def _section(section: dict[str, Any], root: Path, settings: dict[str, Any], stream: Any) -> dict[str, Any]:
    """Append the clips of a section to ``stream`` and return what is known of them; none where it is damaged."""
    begin = stream.tell()
    part = {"path": section["path"], "section": section, "clips": [], "silent": [], "rejected": None, "peak": 0.0,
            "fine": False, "seconds": 0.0, "gain": section.get("gain", 1.0), "copy_of": None}  # fmt: skip
    try:
        path = root / section["path"]
        if printable(section["path"]) != section["path"]:
            raise Rejected("unreadable", "its name is no UTF-8: rename it")
        part["copy_of"] = _digest(path) if section["twin"] and section["first"] == 0 and path.is_file() else None
        _convert(part, path, settings, stream)
        whole = section["first"] == 0 and (section["count"] is None or settings["long"] == "crop")
        if whole and _gain(part) != part["gain"]:
            _rewind(stream, begin)
            part |= {"clips": [], "silent": [], "gain": _gain(part)}
            _convert(part, path, settings, stream)
    except Rejected as error:
        _rewind(stream, begin)
        part |= {"clips": [], "silent": [], "rejected": [error.reason, error.detail]}
    return part | {"offset": begin, "bytes": stream.tell() - begin}


def _rewind(stream: Any, position: int) -> None:
    stream.seek(position)
    stream.truncate()


def _convert(part: dict[str, Any], path: Path, settings: dict[str, Any], stream: Any) -> None:
    """Decode a section into clips, scaled by the part's ``gain``."""
    first, count = part["section"]["first"], part["section"]["count"]
    samples, rate = settings["samples"], settings["rate"]
    level, least = Level(), settings["min_seconds"] * rate
    with closing(open_recording(path)) as recording:
        wanted = None if count is None else count * samples
        chunks = resampled(recording, rate, settings["policy"], first * samples, wanted, level)
        for position, clip in enumerate(clips(chunks, samples, count), first):
            if position == 0 and len(clip) < least:
                raise Rejected("too short", f"{len(clip) / rate:.4f} s; data.min_seconds is {settings['min_seconds']}")
            if position > 0 and len(clip) < min(samples, max(samples / 2, least)):
                break
            for channel in range(clip.shape[1]):
                _clip(part, clip[:, channel], position, channel, recording.rate, settings, stream)
        if count is None or settings["long"] == "crop":
            recording.finish()
        part |= {"peak": level.peak, "fine": recording.fine, "seconds": recording.seconds or 0.0}


def _clip(
    part: dict[str, Any], x: np.ndarray, position: int, channel: int, source: int, settings: dict[str, Any], stream: Any
) -> None:
    """Append one clip, of the recording's samples ``x`` (n,); or the reason why there is none."""
    samples, rate = settings["samples"], settings["rate"]
    start, power = round(position * samples / rate, 6), float(np.square(x, dtype=np.float64).mean())
    sound = to_int16(x * np.float32(part["gain"]), samples)
    if not sound.any():
        part["silent"].append([start, channel])
        return
    stream.write(sound.tobytes())
    part["clips"].append(
        {
            "clip_id": clip_id(part["path"], position * samples / rate, channel),
            "path": part["path"],
            "start": start,
            "duration": round(len(x) / rate, 6),
            "rate": source,
            "level": round(10 * math.log10(power), 2),
        }
    )


def _gain(each: dict[str, Any]) -> float:
    """Return what the samples of a part, or of a whole recording, are multiplied by."""
    return gain(each["peak"], each["fine"])


def _by_path(parts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        found.setdefault(part["path"], []).append(part)
    return list(found.values())


def sounds(each: dict[str, Any], samples: int) -> Iterator[np.ndarray]:
    """Yield the clips of a recording, of which ``convert`` tells, in order: (m, samples) int16, memory maps."""
    for part in each["parts"] if each["clips"] else ():
        if part["clips"]:
            shape = len(part["clips"]), samples
            yield np.memmap(part["raw"], np.int16, "r", part["offset"], shape)


def _joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what became of a recording; damage in one of its sections leaves no clip of it."""
    path = printable(parts[0]["path"])
    clips = [clip for part in parts for clip in part["clips"]]
    silent = [moment for part in parts for moment in part["silent"]]
    reasons = [part["rejected"] for part in parts if part["rejected"]]
    if not reasons and not clips and not silent:
        reasons = [["empty", "no samples were decoded"]]
    if reasons:
        clips, rejected = [], [_rejection(path, 0.0, *reasons[0])]
    else:
        rejected = [_rejection(path, start, "silent", _silence(parts, channel)) for start, channel in silent]
    return {
        "path": parts[0]["path"], "parts": parts, "clips": clips, "rejected": rejected,
        "peak": max(part["peak"] for part in parts), "fine": parts[0]["fine"], "gain": parts[0]["gain"],
        "seconds": max(part["seconds"] for part in parts), "copy_of": parts[0]["copy_of"],
    }  # fmt: skip


def _rejection(path: str, start: float, reason: str, detail: str) -> dict[str, Any]:
    return {"path": path, "start": start, "reason": reason, "detail": detail}


def _silence(parts: list[dict[str, Any]], channel: int) -> str:
    said = f"all samples of channel {channel} are zero"
    if all(part["peak"] == 0 for part in parts):
        return said
    return f"{said}: the recording's channels cancel out (data.channels), or it is silent for so long"


def _counts(found: list[dict[str, Any]], rows: list[dict[str, Any]], others: int) -> dict[str, Any]:
    """Return the numbers of ``info.json``."""
    used = [each for each in found if each["clips"]]
    contents = Counter(each["copy_of"] for each in used if each["copy_of"])
    return {
        "clips": len(rows), "recordings": len(found), "rejected": len(found) - len(used), "other_files": others,
        "copies": sum(count - 1 for count in contents.values()),
        "scaled_down": sum(each["gain"] < 1 for each in used), "scaled_up": sum(each["gain"] > 1 for each in used),
        "seconds": round(sum(row["duration"] for row in rows), 3),
        "seconds_left_out": round(sum(map(_left_out, used)), 3),
    }  # fmt: skip


def _left_out(each: dict[str, Any]) -> float:
    """Return the seconds of a recording after its last clip."""
    last = each["clips"][-1]
    left = each["seconds"] - last["start"] - last["duration"]
    return left if left > 0.001 else 0.0


def _judge(info: dict[str, Any], rejected: list[dict[str, Any]], max_rejected: float) -> None:
    """Stop where too many recordings gave no clip."""
    lost, total = info["rejected"], info["recordings"]
    most = max(1, math.floor(max_rejected * total)) if max_rejected else 0
    if lost > most or not info["clips"]:
        raise ValueError(
            f"{lost} of {total} recordings cannot be used ({_reasons(rejected)}); at most {max_rejected:.0%} may be "
            f"(data.max_rejected). Each is listed in data/clips/rejected.csv; mend or remove them, or raise the limit"
        )


def _reasons(rejected: list[dict[str, Any]]) -> str:
    counts = Counter(row["reason"] for row in {row["path"]: row for row in rejected}.values())
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common())


def _summary(info: dict[str, Any], found: list[dict[str, Any]], rejected: list[dict[str, Any]]) -> str:
    """Return what was used and what was not."""
    used, files = info["recordings"] - info["rejected"], info["recordings"] + info["other_files"]
    parts = [f"{used} of {files} files used: {info['clips']} clips, {_clock(info['seconds'])} of sound"]
    if info["other_files"]:
        parts.append(f"{info['other_files']} files are no recordings")
    if rejected:
        parts.append(f"not used: {_reasons(rejected)} (data/clips/rejected.csv)")
    if info["copies"]:
        parts.append(f"{info['copies']} are copies of another one, and kept")
    if info["scaled_down"] or info["scaled_up"]:
        parts.append(f"scaled to 16 bits: {info['scaled_down']} down, {info['scaled_up']} up")
    longest = sorted((each for each in found if each["clips"] and _left_out(each) >= 1), key=_left_out, reverse=True)
    named = ", ".join(f"{_clock(_left_out(each))} of {each['path']}" for each in longest[:LISTED])
    if longest:
        more = f" and of {len(longest) - LISTED} more" if len(longest) > LISTED else ""
        parts.append(f"{named}{more} not used (data.long)")
    return "; ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _write_audio(found: list[dict[str, Any]], clips: int, samples: int, path: Path) -> None:
    """String the recordings' samples together behind a .npy header: no array, so no memory."""
    with files.whole(path) as stream:
        files.write_header(stream, np.int16, (clips, samples))
        for each in found:
            for piece in each["parts"] if each["clips"] else ():
                with piece["raw"].open("rb") as raw:
                    raw.seek(piece["offset"])
                    _copy(raw, stream, piece["bytes"])


def _copy(source: Any, target: Any, count: int) -> None:
    while count > 0:
        block = source.read(min(count, 1 << 22))
        target.write(block)
        count -= len(block)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _write_json(content: dict[str, Any], path: Path) -> None:
    files.write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
