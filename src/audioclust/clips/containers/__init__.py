"""What a file's container says about the recording in it: how long it is, and what of it is missing or damaged.

Decoders take a cut file for a shorter one, skip damaged parts without a word, and end with the first of two recordings
that were joined. Here the structure is read: sizes that are declared against bytes that are there, pages and their
checksums, end marks.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from audioclust.clips.containers import asf, flac, matroska, mp4, ogg, pcm
from audioclust.clips.rejected import Incomplete


@dataclass(frozen=True)
class Container:
    """What was found."""

    kind: str  # a name of KINDS; "" for any other
    samples: int | None = None  # bytes of samples that are there, of a kind that keeps them in one piece
    streamed: bool = False  # whether all of it has to be read to know its length


# What tells a kind, and what reads one
KINDS = {
    "riff": (pcm.is_riff, pcm.riff),
    "w64": (pcm.is_w64, pcm.w64),
    "aiff": (pcm.is_aiff, pcm.aiff),
    "au": (pcm.is_au, pcm.au),
    "caf": (pcm.is_caf, pcm.caf),
    "flac": (flac.matches, flac.read),
    "ogg": (ogg.matches, ogg.read),
    "mp4": (mp4.matches, mp4.read),
    "asf": (asf.matches, asf.read),
    "matroska": (matroska.matches, matroska.read),
}


def examine(path: Path) -> Container:
    """Read the structure of a file that is not empty; the samples are skipped where the format allows it.

    Raises:
        Incomplete: a part is missing or damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for kind, (matches, read) in KINDS.items():
            if matches(data):
                try:
                    return Container(kind, *read(data))
                except (struct.error, IndexError):
                    raise Incomplete("cut within its header") from None
        return Container("")
