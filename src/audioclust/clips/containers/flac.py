"""FLAC (RFC 9639): how many samples it has, if that was known when it was written."""

import mmap
import struct

from audioclust.clips.rejected import Incomplete


def matches(data: mmap.mmap) -> bool:
    start = _behind_id3(data)
    return data[start : start + 4] == b"fLaC"


def read(data: mmap.mmap) -> tuple[None, bool]:
    """Native FLAC: STREAMINFO has the number of samples, 0 for unknown."""
    start = _behind_id3(data)
    total = struct.unpack_from(">Q", data, start + 18)[0] & 0xFFFFFFFFF
    second = data.find(b"fLaC\0\0\0\x22", start + 4)
    if second < 0:
        second = data.find(b"fLaC\x80\0\0\x22", start + 4)
    if second >= 0:
        raise Incomplete("a second recording follows the first")
    return None, total == 0


def _behind_id3(data: mmap.mmap) -> int:
    """Return where the tags at the start end, whose sizes are written in 7 bits per byte."""
    start = 0
    while data[start : start + 3] == b"ID3" and start + 10 <= len(data):
        a, b, c, d = data[start + 6 : start + 10]
        start += 10 + (a << 21 | b << 14 | c << 7 | d)
    return start
