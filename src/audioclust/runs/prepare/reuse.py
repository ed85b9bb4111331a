"""Recordings that were decoded before: known by their content, wherever they lie and whatever they are called."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from audioclust import parallel
from audioclust.datasets._layout import printable
from audioclust.results import kept, sealed
from audioclust.runs.prepare.decode import Settings

CHECKED = 1 << 26  # bytes of samples that a task checks, about
PLACE = ("path", "section", "stamp", "raw", "offset", "digests")  # of a part
LASTING = ("empty", "too short", "not finite")  # why a recording gives no clips that trying again would not change


class Content(NamedTuple):
    """What a file held when it was looked at: its size, its stamp, and a hash, "" where that is not known."""

    size: int
    stamp: tuple[int, ...]
    digest: str


def take(
    contents: Mapping[str, Content], shelf: kept.Kept, settings: Settings, scratch: Path, workers: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of each recording that was decoded before, by path; their samples are links in ``scratch``."""
    usable = {path: content for path, content in contents.items() if printable(path) == path}  # others are rejected
    known = {path: name for path, content in usable.items() if (name := _key(path, content))}
    found = {
        path: rows
        for path, rows in zip(known, shelf.also(settings).find([*known.values()]), strict=True)
        if rows is not None
    }
    here = _linked({rows.file for rows in found.values()}, scratch)
    found = {path: rows._replace(file=here[rows.file]) for path, rows in found.items() if rows.file in here}
    tasks = [(block,) for block in _blocks([*found.values()])]
    whole = [each for block in parallel.run(_whole, tasks, workers=workers) for each in block]
    return {path: _parts(path, rows) for (path, rows), fine in zip(found.items(), whole, strict=True) if fine}


def put(
    found: Sequence[dict[str, Any]], contents: Mapping[str, Content], shelf: kept.Kept, settings: Settings, audio: Path
) -> None:
    """Keep what became of recordings, whose clips stand in ``audio`` one after the other."""
    keys, spans, about, checks = [], [], [], []
    for each in found:
        first = len(checks)
        checks += [bytes.fromhex(name) for part in each["parts"] if each["clips"] for name in part["digests"]]
        content = contents[each["path"]]
        name = _key(each["path"], content)
        if name and all(_lasts(part, content) for part in each["parts"]):
            keys.append(name)
            spans.append((first, len(checks) - first))
            about.append([_of_any_place(part) for part in each["parts"]])
    if keys and checks:
        shelf.also(settings).keep(audio, keys, checks, spans, about)


def _key(path: str, content: Content) -> bytes:
    """Return what stands for a recording: FFmpeg looks at a name's ending where the content leaves a doubt."""
    ending = PurePath(path).suffix.lower()
    return kept.digest(f"{content.digest}{ending}".encode()) if content.digest else b""


def _lasts(part: dict[str, Any], content: Content) -> bool:
    """Tell whether a part is of the content that the hash is of, and would be the same another time."""
    reused = part["stamp"] is None
    same = reused or (part["steady"] and tuple(part["stamp"]) == content.stamp)
    return same and (part["rejected"] is None or part["rejected"][0] in LASTING)


def _of_any_place(part: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a part, without where it lies and without the hashes of its clips, which check them."""
    return {name: value for name, value in part.items() if name not in PLACE}


def _linked(generations: set[Path], scratch: Path) -> dict[Path, Path]:
    """Make links of generations, so that other runs may prune them; return where each is."""
    here = {}
    for file in generations:
        with suppress(OSError):
            kept.link(file, scratch / f"{file.parent.name}-{file.name}")
            here[file] = scratch / f"{file.parent.name}-{file.name}"
    return here


def _blocks(found: Sequence[kept.Rows]) -> list[list[kept.Rows]]:
    """Return entries in groups of about ``CHECKED`` bytes."""
    blocks, size = [[]], 0
    for rows in found:
        if blocks[-1] and size > CHECKED:
            blocks.append([])
            size = 0
        blocks[-1].append(rows)
        size += rows.size * len(rows.checks)
    return blocks


def _whole(rows: Sequence[kept.Rows]) -> list[bool]:
    return [_is_whole(each) for each in rows]


def _is_whole(rows: kept.Rows) -> bool:
    try:
        for _ in rows.read(kept.digest):
            pass
    except sealed.Damaged:
        return False
    return True


def _parts(path: str, rows: kept.Rows) -> list[dict[str, Any]]:
    """Return the parts of a recording of this path, of which each has as many rows as clips."""
    parts, row = [], 0
    for part in rows.about:
        digests = [check.hex() for check in rows.checks[row : row + len(part["clips"])]]
        place = path, None, None, rows.file, rows.start + row * rows.size, digests
        parts.append(part | dict(zip(PLACE, place, strict=True)))
        row += len(digests)
    return parts
