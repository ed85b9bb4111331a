"""Results of single pieces of work, kept under a hash of all they depend on: code, parameters and inputs.

A stage that holds many pieces may start again, but computes only what changed.
"""

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from audioclust.results import archive, files, sealed

KEPT = 4e9  # bytes kept; those not used for longest go first


class Pieces:
    """Arrays in files named by their key, each whole or not there; runs side by side may share the folder.

    Args:
        folder: where they are kept.

    ``computed`` counts the pieces that were not there.
    """

    def __init__(self, folder: Path):
        self.folder, self.computed = folder, 0

    @staticmethod
    def key(*inputs: Any) -> str:
        """Return a hash of arrays and of values that JSON has."""
        digest = hashlib.blake2b(digest_size=16)
        for value in inputs:
            if isinstance(value, np.ndarray):
                digest.update(f"{value.dtype}{value.shape}".encode())
                digest.update(np.ascontiguousarray(value))
            else:
                digest.update(json.dumps(value, sort_keys=True).encode())
        return digest.hexdigest()

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Return the arrays kept under ``key``; None where there are none, or damaged ones."""
        path = self._path(key)
        try:
            data = sealed.read(path)
        except sealed.Damaged:
            path.unlink(missing_ok=True)
            return None
        if data is None:
            return None
        with suppress(FileNotFoundError):  # another run may have pruned it meanwhile
            os.utime(path)
        with np.load(io.BytesIO(data)) as kept:
            return dict(kept)

    def put(self, key: str, **arrays: np.ndarray) -> None:
        """Keep arrays under ``key``."""
        self.computed += 1
        sealed.write(self._path(key), archive.packed(**arrays))

    def prune(self, most: float = KEPT) -> None:
        """Delete the pieces that were not used for longest until at most ``most`` bytes are left.

        What killed runs left half written goes first; what others write now stays.
        """
        found = {}
        for path in self.folder.glob("*/*"):
            if path.suffix != files.PART:
                with suppress(FileNotFoundError):  # another run may prune too
                    found[path] = path.stat()
            elif files.abandoned(path):
                path.unlink(missing_ok=True)
        left = sum(stat.st_size for stat in found.values())
        for path in sorted(found, key=lambda path: found[path].st_mtime_ns):
            if left <= most:
                return
            left -= found[path].st_size
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key
