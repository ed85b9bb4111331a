"""What may lie around a recording and is no part of it."""

import mmap

TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"3DI")  # what tag editors put before or behind any format


def is_filler(data: mmap.mmap, start: int, end: int) -> bool:
    """Tell whether bytes are no part of a recording: zeros, and tags after them."""
    while start < end:
        block = data[start : min(start + (1 << 16), end)].lstrip(b"\0")
        if block:
            return block.startswith(TAGS)
        start += 1 << 16
    return True
