"""Views of the clips' sound through an encoder that is not trained here, once, for the methods that start from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audioclust import parallel
from audioclust.clips.logmel import FrontEnd, LogMel
from audioclust.parameters import values
from audioclust.results import files
from audioclust.results.embeddings import views_file
from audioclust.results.kept import KEY, Kept, Rows, checksum, digest, fill, row_keys
from audioclust.runs.embed import SHARD, Embed, built, check, embedded
from audioclust.runs.logmel import mels_of
from audioclust.views.embedded import affordable
from audioclust.views.waves import Waves

KINDS = ("weak", "strong")
MIXUP = "mixup"  # the op that takes another clip


@dataclass
class Sounds:
    """The clips: ``audio`` is a file, (n, samples) int16 at ``rate`` Hz, of which (n,) ``samples`` hold signal.

    ``digests`` are hashes of the samples, (n, 16) uint8.
    """

    audio: Path
    rate: int
    samples: np.ndarray
    digests: np.ndarray

    @classmethod
    def of(cls, audio: Path, rate: int, durations: np.ndarray, digests: np.ndarray) -> "Sounds":
        """Return clips whose signal lasts ``durations`` (n,) seconds."""
        return cls(audio, rate, np.maximum(np.rint(durations * rate).astype(np.int64), 1), digests)

    def others(self, *draw: int) -> np.ndarray:
        """Return another clip for each, (n,), drawn by the clip and by some numbers.

        It is the next by its hash after a point that is drawn, so that a clip more changes those of few others.
        """
        names = np.frombuffer(self.digests.tobytes(), f"S{KEY}")
        order = np.argsort(names)
        points = [digest(np.array([*draw, *_words(own)])) for own in self.digests]
        return order[np.searchsorted(names[order], np.array(points, f"S{KEY}")) % len(order)]


@dataclass
class View:
    """One view of every clip: the ``number`` th of a kind, by an encoder with its ``job`` and ``batch``."""

    job: tuple
    batch: int
    waves: Waves
    kind: str
    number: int
    front_end: FrontEnd

    @property
    def draw(self) -> tuple[int, int, int]:
        """What is drawn with, beside the clip."""
        return self.job[3], KINDS.index(self.kind), self.number

    def keys(self, sounds: Sounds, others: np.ndarray) -> list[bytes]:
        """Return what each clip's view depends on."""
        own = sounds.digests, sounds.samples
        if MIXUP not in getattr(self.waves, self.kind):
            return row_keys(*own)
        return row_keys(*own, *sounds.digests[others].view("<i8").T, sounds.samples[others])


def embed_views(
    embed: Embed, encoder: str, section: dict[str, Any], sounds: Sounds, front_end: FrontEnd,
    stats: tuple[float, float], waves: Waves, counts: dict[str, int], out: Path, kept: Kept,
) -> None:  # fmt: skip
    """Write ``weak.npy`` and ``strong.npy`` into the folder ``out``, (count, n, dim) float32 each.

    Args:
        embed: how an encoder runs.
        encoder: name of a file in ``audioclust/encoders``; its input is no text.
        section: its parameters.
        sounds: the clips.
        front_end: of log-mels, for encoders that take them.
        stats: mean and standard deviation of the clips' log-mels.
        waves: makes the views; they depend on it, on the seed of ``embed`` and on a clip's samples alone, but for the
            op ``mixup``, which takes another clip.
        counts: views per clip of each kind, at least one, fewer of many clips (``affordable``); a kind that is absent
            has no file.
        out: the folder of the encoder's embedding.
        kept: keeps each view of each clip, so that more views, more clips, or a run that was killed, cost the rest.

    Raises:
        RuntimeError: an embedding is not finite (the clip is named).
    """
    job = embed.job(encoder, section, stats)
    ready = built(*job)  # before the workers, which inherit it
    shelf = kept.also(*embed.depends(job, ready), values(waves), asdict(front_end), sounds.rate)
    for kind, count in counts.items():
        with files.whole(views_file(out, kind)) as stream:
            number = 0
            while number < count:
                view = View(job, embed.at_once(job), waves, kind, number, front_end)
                found = _found(view, sounds, embed.side_by_side(job), shelf, kept)
                if not number:
                    count = affordable(count, *found.shape, len(counts))
                    files.write_header(stream, np.float32, (count, *found.shape))
                stream.write(found)
                number += 1


def _found(view: View, sounds: Sounds, workers: int, shelf: Kept, kept: Kept) -> np.ndarray:
    """Return one view of all clips, (n, dim), of which those are computed that are not kept."""
    n, others = len(sounds.samples), sounds.others(*view.draw)
    keys = view.keys(sounds, others)
    beside = [] if view.job[2] == "cpu" else [view.batch, b"".join(keys).hex()]  # on a GPU other clips change last bits
    shelf = shelf.also(view.draw, *beside)
    rows = shelf.find(keys)
    parts = [slice(start, start + SHARD) for start in range(0, n, SHARD)]
    tasks = [(view, sounds, part.start, others[part], rows[part]) for part in parts]
    label = f"{view.kind} view {view.number + 1}"
    vectors, checks, new = zip(*parallel.run(_shard, tasks, workers=workers, name=label), strict=True)
    found = np.concatenate(vectors)
    check(found, 0)
    kept.count(sum(new), n)
    if any(new):
        shelf.keep(found, keys, [each for some in checks for each in some])
    return found


def _shard(
    view: View, sounds: Sounds, start: int, others: np.ndarray, rows: Sequence[Rows | None]
) -> tuple[np.ndarray, list[bytes], int]:
    """Return the embeddings (b, dim) of one view of clips from ``start`` on, what checks them, and how many are new."""

    def compute(new: list[int]) -> np.ndarray:
        return _computed(view, sounds, [(start + position, others[position]) for position in new])

    return fill(rows, checksum, compute)


def _computed(view: View, sounds: Sounds, clips: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the embeddings (b, dim) of one view of each of some clips, given as numbers with another clip's."""
    encoder, audio, waves = built(*view.job), np.load(sounds.audio, mmap_mode="r"), view.waves
    made, samples = np.zeros((len(clips), audio.shape[1]), np.int16), np.zeros(len(clips), np.int64)
    for position, (row, other) in enumerate(clips):
        random = np.random.default_rng([*view.draw, *_words(sounds.digests[row])])
        signals = _signal(audio, sounds, row), _signal(audio, sounds, other)
        wave = waves(signals[0], sounds.rate, getattr(waves, view.kind), random, signals[1])[: audio.shape[1]]
        wave = wave * (32768 / max(float(np.abs(wave).max()), 1.0))  # a view that would clip is scaled down
        made[position, : len(wave)], samples[position] = np.rint(wave).clip(max=32767), len(wave)
    if encoder.input == "waveform":
        signal = np.rint(samples / sounds.rate * encoder.sample_rate).astype(np.int64)
        return embedded(encoder, made, sounds.rate, signal, view.batch)
    mels, frames = mels_of(made, sounds.rate, samples, LogMel(view.front_end))
    return embedded(encoder, mels, sounds.rate, frames, view.batch)


def _words(own: np.ndarray) -> list[int]:
    """Return a hash (16,) uint8 as four numbers."""
    return own.view("<u4").tolist()


def _signal(audio: np.ndarray, sounds: Sounds, row: int) -> np.ndarray:
    """Return the signal of a clip, (s,) float32 in -1..1."""
    return audio[row, : sounds.samples[row]].astype(np.float32) / 32768.0
