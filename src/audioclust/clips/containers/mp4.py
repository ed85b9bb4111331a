"""MP4, M4A, MOV and 3GP (ISO/IEC 14496-12): boxes."""

import mmap
import struct

from audioclust.clips.containers._filler import is_filler
from audioclust.clips.rejected import Incomplete


def matches(data: mmap.mmap) -> bool:
    return data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def read(data: mmap.mmap) -> tuple[None, bool]:
    """Boxes: the last one must end with the file, and one must be the index of the samples."""
    position, found = 0, []
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1:
            size = struct.unpack_from(">Q", data, position + 8)[0]
        elif size == 0:
            size = len(data) - position
        if size < 8 or not name.isascii():
            if not is_filler(data, position, len(data)):
                raise Incomplete(f"damaged at byte {position}: no part of it starts there")
            break
        if name in (b"ftyp", b"moov") and name in found:
            raise Incomplete("a second recording follows the first")
        found.append(name)
        if position + size > len(data):
            raise Incomplete(
                f"cut: {len(data) - position} of {size} bytes of its part {name.decode('ascii')!r} are there"
            )
        position += size
    if b"moov" not in found:
        raise Incomplete("cut: the index of its samples is missing (moov)")
    return None, b"moof" in found
