"""Recordings of every container, damaged at random: is one of them taken with a part missing or repeated?

    python benchmarks/damage.py [--files 5000] [--seed 0] [--out FOLDER]

The sound is a clock: each quarter of a second has a tone of its own. A damaged file must be refused, or be decoded to
the same tones at the same times. Where a format has no checksums, less than a second may be noise.
"""

import argparse
import io
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import soundfile
from tables import Table
from tqdm import tqdm

from audioclust.clips.audio import open_recording, resampled
from audioclust.clips.rejected import Rejected

RATE, TICK, TICKS = 16000, 0.25, 24  # Hz, seconds, how many
HERTZ = 400 * 2 ** (np.random.default_rng(0).permutation(TICKS) / 8)  # of the tones: 400 to 3000
WRONG = 3  # ticks that may sound otherwise: less than a second
OUTCOMES = ("refused", "taken whole", "taken wrong")
# Name -> FFmpeg's container and coder, and options of the container
FORMATS = {
    "wav": ("wav", "pcm_s16le", {}),
    "wav 24 bit": ("wav", "pcm_s24le", {}),
    "wav float": ("wav", "pcm_f32le", {}),
    "wav adpcm": ("wav", "adpcm_ms", {}),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}),
    "w64": ("w64", "pcm_s16le", {}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "au": ("au", "pcm_s16be", {}),
    "caf": ("caf", "pcm_s16be", {}),
    "flac": ("flac", "flac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "mp3 without a length": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    "aac": ("adts", "aac", {}),
    "m4a": ("ipod", "aac", {}),
    "m4a alac": ("ipod", "alac", {}),
    "mp4 in fragments": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}),
    "ogg": ("ogg", "vorbis", {}),
    "opus": ("ogg", "libopus", {}),
    "webm": ("webm", "libopus", {}),
    "matroska": ("matroska", "aac", {}),
    "wma": ("asf", "wmav2", {}),
}


PLAIN = ("wav", "wav 24 bit", "wav float", "wav adpcm", "rf64", "w64", "aiff", "au", "caf")
UNSEEN = ("cut, zeros to the old length", "a block moved")  # of plain samples: they are what they are


def clock() -> np.ndarray:
    """Return the sound (samples,) float32."""
    t = np.arange(round(TICK * RATE)) / RATE
    x = np.concatenate([np.sin(2 * np.pi * hertz * t) for hertz in HERTZ])
    return (0.3 * x + np.random.default_rng(1).normal(0, 0.01, len(x))).astype(np.float32)


def encoded(name: str) -> bytes:
    """Return the clock as a file."""
    form, coder, options = FORMATS[name]
    target = io.BytesIO()
    if coder == "vorbis":  # which FFmpeg's wheel does not write
        soundfile.write(target, clock(), RATE, format="OGG", subtype="VORBIS")
        return target.getvalue()
    with av.open(target, "w", format=form, options=options) as container:
        rate = 48000 if coder == "libopus" else RATE
        stream = container.add_stream(coder, rate=rate, layout="mono")
        if coder == "wmav2":
            stream.bit_rate = 48000  # its coder has no default
        frame = av.AudioFrame.from_ndarray(clock()[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        converter = av.AudioResampler(stream.format, stream.layout, rate, stream.codec_context.frame_size or None)
        for each in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return target.getvalue()


def read(path: Path) -> np.ndarray:
    """Decode a file to (samples,) at ``RATE``; ``Rejected`` where it is refused."""
    with closing(open_recording(path)) as recording:
        found = list(resampled(recording, RATE))
        recording.finish()
    if not sum(map(len, found)):
        raise Rejected("empty", "no samples were decoded")
    return np.concatenate(found)[:, 0]


def wrong(x: np.ndarray) -> int:
    """Return how many ticks do not sound as they should, or are missing or too many."""
    size = round(TICK * RATE)
    count = sum(
        not any(_sounds(x[at : at + size // 2], hertz) for at in _near(tick * size, size))
        for tick, hertz in enumerate(HERTZ)
    )
    return count + max(0, round(len(x) / size) - TICKS)


def _near(start: int, size: int) -> list[int]:
    """Return where the middle of a tick may begin: a part that is lost elsewhere moves it."""
    return [max(0, start + size * part // 8) for part in (-2, 0, 2, 4, 6)]


def _sounds(x: np.ndarray, hertz: float) -> bool:
    return len(x) >= 1000 and abs(_pitch(x) - hertz) < 0.04 * hertz


def _pitch(x: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8192))
    return float(spectrum.argmax() * RATE / 8192)


def damaged(data: bytes, plain: bool, rng: np.random.Generator) -> tuple[str, bytes]:
    """Return what was done, and the bytes."""
    name = str(rng.choice([name for name in DAMAGES if not (plain and name in UNSEEN)]))
    return name, DAMAGES[name](data, rng)


def _place(data: bytes, rng: np.random.Generator, most: int = 4096) -> tuple[int, int]:
    start = int(rng.integers(0, len(data)))
    return start, start + int(rng.integers(1, most))


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(data)
    for place in rng.integers(0, len(data), int(rng.integers(1, 50))):
        found[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(found)


def _overwritten(data: bytes, rng: np.random.Generator, zeros: bool) -> bytes:
    start, end = _place(data, rng)
    end = min(end, len(data))
    return data[:start] + (bytes(end - start) if zeros else rng.bytes(end - start)) + data[end:]


def _removed(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(data, rng)
    return data[:start] + data[end:]


def _repeated(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(data, rng)
    return data[:end] + data[start:]


def _moved(data: bytes, rng: np.random.Generator) -> bytes:
    start, end = _place(data, rng)
    rest, to = data[:start] + data[end:], int(rng.integers(0, len(data)))
    return rest[:to] + data[start:end] + rest[to:]


def _cut(data: bytes, rng: np.random.Generator, zeros: bool = False) -> bytes:
    end = int(rng.integers(0, len(data)))
    return data[:end] + bytes(len(data) - end if zeros else 0)


DAMAGES: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "cut": _cut,
    "cut, zeros to the old length": lambda data, rng: _cut(data, rng, True),
    "bits flipped": _flipped,
    "a block of zeros": lambda data, rng: _overwritten(data, rng, True),
    "a block of noise": lambda data, rng: _overwritten(data, rng, False),
    "a block removed": _removed,
    "a block repeated": _repeated,
    "a block moved": _moved,
    "joined with itself": lambda data, rng: data + data,
}


def outcome(name: str, rng: np.random.Generator, whole: bytes, path: Path) -> tuple[str, str]:
    """Damage a file and read it; return what was done, and "refused", "taken whole" or "taken wrong"."""
    what, data = damaged(whole, name in PLAIN, rng)
    path.write_bytes(data)
    try:
        x = read(path)
    except Rejected:
        return what, "refused"
    count = max(map(wrong, np.array_split(x, 2 if what == "joined with itself" else 1)))
    return what, "taken whole" if count <= WRONG else "taken wrong"


def outcomes(files: int, seed: int) -> Counter[tuple[str, str, str]]:
    """Return how often (format, damage, outcome) came, the formats in turn."""
    rng, names = np.random.default_rng(seed), list(FORMATS)
    whole = {name: encoded(name) for name in names}
    found: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name in tqdm([names[number % len(names)] for number in range(files)], disable=files < 1000):
            found[(name, *outcome(name, rng, whole[name], Path(folder, "recording")))] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for a CSV file")
    given = parser.parse_args()
    found = outcomes(given.files, given.seed)
    for place, column in ((0, "format"), (1, "damage")):
        table = Table(given.out, f"damage_{column}", column, *OUTCOMES)
        for row in dict.fromkeys(key[place] for key in found):
            counts = [sum(n for key, n in found.items() if (key[place], key[2]) == (row, each)) for each in OUTCOMES]
            table.add(row, *map(str, counts))


if __name__ == "__main__":
    main()
