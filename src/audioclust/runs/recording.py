"""A recording of one's own, of any format, rate and length, separated into one file per source in bounded memory.

It is decoded once, to a file at the model's rate; the network sees it in blocks, with some frames before and after
each, twice: for the embeddings that are clustered, and for the masks.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from audioclust.clips.audio import Level, Recording, open_recording, resampled
from audioclust.clips.rejected import Rejected
from audioclust.results import files, wav
from audioclust.separation import masks
from audioclust.separation.counting import features, grams
from audioclust.separation.separator import Separator

BLOCK = 1500  # frames that get their masks together
CONTEXT = 200  # frames on each side of a block that the network sees too
POINTS = 1 << 17  # embeddings that are clustered, at most
WRITTEN = 1 << 16  # samples written at once


@dataclass(eq=False)
class Blocks:
    """A signal on the disk and its spectrum block by block."""

    path: Path  # of float32 samples
    model: Separator

    @property
    def samples(self) -> int:
        return self.path.stat().st_size // 4

    @property
    def frames(self) -> int:
        return self.model.stft_.frames(self.samples)

    def __iter__(self) -> Iterator[tuple[int, Tensor, slice]]:
        """Yield the first frame of each block, the spectrum (t, f) around it, and the block's frames in that."""
        frames = self.frames
        for first in range(0, frames, BLOCK):
            start, stop = max(first - CONTEXT, 0), min(first + BLOCK + CONTEXT, frames)
            inside = slice(first - start, min(first + BLOCK, frames) - start)
            yield first, self._spectrum(start, stop), inside

    def _spectrum(self, start: int, stop: int) -> Tensor:
        """Return the spectrum of some frames; only the samples that they hold are read."""
        return self.model.stft_.spectrum(_mapped(self.path), start=start, stop=stop).to(self.model.device)

    def measure(self) -> tuple[Tensor, Tensor]:
        """Return the loudest magnitude and the root mean square of all bins."""
        peak, energy, count = torch.zeros(()), 0.0, 0
        for _, spectrum, inside in self:
            magnitude = spectrum[inside].abs()
            peak = torch.maximum(peak.to(magnitude.device), magnitude.max())
            energy, count = energy + float(magnitude.double().square().sum()), count + magnitude.numel()
        return peak, torch.full_like(peak, (energy / count) ** 0.5)


def separate_recording(path: Path, sources: int | str, model: Separator, out: Path) -> str:
    """Write ``<out>/<name>-<number>.wav``, one mono file per source, with the recording's rate and length.

    Channels are averaged. What lies above half of the model's rate is lost. They have 16 bits, or 24 where the
    recording has more than 16.

    Args:
        path: the recording.
        sources: how many there are; "auto" has them estimated.
        model: that separates.
        out: the folder to write to, made if it is missing.

    Returns:
        What was written, in a sentence.

    Raises:
        ValueError: no number of sources, a recording that cannot be read, is silent or has fewer active bins than
            sources, or a file that would be replaced.
        OSError: the disk is full; it names the folder, in which nothing is left.
    """
    count = None if sources == "auto" else _number(sources)
    _check_free(path, out, 1)
    out.mkdir(parents=True, exist_ok=True)
    with _room(out), tempfile.TemporaryDirectory(dir=out, prefix=".separate-") as scratch:
        blocks = Blocks(Path(scratch) / "mixture", model)
        rate, length, fine = _decoded(path, model.stft_.sample_rate, blocks.path)
        peak, level = blocks.measure()
        threshold = peak * 10 ** (-model.silence_db / 20)  # bins below it are in every estimate
        points, *segments = _points(blocks, threshold, level)
        if not len(points):
            raise ValueError(f"{path}: it is silent: there is nothing to separate")
        said = ""
        if count is None:
            count, sure = model.counter_(features(*segments))
            count = min(count, len(points))
            said = f"; {count} sources were estimated, confidence {sure:.2f}"
        names, centres = _check_free(path, out, count), _centres(path, points, count)
        estimates = [_zeros(Path(scratch) / str(number), blocks.samples) for number in range(count)]
        _separate(blocks, centres, threshold, level, estimates)
        sounds = [_resampled(estimate, model.stft_.sample_rate, rate, length) for estimate in estimates]
        cut = _write(names, sounds, Path(scratch), rate, 3 if fine else 2)
        said += f"; {cut} samples were beyond full scale and are cut" if cut else ""
    return f"{', '.join(str(name) for name in names)}: {length / rate:.1f} s at {rate} Hz each{said}"


def _number(sources: int | str) -> int:
    try:
        count = int(sources)
    except ValueError:
        raise ValueError(f"--sources {sources}: must be a number or auto") from None
    if count < 1:
        raise ValueError(f"--sources {count}: must be at least 1")
    return count


def _check_free(path: Path, out: Path, count: int) -> list[Path]:
    """Return the names of the files to write, none of which is there."""
    names = [out / f"{path.stem}-{number}.wav" for number in range(1, count + 1)]
    there = [name for name in names if name.exists()]
    if there:
        raise ValueError(f"{there[0]} is there already: move it away, or choose another folder")
    return names


def _decoded(path: Path, rate: int, to: Path) -> tuple[int, int, bool]:
    """Decode a recording to float32 at ``rate``; return its own rate and length, and whether it is fine."""
    try:
        with closing(open_recording(path)) as recording, to.open("wb") as stream:
            counter = _Counter(recording)
            for block in resampled(counter, rate, level=Level()):
                stream.write(np.ascontiguousarray(block[:, 0], np.float32))
            own, fine, length = recording.rate, recording.fine, counter.frames
    except Rejected as error:
        raise ValueError(f"{path}: {error}") from error
    if not to.stat().st_size:
        raise ValueError(f"{path}: {length} samples at {own} Hz are too short: none is left at {rate} Hz")
    return own, length, fine


class _Counter:
    """A recording that counts the frames that are read of it."""

    def __init__(self, recording: Recording):
        self.recording, self.rate, self.frames = recording, recording.rate, 0

    def read(self, start: int = 0, frames: int | None = None) -> Iterator[np.ndarray]:
        for block in self.recording.read(start, frames):
            self.frames += len(block)
            yield block


def _points(blocks: Blocks, threshold: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return embeddings (n, k) of active bins, drawn alike from all blocks, and ``grams`` of all segments."""
    number, k = -(-blocks.frames // BLOCK), blocks.model.k
    generator, found = torch.Generator().manual_seed(0), []
    for _, spectrum, inside in blocks:
        active = spectrum[inside].abs() > threshold
        if active.any():
            v = blocks.model.embed(spectrum, level=level)[inside]
            points = v[active]
            drawn = torch.randperm(len(points), generator=generator)[: max(POINTS // number, 1)]
            parts = points[drawn.sort().values.to(points.device)], *grams(v, active)
            found.append([part.cpu() for part in parts])
    if not found:
        return torch.zeros(0, k), torch.zeros(0, k, k), torch.zeros(0)
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))


def _centres(path: Path, points: Tensor, count: int) -> Tensor:
    """Return the centres (s, k) of the embeddings (n, k) of a recording."""
    try:
        return masks.centres(points, count)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _separate(
    blocks: Blocks, centres: Tensor, threshold: Tensor, level: Tensor, estimates: list[Path]
) -> None:  # fmt: skip
    """Add to each estimate (n,) what of every block is nearest to its centre."""
    stft, centres = blocks.model.stft_, centres.to(blocks.model.device)
    for first, spectrum, inside in blocks:
        v = blocks.model.embed(spectrum, level=level)[inside]
        part = spectrum[inside]
        found = masks.from_labels(masks.nearest(v, part.abs() > threshold, centres), len(centres))
        for estimate, masked in zip(estimates, masks.apply(found, part).cpu(), strict=True):
            stft.add(_mapped(estimate), masked, first)


def _mapped(path: Path) -> Tensor:
    """Return a signal (n,) on the disk, to read and to change; its pages count as memory only as long as it is held."""
    return torch.from_numpy(np.memmap(path, np.float32, "r+"))


def _zeros(path: Path, samples: int) -> Path:
    """Write zeros (n,), all of them: into a hole of a file a full disk would end the process."""
    with path.open("wb") as stream:
        for start in range(0, samples, WRITTEN):
            stream.write(np.zeros(min(WRITTEN, samples - start), np.float32))
    return path


def _write(names: list[Path], sounds: list[Iterator[np.ndarray]], scratch: Path, rate: int, width: int) -> int:
    """Write all files or, on a full disk, none; return how many samples were cut."""
    parts = [scratch / name.name for name in names]
    cut = sum(wav.write(part, sound, rate, width) for part, sound in zip(parts, sounds, strict=True))
    for part, name in zip(parts, names, strict=True):
        os.replace(part, name)
    return cut


def _resampled(path: Path, rate: int, to: int, length: int) -> Iterator[np.ndarray]:
    """Yield blocks of a signal on the disk, of ``rate``, as ``length`` samples at the rate ``to``."""
    stream = soxr.ResampleStream(rate, to, 1, dtype="float32", quality="HQ") if rate != to else None
    left, samples = length, path.stat().st_size // 4
    for start in range(0, samples, WRITTEN):
        block, last = np.fromfile(path, np.float32, WRITTEN, offset=4 * start), start + WRITTEN >= samples
        block = (block if stream is None else stream.resample_chunk(block, last=last))[:left]
        left -= len(block)
        yield block
    yield np.zeros(left, np.float32)


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Have errors of a full disk name the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in files.NO_ROOM:
            error.filename = str(folder)
        raise
