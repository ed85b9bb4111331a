"""What a worker does: sections of recordings to clips, in a raw file of samples with a sealed index beside it."""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from audioclust.clips.audio import Level, clips, gain, open_recording, resampled, to_int16
from audioclust.clips.rejected import Rejected
from audioclust.datasets._layout import printable
from audioclust.results import files, kept, sealed


class Settings(NamedTuple):
    """What the clips of a recording depend on."""

    rate: int  # Hz
    channels: str
    samples: int  # of a clip
    hop: int  # samples from the start of a clip to that of the next
    long: str
    min_seconds: float
    min_level: float | None  # dBFS


class Section(NamedTuple):
    """A part of a recording: ``count`` clips from the number ``first`` on, None: to the end; about ``seconds`` long."""

    path: str
    first: int
    count: int | None
    seconds: float
    gain: float | None = None  # None: not known yet, as the peak of the recording is not

    def is_whole(self, settings: Settings) -> bool:
        """Tell whether it is all of the recording that is used."""
        return self.first == 0 and (self.count is None or settings.long == "crop")


def key(*inputs: Any) -> str:
    """Return a hash of what JSON has."""
    return hashlib.blake2b(json.dumps(inputs, sort_keys=True).encode(), digest_size=12).hexdigest()


def shard(sections: list[Section], root: Path, scratch: Path, settings: Settings) -> list[dict[str, Any]]:
    """Decode some sections into ``scratch``; return what each became and which ``raw`` file holds its samples."""
    stamps = [files.stamp(root / section.path) for section in sections]
    name = key(list(zip(sections, stamps, strict=True)), settings)
    index, raw = scratch / f"{name}.json", scratch / f"{name}.raw"
    parts = known(index, raw, settings)
    if parts is None:
        with files.whole(raw) as stream:
            parts = [decoded(section, root, settings, stream) for section in sections]
        sealed.write(index, json.dumps(parts).encode())
    return [part | {"raw": raw} for part in parts]


def known(index: Path, raw: Path, settings: Settings) -> list[dict[str, Any]] | None:
    """Return what is known of a task's sections; None where its files are not there or damaged."""
    try:
        data = sealed.read(index)
        if data is None:
            return None
        parts = json.loads(bytes(data))
        digests = (name for part in parts for name in part["digests"])
        with raw.open("rb") as stream:
            whole = all(kept.digest(stream.read(2 * settings.samples)).hex() == name for name in digests)
        return parts if whole else None
    except (FileNotFoundError, sealed.Damaged):
        return None


def decoded(section: Section, root: Path, settings: Settings, stream: BinaryIO) -> dict[str, Any]:
    """Append the clips of a section to ``stream`` and return what is known of them; none where it is damaged."""
    begin, path = stream.tell(), root / section.path
    part = {"path": section.path, "section": section, "stamp": files.stamp(path), "rejected": None, "peak": 0.0,
            "fine": False, "seconds": 0.0, "gain": section.gain or 1.0} | _nothing()  # fmt: skip
    try:
        if printable(section.path) != section.path:
            raise Rejected("unreadable", "its name is no UTF-8 or holds a carriage return: rename it")
        _convert(part, path, settings, stream)
        if section.is_whole(settings) and gain_of(part) != part["gain"]:
            _rewind(stream, begin)
            part |= _nothing() | {"gain": gain_of(part)}
            _convert(part, path, settings, stream)
    except Rejected as error:
        _rewind(stream, begin)
        part |= _nothing() | {"rejected": [error.reason, error.detail]}
    return part | {"offset": begin, "steady": files.stamp(path) == part["stamp"]}


def gain_of(each: dict[str, Any]) -> float:
    """Return what the samples of a part, or of a whole recording, are multiplied by."""
    return gain(each["peak"], each["fine"])


def _nothing() -> dict[str, list]:
    """Return what a part holds before its clips are written."""
    return {"clips": [], "digests": [], "silent": [], "quiet": []}


def _rewind(stream: BinaryIO, position: int) -> None:
    stream.seek(position)
    stream.truncate()


def _convert(part: dict[str, Any], path: Path, settings: Settings, stream: BinaryIO) -> None:
    """Decode a section into clips, scaled by the part's ``gain``."""
    section, level = part["section"], Level()
    with closing(open_recording(path)) as recording:
        for position, clip in _cut(recording, section, settings, level):
            for channel in range(clip.shape[1]):
                _clip(part, clip[:, channel], position, channel, recording.rate, settings, stream)
        if section.count is None or settings.long == "crop":
            recording.finish()
        part |= {"peak": level.peak, "fine": recording.fine, "seconds": recording.seconds or 0.0}


def _cut(recording: Any, section: Section, settings: Settings, level: Level) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of each clip of a section that is long enough, and its samples (n, channels)."""
    samples, hop, least = settings.samples, settings.hop, settings.min_seconds * settings.rate
    wanted = None if section.count is None else (section.count - 1) * hop + samples
    chunks = resampled(recording, settings.rate, settings.channels, section.first * hop, wanted, level)
    found = clips(chunks, samples, section.count, hop, begun=section.first > 0)
    for position, clip in enumerate(found, section.first):
        if position == 0 and len(clip) < least:
            said = f"{len(clip) / settings.rate:.4f} s; data.min_seconds is {settings.min_seconds}"
            raise Rejected("too short", said)
        if position == 0 or len(clip) >= min(samples, max(samples / 2, least)):
            yield position, clip


def _clip(
    part: dict[str, Any], x: np.ndarray, position: int, channel: int, source: int, settings: Settings, stream: BinaryIO
) -> None:
    """Append one clip, of the recording's samples ``x`` (n,); or the reason why there is none."""
    start, power = round(position * settings.hop / settings.rate, 6), float(np.square(x, dtype=np.float64).mean())
    sound = to_int16(x * np.float32(part["gain"]), settings.samples)
    level = round(10 * math.log10(power), 2) if power else -math.inf
    if not sound.any():
        part["silent"].append([start, channel])
    elif settings.min_level is not None and level < settings.min_level:
        part["quiet"].append([start, channel, level])
    else:
        stream.write(sound)
        part["digests"].append(kept.digest(sound).hex())
        duration = round(len(x) / settings.rate, 6)
        part["clips"].append(
            {"start": start, "channel": channel, "duration": duration, "rate": source, "level": level}
        )  # fmt: skip
