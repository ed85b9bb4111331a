"""Which recordings are meant: files as they are named, folders with all that lies below them."""

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from audioclust.clips.rejected import Rejected
from audioclust.datasets._layout import printable
from audioclust.datasets.folder import Folder
from audioclust.results import files

BYTES, FILES = 1 << 26, 1024  # of recordings that are decoded at a time, as far as a single one is not larger


class Recording(NamedTuple):
    """A file: ``root / path``; ``shown`` is how its user would call it."""

    root: Path
    path: str
    shown: str


class Refused(NamedTuple):
    """Why a recording, or a clip of it that begins at ``start`` s, has no cluster."""

    path: str
    start: float
    reason: str


def listed(paths: Iterable[str | Path]) -> tuple[list[Recording], list[Refused]]:
    """Return the recordings in the order of ``paths``, those of a folder sorted by path, and what is none.

    A file is one by its content, whatever its name; in a folder files are looked at that are recordings by their
    ending, and hidden ones are not.
    """
    found, refused = [], []
    for folder, group in groupby(map(Path, paths), os.path.isdir):
        if not folder:
            found += _files(list(group))
            continue
        for each in group:
            try:
                rows = Folder(labels="none").recordings(each)
            except FileNotFoundError as error:
                refused.append(Refused(printable(str(each)), 0.0, str(error)))
                continue
            found += [Recording(each, path, printable(os.path.join(each, path))) for path in rows["path"]]
    return found, refused


def _files(paths: list[Path]) -> list[Recording]:
    """Return files that are named one by one, below one folder: they are then decoded side by side."""
    folders = [path.absolute().parent for path in paths]
    root = Path(os.path.commonpath(folders))
    return [
        Recording(root, (folder / path.name).relative_to(root).as_posix(), printable(str(path)))
        for path, folder in zip(paths, folders, strict=True)
    ]


def together(recordings: Iterable[Recording]) -> Iterator[list[Recording]]:
    """Yield recordings that are decoded at a time: of one root, none twice, not too many."""
    waiting: dict[str, Recording] = {}
    size = 0
    for each in recordings:
        weight = files.stamp(each.root / each.path)[0]
        elsewhere = waiting and next(iter(waiting.values())).root != each.root
        if waiting and (each.path in waiting or elsewhere or size + weight > BYTES or len(waiting) == FILES):
            yield list(waiting.values())
            waiting, size = {}, 0
        waiting[each.path] = each
        size += weight
    if waiting:
        yield list(waiting.values())


def why(rejected: dict) -> str:
    """Return why a recording is rejected, from a row of ``rejected.csv``."""
    return str(Rejected(rejected["reason"], rejected["detail"]))
