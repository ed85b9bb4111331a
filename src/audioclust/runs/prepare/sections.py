"""How recordings are cut into sections, and sections shared out to tasks of about as much sound."""

import math
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from audioclust import parallel
from audioclust.clips.audio import open_recording
from audioclust.clips.rejected import Rejected
from audioclust.runs.prepare.decode import Section, Settings

SECTION = 600.0  # seconds of one recording that a task decodes, at most
TASK = 300.0  # seconds of sound in a task of several recordings, about
ASKED = 1 << 20  # bytes from which a recording is asked for its length
ASKED_AT_ONCE = 256  # recordings whose sample rate a task asks for
BYTES_PER_SECOND = 32_000  # of a recording that was not asked


def highest_rate(paths: Sequence[Path], workers: int) -> int:
    """Return the highest sample rate of recordings, Hz, as far as their headers tell; 0 of none."""
    blocks = [paths[i : i + ASKED_AT_ONCE] for i in range(0, len(paths), ASKED_AT_ONCE)]
    return max(parallel.run(_highest, [(block,) for block in blocks], workers=workers), default=0)


def sections(paths: Sequence[str], sizes: Sequence[int], root: Path, settings: Settings, workers: int) -> list[Section]:
    """Return the sections of recordings, of which ``sizes`` are the bytes, in their order."""
    asked = [i for i, size in enumerate(sizes) if size >= ASKED and settings.long == "split"]
    lengths = parallel.run(_seconds, [(root / paths[i],) for i in asked], workers=workers)
    known, found = dict(zip(asked, lengths, strict=True)), []
    step = settings.hop / settings.rate  # seconds from one clip to the next
    count = max(1, int(SECTION // step))
    for i, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        length, whole = known.get(i) or size / BYTES_PER_SECOND, count * step
        # A last section begins before the end of what the clip before it holds.
        new = length - (settings.samples - settings.hop) / settings.rate
        last = max(0, math.ceil(new / whole) - 1) if known.get(i) else 0
        found += [Section(path, count * j, count, whole) for j in range(last)]
        found.append(Section(path, count * last, 1 if settings.long == "crop" else None, min(length, whole)))
    return found


def tasks(found: Sequence[Section]) -> list[list[Section]]:
    """Return sections in groups of about ``TASK`` seconds."""
    groups, sounds = [[]], 0.0
    for section in found:
        if groups[-1] and sounds + section.seconds > TASK:
            groups.append([])
            sounds = 0.0
        groups[-1].append(section)
        sounds += section.seconds
    return groups


def _highest(paths: Sequence[Path]) -> int:
    """Return the highest sample rate of some recordings; 0 of none."""
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
