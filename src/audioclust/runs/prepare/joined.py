"""The sections of a recording, decoded, to what became of all of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from audioclust.clips.identity import clip_id
from audioclust.datasets._layout import printable
from audioclust.runs.prepare.decode import Settings


def by_path(parts: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of each recording."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        found.setdefault(part["path"], []).append(part)
    return found


def joined(parts: list[dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """Return what became of a recording; damage in one of its sections leaves no clip of it."""
    path = printable(parts[0]["path"])
    clips = [_row(path, clip) for part in parts for clip in part["clips"]]
    reasons = [part["rejected"] for part in parts if part["rejected"]]
    below = _below(path, parts, settings)
    if not reasons and not clips and not below:
        reasons = [["empty", "no samples were decoded"]]
    if reasons:
        clips, below = [], [_rejection(path, 0.0, *reasons[0])]
    return {
        "path": parts[0]["path"], "parts": parts, "clips": clips, "rejected": below,
        "passed_over": not clips and not reasons and settings.min_level is not None,
        "quiet": sum(row["reason"] == "quiet" for row in below), "peak": max(part["peak"] for part in parts),
        "fine": parts[0]["fine"], "gain": parts[0]["gain"], "seconds": max(part["seconds"] for part in parts),
        "sound": _sound(part["clips"] for part in parts) if clips else 0.0, "end": _end(parts, settings),
        "copy_of": "",
    }  # fmt: skip


def sounds(each: dict[str, Any], samples: int) -> Iterator[np.ndarray]:
    """Yield the clips of a recording, of which ``Prepare.convert`` tells, in order: (m, samples) int16, memory maps."""
    for part in each["parts"] if each["clips"] else ():
        if part["clips"]:
            shape = len(part["clips"]), samples
            yield np.memmap(part["raw"], np.int16, "r", part["offset"], shape)


def _row(path: str, clip: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the clip table."""
    start = clip["start"]
    name = clip_id(path, start, clip["channel"])
    return {"clip_id": name, "path": path, **{key: value for key, value in clip.items() if key != "channel"}}


def _below(path: str, parts: list[dict[str, Any]], settings: Settings) -> list[dict[str, Any]]:
    """Return a row for each clip that is silent, or below the level that is asked for, in their order."""
    silent = [(start, channel, None) for part in parts for start, channel in part["silent"]]
    quiet = [tuple(moment) for part in parts for moment in part["quiet"]]
    said = {channel: _silence(parts, channel) for _, channel, _ in silent}
    return [
        _rejection(path, start, "silent", said[channel])
        if level is None
        else _rejection(path, start, "quiet", f"{level} dBFS; data.min_level is {settings.min_level}")
        for start, channel, level in sorted(silent + quiet, key=lambda moment: moment[:2])
    ]


def _rejection(path: str, start: float, reason: str, detail: str) -> dict[str, Any]:
    return {"path": path, "start": start, "reason": reason, "detail": detail}


def _silence(parts: list[dict[str, Any]], channel: int) -> str:
    said = f"all samples of channel {channel} are zero"
    if all(part["peak"] == 0 for part in parts):
        return said
    return f"{said}: the recording's channels cancel out (data.channels), or it is silent for so long"


def _end(parts: list[dict[str, Any]], settings: Settings) -> float:
    """Return the seconds up to the end of the last clip, be it silent."""
    starts = [moment[0] for part in parts for moment in part["silent"] + part["quiet"]]
    ends = [start + settings.samples / settings.rate for start in starts]
    return max(ends + [clip["start"] + clip["duration"] for part in parts for clip in part["clips"]], default=0.0)


def _sound(sections: Iterator[list[dict[str, Any]]]) -> float:
    """Return the seconds that clips hold; what several of them hold counts once."""
    seconds, ends = 0.0, {}
    for clip in (clip for section in sections for clip in section):
        end, channel = clip["start"] + clip["duration"], clip["channel"]
        seconds += end - max(clip["start"], ends.get(channel, 0.0))
        ends[channel] = end
    return seconds
