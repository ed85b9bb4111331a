"""Files that are whole or not there: written to a part file beside them, which takes their name at the end.

Part files are hidden and end in ``.part``, which ``.dvcignore`` names: one that a killed run left in a folder changes
no hash of DVC's. The next run that writes the same file removes it. Beside their files they are on the same disk, where
a rename is one step, wherever links lead.
"""

import errno
import glob
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PART = ".part"


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream; after the block, what was written to it is ``path``. Folders are made.

    Whatever ends the block early leaves an older file as it is and no part file. Where the disk is full, the
    ``OSError`` names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*{PART}"):
        if abandoned(old):
            old.unlink(missing_ok=True)
    # Another process or thread may write the same file.
    part = path.with_name(f".{path.name}.{threading.get_ident()}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as stream:
            yield stream
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and (error.errno in NO_ROOM or error.filename == str(part)):
            error.filename = str(path)
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder; after the block it is ``path``, in the place of an older one.

    Whatever ends the block early leaves an older folder as it is. Of many small files this takes far less than
    ``whole`` of each, which looks for old part files in the whole folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f".{glob.escape(path.name)}.*{PART}"):
        if old.is_dir() and abandoned(old):
            _restore(old, path)
    part = path.with_name(f".{path.name}.{threading.get_ident()}.{os.getpid()}{PART}")
    try:
        (part / "new").mkdir(parents=True)
        yield part / "new"
        if path.exists():
            path.rename(part / "old")
        (part / "new").rename(path)
    finally:
        _restore(part, path)


def _restore(part: Path, path: Path) -> None:
    """Delete a part folder; the older folder in it is ``path`` again where there is none."""
    if not path.exists() and (part / "old").exists():
        (part / "old").rename(path)
    shutil.rmtree(part, ignore_errors=True)


def abandoned(part: Path) -> bool:
    """Tell whether the process that wrote a part file is gone."""
    number = int(part.name.split(".")[-2])
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    try:  # in a container nobody may ask for the status of a killed worker, which stays as a zombie
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such file system
        return False
    return status.rpartition(")")[2].split()[0] in ("Z", "X")


def stamp(path: str | Path) -> tuple[int, int, int]:
    """Return what changes when a file is edited or replaced: its size, the time of its last change and its number.

    Zeros for what is no plain file, or cannot be looked at.
    """
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return (found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else (0, 0, 0)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with whole(path) as stream:
        stream.write(text.encode())


def write_array(path: Path, array: np.ndarray) -> None:
    """Write what ``numpy.save`` writes, whose errors on a full disk do not say so."""
    with whole(path) as stream:
        write_header(stream, array.dtype, array.shape)
        stream.write(np.ascontiguousarray(array))


def write_header(stream: BinaryIO, dtype: Any, shape: tuple[int, ...]) -> None:
    """Write what stands before the values in an ``.npy`` file. They follow as bytes, in the order of C.

    A memory map would do as well, but on a full disk it ends the process.
    """
    kind = np.lib.format.dtype_to_descr(np.dtype(dtype))
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
