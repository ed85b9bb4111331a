"""Several arrays in one file, the same bytes for the same arrays.

What ``numpy.savez`` writes differs by a byte between releases of Python, and compressed by the zlib it was built with.
"""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from audioclust.results import files


def packed(**arrays: np.ndarray) -> bytes:
    """Return an ``.npz`` that ``numpy.load`` reads, uncompressed and without dates."""
    content = io.BytesIO()
    _write(content, arrays)
    return content.getvalue()


def save(path: Path, **arrays: np.ndarray) -> None:
    """Write what ``packed`` returns, atomically and without holding all of it in memory."""
    with files.whole(path) as stream:
        _write(stream, arrays)


def _write(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            entry.create_system = 3  # Unix, wherever it is written
            archive.writestr(entry, content.getvalue())
