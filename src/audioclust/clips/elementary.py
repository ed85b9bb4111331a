"""Recordings without an index: frame behind frame, as in MP3 and AAC. What lies between frames, and at the end?

Sources: ISO/IEC 11172-3 2.4.2.3 (MPEG audio), 14496-3 1.A.3.2 (ADTS); the headers that LAME (Xing's) and Fraunhofer's
encoder (VBRI) write in place of a first frame.
"""

import mmap

from audioclust.clips.containers._filler import TAGS, is_filler
from audioclust.clips.rejected import Incomplete

LONGEST = 4096  # bytes of a frame, at most; a stream may have been recorded from the middle of one
# Bit rates in kbit/s by version (1; 2 and 2.5) and layer, sample rates in Hz by the two bits of the version.
BIT_RATES = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class Frames:
    """The frames of a file, told one after the other; whatever is no frame and no tag raises ``Incomplete``.

    Args:
        data: the file.
        form: "mp3", "aac" or another one, whose frames do not tell their length here.
    """

    def __init__(self, data: mmap.mmap, form: str):
        self._data, self._form = data, form
        self._end = self._count = self._declared = 0

    def add(self, start: int, size: int) -> bool:
        """Take what FFmpeg found next, ``size`` bytes from byte ``start``; return whether it is a frame and no tag."""
        if self._count == 0:
            before = self._data[max(0, start - LONGEST) : start]
            self._declared = declared_frames(before) if self._form == "mp3" else 0
            if start <= LONGEST or self._form == "flac":  # whose header stands there
                self._end = start
        # Zeros are where a disk lost a block, but for those at both ends.
        between = self._data[self._end : start]
        if between and not (is_filler(self._data, self._end, start) if self._count == 0 else between.startswith(TAGS)):
            raise Incomplete(f"damaged: {start - self._end} bytes from byte {self._end} are no frames")
        self._end = start + size
        head = self._data[start : start + 8]
        if head.startswith(TAGS):
            return False
        wanted = frame_bytes(head, self._form)
        if wanted not in (0, size):
            what = "cut" if self._end == len(self._data) else "damaged"
            raise Incomplete(f"{what}: {size} bytes from byte {start} are no frame, or not all of it")
        self._count += 1
        return True

    def end(self) -> None:
        """Check that the last frame was the file's last."""
        if self._count + 1 < self._declared:
            raise Incomplete(f"cut: {self._count} of {self._declared} frames are there")
        if not is_filler(self._data, self._end, len(self._data)):
            raise Incomplete(f"cut or damaged: the last {len(self._data) - self._end} bytes are no frame")


def frame_bytes(head: bytes, form: str) -> int | None:
    """Return the length of a frame by its first 8 bytes; None if none starts so, 0 if they do not tell it."""
    if form not in ("aac", "mp3"):
        return 0
    if len(head) < 8 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if form == "aac":
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    version, layer, padding = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 1 & 1
    if version == 1 or layer == 4 or head[2] >> 4 == 15 or head[2] >> 2 & 3 == 3:
        return None
    bits = 1000 * BIT_RATES[1 if version == 3 else 2, layer][head[2] >> 4]
    rate = SAMPLE_RATES[version][head[2] >> 2 & 3]
    if bits == 0:  # free format
        return 0
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate + padding


def declared_frames(head: bytes) -> int:
    """Return how many frames an MP3 has by what stands before its first one; 0 if it does not say."""
    for name, offset in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = head.find(name)
        if 0 <= at <= len(head) - offset - 4 and (name == b"VBRI" or head[at + 7] & 1):
            return int.from_bytes(head[at + offset : at + offset + 4], "big")
    return 0
