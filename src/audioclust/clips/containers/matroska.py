"""Matroska and WebM (RFC 8794, RFC 9559): elements."""

import mmap

from audioclust.clips.rejected import Incomplete

SEGMENT, CLUSTER, HEADER = 0x18538067, 0x1F43B675, 0x1A45DFA3
TOP = {SEGMENT, CLUSTER, HEADER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469,
       0xEC, 0xBF}  # fmt: skip


def matches(data: mmap.mmap) -> bool:
    return data[:4] == HEADER.to_bytes(4, "big")


def read(data: mmap.mmap) -> tuple[None, bool]:
    """Elements: each must end within the file; writers to a pipe leave the sizes of segment and clusters open."""
    position, streamed, headers = 0, False, 0
    while position < len(data):
        name, at = _number(data, position, keep=True)
        size, at = _number(data, at)
        headers += name == HEADER
        if headers > 1:
            raise Incomplete("a second recording follows the first")
        if name == SEGMENT or (name == CLUSTER and size is None):
            if size is not None and at + size > len(data):
                raise Incomplete(f"cut: {len(data) - at} of {size} bytes are there")
            streamed |= size is None
            position = at  # what is in it follows
            continue
        if size is None:
            raise Incomplete(f"damaged at byte {position}: an element without a size")
        if at + size > len(data):
            raise Incomplete(f"cut: {len(data) - at} of its last element's {size} bytes are there")
        if name not in TOP and not streamed:
            raise Incomplete(f"damaged at byte {position}: no element starts there")
        position = at + size
    return None, streamed


def _number(data: mmap.mmap, position: int, keep: bool = False) -> tuple[int | None, int]:
    """Return a number of variable length and where it ends; None for a size that is open."""
    first = data[position]
    length = 9 - first.bit_length()
    if length > 8:
        raise Incomplete(f"damaged at byte {position}: no element starts there")
    value = int.from_bytes(data[position : position + length], "big")
    if position + length > len(data):
        raise Incomplete("cut within an element's header")
    if not keep:
        value &= (1 << 7 * length) - 1
        if value == (1 << 7 * length) - 1:
            return None, position + length
    return value, position + length
