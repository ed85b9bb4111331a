"""The time of day at which a clip was recorded, where its file is named by date and time as recorders name theirs."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

UNKNOWN = 255
# 20230501_053000, 2023-05-01T05-30-00, 20230501053000, and the like; seconds may be missing.
STAMP = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)([01]\d)\2([0-3]\d)[-_T. ]{0,2}([0-2]\d)([-_.:h]?)([0-5]\d)(?:\6([0-5]\d))?(?!\d)"
)


def hours(paths: Iterable[str], starts: np.ndarray) -> np.ndarray | None:
    """Return the hour of the day (n,) uint8 at which each clip starts, ``UNKNOWN`` where its name has no time.

    None where no name has one. The file's own name is asked, then its folders', the nearest first.

    Args:
        paths: of the recordings, (n,).
        starts: (n,) seconds from the recording's beginning.
    """
    known: dict[str, datetime | None] = {}
    found = np.full(len(starts), UNKNOWN, np.uint8)
    for i, path in enumerate(paths):
        if path not in known:
            known[path] = _time(path)
        if known[path] is not None:
            found[i] = (known[path] + timedelta(seconds=float(starts[i]))).hour
    return found if (found != UNKNOWN).any() else None


def _time(path: str) -> datetime | None:
    for part in reversed(path.split("/")):
        for match in STAMP.finditer(part):
            year, _, month, day, hour, _, minute, second = match.groups()
            try:
                return datetime(*map(int, (year, month, day, hour, minute, second or 0)))
            except ValueError:  # such as the 31st of February
                continue
    return None
