"""Samples in one piece: WAV in its forms, Wave64, AIFF, AU and CAF.

Sources: IBM's and Microsoft's RIFF (1991), EBU Tech 3306 (RF64), Sony's Wave64, Apple's AIFF-C (1991) and CAF, Sun's
AU. Each reader returns the bytes of samples that are there, and whether their number is not declared.
"""

import mmap
import struct
from collections.abc import Callable

from audioclust.clips.containers._filler import is_filler
from audioclust.clips.rejected import Incomplete

FEW = 64  # bytes behind the samples that are no part of a recording, whatever they are
# Writers to a pipe do not know the size that the header asks for: they leave zero, or about the largest that fits.
UNKNOWN = ((0, 0), (0x7FFF0000, 0x80000000), (0xFFFF0000, 0xFFFFFFFF), (1 << 62, (1 << 64) - 1))
# Chunks behind the samples that may be cut without a loss of sound.
LABELLED = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"cue ", b"smpl", b"guan", b"_PMX", b"afsp", b"APPL", b"NAME")
AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # per sample, by coding


def is_riff(data: mmap.mmap) -> bool:
    return data[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and data[8:12] == b"WAVE"


def is_w64(data: mmap.mmap) -> bool:
    return data[:8] == b"riff\x2e\x91\xcf\x11"


def is_aiff(data: mmap.mmap) -> bool:
    return data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC")


def is_au(data: mmap.mmap) -> bool:
    return data[:4] in (b".snd", b"dns.")


def is_caf(data: mmap.mmap) -> bool:
    return data[:4] == b"caff"


def riff(data: mmap.mmap) -> tuple[int, bool]:
    """RIFF, RIFX (big-endian), RF64 and BW64 (64-bit sizes in a chunk ``ds64``)."""
    order = ">" if data[:4] == b"RIFX" else "<"
    position, long, width = 12, None, 1
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from(order + "I", data, position + 4)[0]
        start = position + 8
        if name == b"ds64":
            long = struct.unpack_from("<Q", data, start + 8)[0]
        if name == b"fmt ":
            width = struct.unpack_from(order + "H", data, start + 12)[0]
        if name == b"data":
            declared = long if long is not None and size == 0xFFFFFFFF else size
            return _samples(data, start, declared, width, lambda at: _riff_next(data, at, order))
        position = start + size + _padding(data, start, size)
    raise Incomplete("no samples: it ends before them" if position > len(data) else "no samples in it")


def _padding(data: mmap.mmap, start: int, size: int) -> int:
    """Return 1 for the byte that fills a chunk of odd size, 0 where its writer forgot it."""
    if size % 2 == 0:
        return 0
    after = data[start + size : start + size + 5]
    return 0 if _printable(after[:4]) and not _printable(after[1:5]) else 1


def _printable(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _riff_next(data: mmap.mmap, position: int, order: str) -> int:
    """Return where the chunk at ``position`` ends; 0 if there is none."""
    name = data[position : position + 4]
    if name in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        raise Incomplete("a second recording follows the first")
    if not _printable(name) or position + 8 > len(data):
        return 0
    return position + 8 + struct.unpack_from(order + "I", data, position + 4)[0]


def w64(data: mmap.mmap) -> tuple[int, bool]:
    """Sony's Wave64: names of 16 bytes, sizes of 8 bytes that count the header, chunks at multiples of 8."""
    position, width = 40, 1
    while position + 24 <= len(data):
        size = struct.unpack_from("<Q", data, position + 16)[0]
        if data[position : position + 4] == b"fmt ":
            width = struct.unpack_from("<H", data, position + 36)[0]
        if data[position : position + 4] == b"data":
            return _samples(data, position + 24, max(size - 24, 0), width, lambda at: _w64_next(data, at))
        if size < 24:
            break
        position += (size + 7) // 8 * 8
    raise Incomplete("no samples: it ends before them")


def _w64_next(data: mmap.mmap, position: int) -> int:
    position = (position + 7) // 8 * 8
    if data[position : position + 4] == b"riff":
        raise Incomplete("a second recording follows the first")
    if position + 24 > len(data) or not _printable(data[position : position + 4]):
        return 0
    return position + max(struct.unpack_from("<Q", data, position + 16)[0], 24)


def aiff(data: mmap.mmap) -> tuple[int, bool]:
    """AIFF and AIFF-C: the chunk ``SSND``, 8 bytes before its samples."""
    position, width = 12, 1
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from(">I", data, position + 4)[0]
        if name == b"COMM":
            channels, _, bits = struct.unpack_from(">HIH", data, position + 8)
            width = channels * -(-bits // 8)
        if name == b"SSND":
            return _samples(data, position + 16, max(size - 8, 0), width, lambda at: _riff_next(data, at, ">"))
        position += 8 + size + _padding(data, position + 8, size)
    raise Incomplete("no samples: it ends before them" if position > len(data) else "no samples in it")


def au(data: mmap.mmap) -> tuple[int, bool]:
    """Sun's AU: a header with the place and the size of the samples."""
    order = ">" if data[:4] == b".snd" else "<"
    start, size, coding, _, channels = struct.unpack_from(order + "5I", data, 4)
    return _samples(data, start, size, channels * AU_BYTES.get(coding, 1), lambda at: 0)


def caf(data: mmap.mmap) -> tuple[int, bool]:
    """Apple's CAF: the chunk ``data``, 4 bytes before its samples; its size may be -1 if it is the last chunk."""
    position, width = 8, 1
    while position + 12 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from(">q", data, position + 4)[0]
        if name == b"desc":
            width = struct.unpack_from(">I", data, position + 28)[0]
        if name == b"data":
            return _samples(data, position + 16, size - 4 if size >= 4 else 0, width, lambda at: _caf_next(data, at))
        if size < 0:
            break
        position += 12 + size
    raise Incomplete("no samples: it ends before them")


def _caf_next(data: mmap.mmap, position: int) -> int:
    if position + 12 > len(data) or not _printable(data[position : position + 4]):
        return 0
    return position + 12 + max(struct.unpack_from(">q", data, position + 4)[0], 0)


def _samples(
    data: mmap.mmap, start: int, declared: int, width: int, following: Callable[[int], int]
) -> tuple[int, bool]:
    """Compare the samples that are declared with what is there.

    Args:
        data: the file.
        start: where the samples begin.
        declared: their bytes.
        width: bytes per frame of all channels, or per block of a coding that has blocks.
        following: where the chunk ends that begins at a position; 0 if there is none.

    Returns:
        the bytes that are there, and whether their number was not declared.
    """
    there = len(data) - start
    if there < 0:
        raise Incomplete("no samples: it ends before them")
    if declared == 0 and (there == 0 or following(start)):
        return 0, False
    if any(low <= declared <= high for low, high in UNKNOWN) and (declared == 0 or declared > there):
        if there % max(width, 1):
            raise Incomplete(f"cut within a sample: {there} bytes are no multiple of {width}")
        return there, True
    # Some writers count the header in, or its part behind the first eight bytes, or a byte that fills up.
    if declared > there and declared - there not in (1, 8, start - 8, start):
        raise Incomplete(f"cut: {there} of {declared} bytes of samples are there")
    position = start + declared
    while position < len(data):
        # The byte that fills a chunk of odd size may have been forgotten.
        behind = next((end for at in (position, position + 1) if (end := following(at))), 0)
        if not behind or (behind > len(data) + FEW and data[position : position + 4] not in LABELLED):
            break
        position = behind
    left = len(data) - position
    # A few bytes are left by some writers; in front of or among the samples they would shift all that follow.
    if left > 1 and (left > FEW or left % max(width, 1)) and not is_filler(data, position, len(data)):
        raise Incomplete(
            f"{left} bytes follow the samples that its header knows of, as if it had been recorded further"
        )
    return min(declared, there), False
