"""What ended a stage, in one line: which file it is about, what is wrong, and what to do."""

import errno
import json
import math
import os
import re
import sys
import traceback
import zipfile
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from audioclust import parallel
from audioclust.results import files
from params import ParamsError
from paths import (
    CHECK,
    CLIPS,
    COSTS,
    EMBEDDINGS,
    ENCODERS,
    LABELS,
    LOGMEL,
    METRICS,
    MIXTURES,
    MODELS,
    RECORDINGS,
    REDUCED,
    SCRATCH,
    SEPARATED,
    SEPARATORS,
    TEXTS,
    TRUTH,
)

INTERRUPTED = 130  # the status that shells give for Ctrl-C
# What stages read
READ = (
    CHECK, RECORDINGS, ENCODERS, CLIPS, TRUTH, TEXTS, LOGMEL, EMBEDDINGS, REDUCED, LABELS, MODELS, MIXTURES, SEPARATORS,
    SEPARATED, COSTS,
)  # fmt: skip
WRITTEN = (CLIPS.parent, METRICS.parent, SCRATCH)  # their disks may differ
SAID = (ValueError, OSError, ImportError, RuntimeError)  # raised with a message for the user
LITTLE = 1 << 20  # bytes: a disk with less is full
# What torch says instead of MemoryError, and NumPy instead of ENOSPC
NO_MEMORY = re.compile(r"not enough memory|an't allocate memory|annot allocate memory|bad_alloc|CUDA out of memory")
NOT_WRITTEN = re.compile(r"\d+ requested and \d+ written")


def end(error: BaseException) -> NoReturn:
    """End the process, with its workers, with a line about ``error``; raise it again where it is a fault of the code.

    Raises:
        SystemExit: with status ``INTERRUPTED`` after Ctrl-C, else 1.
    """
    parallel.stop()
    traceback.clear_frames(error.__traceback__)  # which ends progress bars: the line comes last
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; run again to resume", file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
    line = said(error)
    if line is None:
        raise error
    sys.exit(f"error: {line}")


def said(error: BaseException) -> str | None:
    """Return the line about an error; None where it can only be a fault of the code."""
    first = f" ({str(error).splitlines()[0]})" if str(error) else ""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or NO_MEMORY.search(str(error)):
        return f"out of memory{first}: close other programs, or lower workers or batches, and run again to resume"
    if isinstance(error, OSError) and (error.errno or NOT_WRITTEN.search(str(error))):
        return _of_system(error)
    damaged = [] if isinstance(error, ParamsError) else [str(path) for top in READ for path in _damaged(top)]
    if damaged:
        return f"damaged: {', '.join(damaged)}{first}: delete it and run `dvc repro` again"
    return str(error) if isinstance(error, SAID) else None


def _of_system(error: OSError) -> str:
    """Return the line about what the system refused."""
    if error.errno in (None, *files.NO_ROOM):
        where = error.filename or ", ".join(_full()) or "a file"
        return f"{where}: no space left on the disk (or its quota): make room and run again to resume"
    if error.filename is None:
        return str(error)
    path, what, way_out = os.fsdecode(error.filename), os.strerror(error.errno), ""
    if isinstance(error, PermissionError):
        way_out = ": change its rights or its owner, and run again"
    elif isinstance(error, FileNotFoundError) and any(Path(path).is_relative_to(top) for top in READ):
        way_out = ": `dvc repro` writes it"
    return f"{path}: {what[0].lower()}{what[1:]}{way_out}"


def _full() -> list[str]:
    """Return the folders that are written to and whose disks have no room."""
    return [f"{top.resolve()}" for top in WRITTEN if top.is_dir() and _free(top) < LITTLE]


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


# Damage that readers meet, in whichever words. What lies under right sizes and sums is DVC's to see.


def _damaged(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and is_damaged(path)]


def is_damaged(path: Path) -> bool:
    """Tell whether a file is not what its suffix says; False of suffixes that say nothing here."""
    check = CHECKS.get(path.suffix)
    if check is None:
        return False
    try:
        with path.open("rb") as stream:
            return not check(stream)
    except OSError:
        return False  # it cannot be read, or is gone: no damage
    except Exception:  # each reader has its own
        return True


def _array(stream: BinaryIO) -> bool:
    """Tell whether an ``.npy`` file is as long as its header says."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(stream)
    return os.fstat(stream.fileno()).st_size - stream.tell() == math.prod(shape) * kind.itemsize


def _archive(stream: BinaryIO) -> bool:
    with zipfile.ZipFile(stream) as archive:
        return archive.testzip() is None


def _tensors(stream: BinaryIO) -> bool:
    """Tell whether a safetensors file is as long as its header says: 8 bytes with its length, JSON, values."""
    length = int.from_bytes(stream.read(8), "little")
    header = json.loads(stream.read(min(length, 1 << 27)))
    last = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    return os.fstat(stream.fileno()).st_size == 8 + length + last


def _json(stream: BinaryIO) -> bool:
    json.load(stream)
    return True


CHECKS = {".npy": _array, ".npz": _archive, ".safetensors": _tensors, ".json": _json}
