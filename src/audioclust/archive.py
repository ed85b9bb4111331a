"""Several arrays in one file, the same bytes for the same arrays.

What ``numpy.savez`` writes differs by a byte between releases of Python, and compressed by the zlib it was built with.
"""

import io
import os
import zipfile
from pathlib import Path

import numpy as np


def save(path: Path, **arrays: np.ndarray) -> None:
    """Write an ``.npz`` that ``numpy.load`` reads, uncompressed and without dates, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            entry.create_system = 3  # Unix, wherever it is written
            archive.writestr(entry, stream.getvalue())
    os.replace(part, path)
