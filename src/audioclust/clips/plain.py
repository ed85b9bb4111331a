"""Recordings that libsndfile reads whole: samples in one piece, FLAC of a known length and Vorbis."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from audioclust.clips.containers import Container
from audioclust.clips.rejected import Incomplete

BLOCK = 1 << 18  # frames read at a time; fixed, because a resampler's last bits depend on it
# Bytes per sample
WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1,
          "ALAW": 1}  # fmt: skip
FINE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")


class Plain:
    """One of them, open; the attributes and methods are those of ``audio.Recording``."""

    def __init__(self, file: soundfile.SoundFile):
        self._file, self._next = file, 0
        self.rate, self.seconds, self.fine = file.samplerate, file.frames / file.samplerate, file.subtype in FINE

    @classmethod
    def of(cls, path: Path, container: Container) -> "Plain | None":
        """Open a recording; None if libsndfile does not read all that the container holds."""
        if container.streamed or (container.samples is None and container.kind not in ("flac", "ogg")):
            return None
        try:
            file = soundfile.SoundFile(os.fsencode(path))  # a name may be no UTF-8
        except soundfile.SoundFileError:
            return None
        samples = file.frames * file.channels * WIDTHS.get(file.subtype, 0)
        # FFmpeg loses the first 128 samples of some Vorbis; it reads Opus faster.
        if container.kind == "flac" or file.subtype == "VORBIS" or container.samples == samples:
            return cls(file)
        file.close()
        return None

    def read(self, start: int = 0, frames: int | None = None) -> Iterator[np.ndarray]:
        self._next = start
        stop = self._file.frames if frames is None else min(self._file.frames, start + frames)
        try:
            if start < stop:
                self._file.seek(start)
            while self._next < stop:
                block = self._file.read(min(BLOCK, stop - self._next), dtype="float32", always_2d=True)
                if len(block) == 0:
                    raise Incomplete(f"cut: {stop - self._next} of {stop} samples are missing")
                self._next += len(block)
                yield block
        except soundfile.SoundFileError as error:
            raise Incomplete(f"damaged: {str(error).removeprefix('Error : ')}") from error

    def finish(self) -> None:
        # Of samples in one piece the container has told; FLAC is decoded from just before its end.
        if self._file.format == "FLAC" and self._next < self._file.frames:
            for _ in self.read(self._file.frames - 1):
                pass

    def close(self) -> None:
        self._file.close()
