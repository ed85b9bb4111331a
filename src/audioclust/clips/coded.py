"""Recordings of every other format, by FFmpeg: MP3, Ogg, M4A, WebM, WMA, and samples of unknown length.

FFmpeg takes a cut file for a shorter one and skips damaged parts. What is missing is found here: between the frames
of formats without an index, by time stamps where they have any, by what the decoder refuses, and at the end.
"""

import math
import mmap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from audioclust.clips.containers import Container
from audioclust.clips.elementary import Frames
from audioclust.clips.plain import BLOCK
from audioclust.clips.rejected import Incomplete, Rejected

# No playlists, which would open other files.
FORMATS = "aac,ac3,aiff,amr,asf,au,avi,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,w64,wav,wv"
ELEMENTARY = ("aac", "ac3", "flac", "mp3")  # frame behind frame, without an index
FINE = ("alac", "flac", "pcm_s24", "pcm_s32", "pcm_f", "wavpack")
GAP = 0.1  # seconds by which time stamps may be wrong: writers round them
SHORT = 0.5  # seconds that may be missing of a declared length: some writers count what a coder puts before the sound
# A decoder starts so many seconds before the part that is wanted: what it puts out at first is incomplete.
PREROLL = 1.0
av.logging.set_level(None)


class Coded:
    """One of them, open; the attributes and methods are those of ``audio.Recording``."""

    def __init__(self, path: Path, container: Container):
        self._path, self._container = path, container
        self._packets: Iterator[av.Packet] = iter(())
        self._open()
        codec, length = self._stream.codec_context, self._stream.duration or self._source.duration
        self.rate, self.fine = self._decoded_rate() or codec.sample_rate or 0, codec.name.startswith(FINE)
        base = self._stream.time_base if self._stream.duration else Fraction(1, av.time_base)
        self.seconds = float(length * base) if length else None

    def _open(self) -> None:
        # "file:", so that no other protocol is seen in a name.
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        try:
            self._source = av.open(f"file:{self._path}", metadata_errors="ignore", options=options)
        except (av.FFmpegError, UnicodeError) as error:
            said = error.strerror if isinstance(error, av.FFmpegError) else str(error)
            raise Rejected("unreadable", f"no sound that FFmpeg knows: {said}") from error
        streams = self._source.streams.audio
        if not streams or streams[0].codec_context is None:
            self._source.close()
            raise Rejected("unreadable", "FFmpeg does not know how its sound is coded" if streams else "no sound in it")
        self._stream = streams[0]
        # Where MP3s were joined, a frame may need bits of the one before it: no error, and at most a frame of noise.
        if self._source.format.name != "mp3":
            self._stream.codec_context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        self._stream.codec_context.thread_count = 1

    def _decoded_rate(self) -> int | None:
        """Return the rate of the first frame: of HE-AAC, whose header may have half of it, the decoder alone knows."""
        try:
            return next((frame.sample_rate for frame in self._source.decode(self._stream)), None)
        except av.FFmpegError:
            return None

    def close(self) -> None:
        self._source.close()

    def read(self, start: int = 0, frames: int | None = None) -> Iterator[np.ndarray]:
        self._source.close()
        self._open()
        self._packets = self._checked()
        waiting, count, left = [], 0, math.inf if frames is None else frames
        for x in self._decoded(start):
            waiting.append(x)
            count += len(x)
            while count >= min(BLOCK, left):
                joined = np.concatenate(waiting)
                block, rest = joined[: min(BLOCK, left)], joined[min(BLOCK, left) :]
                yield block
                left -= len(block)
                if left == 0:
                    return
                waiting, count = [rest], len(rest)
        if count:
            yield np.concatenate(waiting)

    def finish(self) -> None:
        for _ in self._packets:
            pass

    def _decoded(self, start: int) -> Iterator[np.ndarray]:
        """Yield (frames, channels) float32 from frame ``start``."""
        # Where time stamps are exact they tell where that is; elsewhere everything before it is decoded too.
        exact = self._source.format.name in ELEMENTARY or self._container.kind in ("mp4", "matroska", "ogg")
        position, channels = None if start and exact else 0, None
        first = self._stream.start_time or 0
        for packet in self._packets:
            if position is None and packet.pts is not None and self._end(packet) < start / self.rate - PREROLL:
                continue
            for frame in self._frames(packet, position):
                if position is None:
                    position = round((frame.pts - first) * frame.time_base * self.rate)
                x = _float32(frame)
                channels = channels or x.shape[1]
                if frame.sample_rate != self.rate or x.shape[1] != channels:
                    raise Rejected(
                        "unreadable",
                        f"after {position / self.rate:.1f} s it goes on with {frame.sample_rate} Hz and {x.shape[1]} "
                        f"channels, not {self.rate} Hz and {channels}: cut it there",
                    )
                position += len(x)
                if position > start:
                    yield x[max(len(x) - (position - start), 0) :]

    def _frames(self, packet: av.Packet, position: int | None) -> list[av.AudioFrame]:
        try:
            return packet.decode()
        except av.FFmpegError as error:
            where = f"after {position / self.rate:.1f} s" if position else "at its start"
            raise Incomplete(f"cut or damaged {where}: the decoder says {error.strerror!r}") from error

    def _end(self, packet: av.Packet) -> float:
        """Return the seconds at which a packet ends."""
        return float((packet.pts + (packet.duration or 0) - (self._stream.start_time or 0)) * packet.time_base)

    def _checked(self) -> Iterator[av.Packet]:
        """Yield the packets; what is missing before one of them, or at the end, raises ``Incomplete``."""
        found = self._consecutive() if self._source.format.name in ELEMENTARY else self._in_time()
        try:
            yield from found
        except av.FFmpegError as error:
            raise Incomplete(f"cut or damaged: FFmpeg says {error.strerror!r}") from error

    def _consecutive(self) -> Iterator[av.Packet]:
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            frames = Frames(data, self._source.format.name)
            for packet in self._source.demux(self._stream):
                if not packet.size:
                    yield packet  # the end
                elif frames.add(packet.pos, packet.size):
                    self.seconds = self._end(packet)
                    yield packet
            frames.end()

    def _in_time(self) -> Iterator[av.Packet]:
        declared, end, before = self.seconds, None, 0.0
        stamped = self._container.kind != "ogg"  # whose pages have told, and whose clock starts anew with each part
        for packet in self._source.demux(self._stream):
            if packet.size and packet.pts is not None:
                begin = float((packet.pts - (self._stream.start_time or 0)) * packet.time_base)
                if end is not None and abs(begin - end) > GAP:
                    if stamped:
                        raise Incomplete(f"damaged: after {end:.2f} s it goes on at {begin:.2f} s")
                    before += end
                end = self._end(packet)
            yield packet
        if end is None:
            return
        if stamped and declared and not self._container.streamed and declared - end > SHORT:
            raise Incomplete(f"cut: {end:.2f} of {declared:.2f} s are there")
        self.seconds = before + end


def _float32(frame: av.AudioFrame) -> np.ndarray:
    """Return (frames, channels), full scale at 1."""
    x = frame.to_ndarray()
    x = x.T if frame.format.is_planar else x.reshape(-1, len(frame.layout.channels))
    if x.dtype.kind == "f":
        return x.astype(np.float32)
    if x.dtype == np.uint8:
        return (x.astype(np.float32) - 128) / 128
    return (x / -float(np.iinfo(x.dtype).min)).astype(np.float32)
