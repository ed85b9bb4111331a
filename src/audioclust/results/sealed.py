"""Files that carry a digest of their name and content: each is whole, damaged and known to be so, or not there."""

import hashlib
import os
from pathlib import Path

from audioclust.results import files

DIGEST = 32  # bytes of BLAKE2b before the content


class Damaged(ValueError):
    """A file whose content is not what was written under its name."""


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a digest and ``content``; an older file is replaced in one step. Folders are made."""
    with files.whole(path) as stream:
        stream.write(_digest(path, content))
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # the older file must last until this one would survive a loss of power


def read(path: Path) -> memoryview | None:
    """Return the content; None if there is no file.

    Raises:
        Damaged: the digest is of another content, or of another file's.
    """
    try:
        data = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    if _digest(path, data[DIGEST:]) != data[:DIGEST]:
        raise Damaged(f"{path} is damaged")
    return data[DIGEST:]


def _digest(path: Path, content: bytes | memoryview) -> bytes:
    digest = hashlib.blake2b(os.fsencode(path.name) + b"\0", digest_size=DIGEST)
    digest.update(content)
    return digest.digest()
