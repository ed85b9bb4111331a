"""The folder outside the checkout for what is fetched or rendered, and how processes share a folder that is filled."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch


def base() -> Path:
    """Return ``$AUDIOCLUST_CACHE``, or the user's cache folder for this program (``~/.cache/audioclust`` on Linux)."""
    return Path(os.environ.get("AUDIOCLUST_CACHE") or pooch.os_cache("audioclust"))


def is_free(folder: Path, what: str) -> bool:
    """Tell whether ``what`` may come into ``folder``: it is empty, or filling it with ``what`` was cut short."""
    names = os.listdir(folder)
    return not names or _mark(folder, what).name in names


@contextmanager
def filling(folder: Path, what: str) -> Iterator[None]:
    """Have ``folder`` to oneself to fill it with ``what``; wait as long as another process does so.

    A hidden file in the folder is locked. It is removed in the end; after an error or a kill it stays, and marks the
    folder as one to continue in.

    Raises:
        RuntimeError: the folder cannot be written to.
    """
    mark = _mark(folder, what)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise RuntimeError(
            f"{what} cannot be written to {folder} ({error}); set AUDIOCLUST_CACHE to a folder that can be written to"
        ) from error
    while True:
        with mark.open("a") as stream:
            _lock(stream.fileno(), f"waiting for another process that fills {folder}")
            if _is_at(stream.fileno(), mark):
                yield
                mark.unlink()
                return


def _mark(folder: Path, what: str) -> Path:
    return folder / f".{what}.unfinished"


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether a file is still at ``path``: who held it before may have removed it, and others locked a new one."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, waiting: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(waiting, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
