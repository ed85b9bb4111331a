"""What the formats share: recordings with their regions, names that any file system takes, texts on one line."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

LONGEST = 180  # bytes of a name: file systems take 255, and the formats add endings
# Windows refuses these characters, and these names whatever their ending.
REFUSED = re.compile(r'[<>:"|?*\\/]')
DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
ENDING = ".txt"  # of every file with a recording's name


class Region(NamedTuple):
    """Consecutive clips of one cluster."""

    start: float  # s
    end: float  # s
    channel: int  # from 0
    cluster: int
    label: str  # its name, else its number


class Recording(NamedTuple):
    """A recording and its regions in order; clips in no cluster have none."""

    path: str
    rate: int  # Hz
    regions: list[Region]


def one_line(text: str) -> str:
    """Return a text on one line without characters that cannot be seen: runs of white space become one blank."""
    seen = (each for each in " ".join(text.split()) if unicodedata.category(each) not in ("Cc", "Cs"))
    return "".join(each for each in seen if each not in "\ufffe\uffff")  # which XML does not hold


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path a name that any file system takes, in the same folders, each with a name of its own.

    ``~2`` and so on follows where two names would differ by case, by the form of an accent or by refused characters
    alone. No folder ends like the files do, so that none stands in a file's way.
    """
    taken: dict[str, set[str]] = defaultdict(set)
    folders, found = {"": ""}, {}
    for path in sorted(paths):
        *parents, name = path.split("/")
        folder = ""
        for parent in parents:
            below = f"{folder}{parent}/"
            if below not in folders:
                safe = _safe(parent) + "_" * parent.lower().endswith(ENDING)
                folders[below] = f"{folders[folder]}{_own(safe, taken[folder])}/"
            folder = below
        found[path] = folders[folder] + _own(_safe(name), taken[folder])
    return found


def _safe(name: str) -> str:
    """Return a name without what a file system refuses, shortened."""
    kept = REFUSED.sub("_", "".join(each if each.isprintable() else "_" for each in name))
    kept = kept.encode()[:LONGEST].decode(errors="ignore")
    kept = re.sub(r"[. ]+$", lambda end: "_" * len(end[0]), kept) or "_"
    return f"_{kept}" if DEVICES.fullmatch(kept) else kept


def _own(name: str, taken: set[str]) -> str:
    """Return ``name``, or one that is not ``taken`` yet, and take it."""
    own, number = name, 1
    while (key := unicodedata.normalize("NFC", own).casefold()) in taken:
        number += 1
        own = f"{name}~{number}"
    taken.add(key)
    return own
