"""WMA (Microsoft's Advanced Systems Format): a header that knows the size of the file."""

import mmap
import struct

from audioclust.clips.containers._filler import is_filler
from audioclust.clips.rejected import Incomplete

HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def matches(data: mmap.mmap) -> bool:
    return data[:16] == HEADER


def read(data: mmap.mmap) -> tuple[None, bool]:
    """Advanced Systems Format: its header has the size of the file, unless it was broadcast."""
    end = struct.unpack_from("<Q", data, 16)[0]
    at = data.find(PROPERTIES, 30, end)
    if at < 0:
        raise Incomplete("damaged: the properties of the file are missing in its header")
    declared, flags = struct.unpack_from("<Q", data, at + 40)[0], struct.unpack_from("<I", data, at + 88)[0]
    if flags & 1:
        return None, True
    if declared > len(data):
        raise Incomplete(f"cut: {len(data)} of {declared} bytes are there")
    if not is_filler(data, declared, len(data)):
        raise Incomplete(f"{len(data) - declared} bytes follow the recording that its header knows of")
    return None, False
