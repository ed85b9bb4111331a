"""Folders of unfinished work, one per key, for runs that resume after a kill and for runs side by side.

A run holds its folder by a lock, which the system releases however the run ends. Runs of one key share a folder: what
they keep there they must replace in one step. The last one that finishes deletes it.
"""

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

WAITS = 14 * 24 * 3600.0  # seconds for which the work of a killed run waits to be resumed
LOCK = ".lock"


class Unfinished:
    """The folder ``top/key``, ``path``: made if need be, and held until ``finish``, ``release`` or the process's end.

    Folders of other keys in ``top`` that no run holds, and in which nothing has changed for ``WAITS``, are deleted.
    As a context it finishes, or after an error releases, at the end.
    """

    def __init__(self, top: Path, key: str):
        self.path = top / key
        for other in _folders(top):
            if other != self.path and time.time() - _changed(other) > WAITS:
                _delete(other)
        self._lock = _held(self.path)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: type | None, *_: Any) -> None:
        self.finish() if kind is None else self.release()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}  # a worker's copy holds nothing

    def finish(self) -> None:
        """Delete the folder, unless other runs hold it."""
        self.release()  # first: of two runs that end together, each would see that the other holds it
        _delete(self.path)
        with suppress(OSError):  # other keys may still be there
            self.path.parent.rmdir()

    def release(self) -> None:
        """Leave the folder to later runs."""
        self._lock.close()


def _held(folder: Path) -> TextIO:
    """Make a folder and lock it; return its open lock file."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("a")
        except (FileNotFoundError, FileExistsError):  # another run has just deleted the folder
            if folder.is_file():
                raise
            continue
        fcntl.flock(lock, fcntl.LOCK_SH)
        if _in_place(lock, folder):
            return lock
        lock.close()  # another run deleted the folder meanwhile


def _alone(lock: TextIO) -> bool:
    """Tell whether no run holds a lock; from then on none can, until it is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _delete(folder: Path) -> None:
    """Delete a folder if no run holds it."""
    with suppress(FileNotFoundError), (folder / LOCK).open("r+") as lock:
        if _alone(lock) and _in_place(lock, folder):
            # Aside first, in one step: a run that comes meanwhile makes a folder of its own.
            aside = folder.with_name(f"{folder.name}.{os.getpid()}.{time.time_ns()}.deleted")
            folder.rename(aside)
            while aside.exists():  # a lock file that was just being made there makes it last a little longer
                shutil.rmtree(aside, ignore_errors=True)


def _in_place(lock: TextIO, folder: Path) -> bool:
    """Tell whether a lock file is still the folder's: another run may have deleted it with the folder, and a third one
    made both anew.
    """
    try:
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / LOCK))
    except FileNotFoundError:
        return False


# Path.glob would raise where another run deletes what it lists.


def _folders(top: Path) -> list[Path]:
    return [top / name for name in next(os.walk(top), ("", [], []))[1]]


def _changed(folder: Path) -> float:
    """Return when something in a folder changed last."""
    times = [0.0]
    for where, _, names in os.walk(folder):
        for path in (where, *(os.path.join(where, name) for name in names)):
            with suppress(FileNotFoundError):
                times.append(os.stat(path).st_mtime)
    return max(times)
