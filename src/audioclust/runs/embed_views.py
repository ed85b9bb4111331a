"""Views of the clips' sound through an encoder that is not trained here, once, for the methods that start from it."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audioclust import parallel
from audioclust.clips.logmel import FrontEnd, LogMel
from audioclust.parameters import values
from audioclust.results import files
from audioclust.results.embeddings import views_file
from audioclust.results.pieces import Pieces
from audioclust.runs.embed import SHARD, Embed, built, check, embedded
from audioclust.runs.logmel import mels_of
from audioclust.views.waves import Waves

KINDS = ("weak", "strong")
BLOCK = 1 << 24  # bytes of audio hashed at a time


@dataclass
class Sounds:
    """The clips: ``audio`` is a file, (n, samples) int16 at ``rate`` Hz, of which (n,) ``samples`` hold signal."""

    audio: Path
    rate: int
    samples: np.ndarray

    @classmethod
    def of(cls, audio: Path, rate: int, durations: np.ndarray) -> "Sounds":
        """Return clips whose signal lasts ``durations`` (n,) seconds."""
        return cls(audio, rate, np.maximum(np.rint(durations * rate).astype(np.int64), 1))

    def digest(self) -> str:
        """Return a hash of all samples."""
        digest = hashlib.blake2b(self.samples, digest_size=16)
        with self.audio.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()


def embed_views(
    embed: Embed, encoder: str, section: dict[str, Any], sounds: Sounds, front_end: FrontEnd,
    stats: tuple[float, float], waves: Waves, counts: dict[str, int], out: Path, pieces: Pieces, inputs: list,
) -> None:  # fmt: skip
    """Write ``weak.npy`` and ``strong.npy`` into the folder ``out``, (count, n, dim) float32 each.

    Args:
        embed: how an encoder runs.
        encoder: name of a file in ``audioclust/encoders``; its input is no text.
        section: its parameters.
        sounds: the clips.
        front_end: of log-mels, for encoders that take them.
        stats: mean and standard deviation of the clips' log-mels.
        waves: makes the views; they depend on it, on the seed of ``embed`` and on a clip's number alone, but for the op
            ``mixup``, which takes another clip.
        counts: views per clip of each kind, at least one; a kind that is absent has no file.
        out: the folder of the encoder's embedding.
        pieces: keeps each view of all clips, so that more of them, or a run that was killed, cost the rest.
        inputs: what else a view depends on: the code, and the embedding of the clips, which tells of other weights.

    Raises:
        RuntimeError: an embedding is not finite (the clip is named).
    """
    job = embed.job(encoder, section, stats)
    built(*job)  # before the workers, which inherit it
    n, settings = len(sounds.samples), [values(waves), asdict(front_end)]
    key = Pieces.key(*inputs, embed.batch, *map(str, job), settings, sounds.rate, sounds.digest())
    for kind, count in counts.items():
        with files.whole(views_file(out, kind)) as stream:
            for number in range(count):
                name = Pieces.key(key, kind, number)
                kept = pieces.get(name)
                if kept is None:
                    view = embed.batch, waves, kind, number, front_end
                    tasks = [(job, sounds, start, min(start + SHARD, n), *view) for start in range(0, n, SHARD)]
                    label = f"{kind} view {number + 1}"
                    shards = parallel.run(_shard, tasks, workers=embed.side_by_side(job), name=label)
                    kept = {"view": np.concatenate(list(shards))}
                    check(kept["view"], 0)
                    pieces.put(name, **kept)
                if not number:
                    files.write_header(stream, np.float32, (count, *kept["view"].shape))
                stream.write(kept["view"])


def _shard(
    job: tuple, sounds: Sounds, start: int, stop: int, batch: int, waves: Waves, kind: str, number: int,
    front_end: FrontEnd,
) -> np.ndarray:  # fmt: skip
    """Return the embeddings (b, dim) of one view of each of the clips ``start`` to ``stop``."""
    encoder, audio = built(*job), np.load(sounds.audio, mmap_mode="r")
    made, samples = np.zeros((stop - start, audio.shape[1]), np.int16), np.zeros(stop - start, np.int64)
    for position, row in enumerate(range(start, stop)):
        random = np.random.default_rng([job[3], KINDS.index(kind), number, row])
        other = _signal(audio, sounds, int(random.integers(len(audio))))
        wave = waves(_signal(audio, sounds, row), sounds.rate, getattr(waves, kind), random, other)[: audio.shape[1]]
        wave = wave * (32768 / max(float(np.abs(wave).max()), 1.0))  # a view that would clip is scaled down
        made[position, : len(wave)], samples[position] = np.rint(wave).clip(max=32767), len(wave)
    if encoder.input == "waveform":
        signal = np.rint(samples / sounds.rate * encoder.sample_rate).astype(np.int64)
        return embedded(encoder, made, sounds.rate, signal, batch)
    mels, frames = mels_of(made, sounds.rate, samples, LogMel(front_end))
    return embedded(encoder, mels, sounds.rate, frames, batch)


def _signal(audio: np.ndarray, sounds: Sounds, row: int) -> np.ndarray:
    """Return the signal of a clip, (s,) float32 in -1..1."""
    return audio[row, : sounds.samples[row]].astype(np.float32) / 32768.0
