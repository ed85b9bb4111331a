"""Ogg (RFC 3533), of any coding: pages with checksums."""

import mmap
import struct
import zlib

from audioclust.clips.containers._filler import is_filler
from audioclust.clips.rejected import Incomplete

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def matches(data: mmap.mmap) -> bool:
    return data[:4] == b"OggS"


def read(data: mmap.mmap) -> tuple[None, bool]:
    """Pages: each has a checksum and a number, the last one of each stream an end mark."""
    position, numbers, ended, sound, joined = 0, {}, set(), False, False
    while position < len(data):
        if data[position : position + 4] != b"OggS":
            if is_filler(data, position, len(data)):
                break
            raise Incomplete(f"damaged at byte {position}: no page starts there")
        flags, serial, number = data[position + 5], *struct.unpack_from("<II", data, position + 14)
        body = position + 27 + data[position + 26]
        end = body + sum(data[position + 27 : body])
        if end > len(data):
            raise Incomplete(f"cut: {len(data) - position} of the last page's {end - position} bytes are there")
        page = bytearray(data[position:end])
        checksum, page[22:26] = struct.unpack_from("<I", page, 22)[0], bytes(4)
        if _crc(page) != checksum:
            raise Incomplete(f"damaged between bytes {position} and {end}: wrong checksum")
        if flags & 2:  # the first page of a stream, perhaps of one that follows another with the same number
            numbers[serial] = number
            ended.discard(serial)
            joined |= sound
        elif serial not in numbers or number != numbers[serial] + 1:
            raise Incomplete(f"page {number} at byte {position} follows page {numbers.get(serial)}: some are missing")
        sound |= not flags & 2
        numbers[serial] = number
        if flags & 4:
            ended.add(serial)
        position = end
    if numbers.keys() - ended:
        raise Incomplete("cut: its last page is no end of a stream")
    return None, joined


def _crc(page: bytes) -> int:
    """Return Ogg's CRC-32: the polynomial of zlib's, the bits the other way round, without inversion."""
    value = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(value.to_bytes(4, "little").translate(REVERSED), "big")
