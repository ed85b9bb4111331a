"""Files that carry a digest of their content: each is whole, damaged and known to be so, or not there."""

import hashlib
import os
from pathlib import Path

DIGEST = 32  # bytes of BLAKE2b before the content


class Damaged(ValueError):
    """A file whose content is not what was written."""


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a digest and ``content``; an older file is replaced in one step. Folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another process may write the same one
    with part.open("wb") as file:
        file.write(_digest(content))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # the older file must last until this one would survive a loss of power
    os.replace(part, path)


def read(path: Path) -> memoryview | None:
    """Return the content; None if there is no file.

    Raises:
        Damaged: the digest is of another content.
    """
    if not path.is_file():
        return None
    data = memoryview(path.read_bytes())
    if _digest(data[DIGEST:]) != data[:DIGEST]:
        raise Damaged(f"{path} is damaged")
    return data[DIGEST:]


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()
