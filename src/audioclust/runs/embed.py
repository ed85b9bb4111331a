"""Run one encoder over all clips: arrays on disk in, one (n, dim) float32 array on disk out.

On the CPU, shards of clips go to worker processes of one thread each. A clip is alone in its forward pass, or in one of
a fixed number of clips, if that gives the same bytes at every place: they depend neither on the number of cores nor on
the other clips, and those of an earlier run are taken where they are kept. On a GPU, whose last bits depend on the
batch, one process feeds the device with all clips.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from audioclust import parallel, registry
from audioclust.parameters import Count, Natural
from audioclust.results import files
from audioclust.results.kept import Kept, Rows, checksum, fill, row_keys
from audioclust.threads import one_thread

SHARD = 64  # clips per task


@dataclass
class Embed:
    """How an encoder runs over all clips."""

    batch: Count = 16  # clips per forward pass on a GPU; on the CPU each has its own
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: CUDA where there is a device
    workers: Annotated[int, Field(ge=-1)] = -1  # processes on the CPU; -1: one per core
    seed: Natural = 0  # of encoders with random weights

    def run(
        self,
        encoder: str,
        section: dict[str, Any],
        source: dict[str, Path],
        rate: int,
        stats: tuple[float, float],
        durations: np.ndarray,
        out: Path,
        *,
        kept: Kept | None = None,
        digests: np.ndarray | None = None,
    ) -> None:
        """Write ``out``, (n, dim) float32: one row per clip.

        Args:
            encoder: name of a file in ``audioclust/encoders``.
            section: its parameters.
            source: "logmel" -> (n, mels, t) float16, with stage ``logmel``'s ``frames.npy`` beside it, and
                "waveform" -> (n, samples) int16, both .npy; "text" -> a .json list of n strings.
            rate: sample rate of the waveforms in Hz.
            stats: mean and standard deviation of the log-mels.
            durations: (n,) seconds of signal in each clip; what follows is padding.
            out: the file to write.
            kept: where embeddings are kept for later runs, but for those by a GPU and of texts; None: nowhere.
            digests: (n, 16) uint8, hashes of the clips' samples, where embeddings are kept.

        Raises:
            RuntimeError: weights are absent and unreachable, or an embedding is not finite (the clip is named).
        """
        job = self.job(encoder, section, stats)
        first = built(*job)  # weights are looked for here, before any work
        path = source[first.input]
        if first.input == "text":
            return _embed_texts(first, path, out)
        signal = _signal(first, path, durations)
        n = len(signal)
        shape = np.load(path, mmap_mode="r").shape[1:]
        shelf = kept.also(*self.depends(job, first), shape, rate) if kept and job[2] == "cpu" else None
        # Log-mels are reflected at the last sample of the signal, which a number of frames does not tell.
        keys = row_keys(digests, signal, np.rint(durations * rate).astype(np.int64)) if shelf else []
        rows = shelf.find(keys) if shelf else None
        shards = [slice(start, min(start + SHARD, n)) for start in range(0, n, SHARD)]
        tasks = [(job, path, s, rate, signal[s], self.at_once(job), rows and rows[s]) for s in shards]
        checks, new = [], 0
        with files.whole(out) as stream:
            found = parallel.run(_shard, tasks, workers=self.side_by_side(job), name=encoder)
            for s, (vectors, checked, computed) in zip(shards, found, strict=True):
                check(vectors, s.start)
                if s.start == 0:  # an encoder of statistics has as many dimensions as the log-mels have bands
                    files.write_header(stream, np.float32, (n, vectors.shape[1]))
                stream.write(vectors)
                checks += checked
                new += computed
        if shelf:
            shelf.keep(out, keys, checks)
            kept.count(new, n)

    def depends(self, job: tuple, encoder: Any) -> list[Any]:
        """Return what an encoder's embedding of a clip depends on, beside the clip and the code."""
        name, section, device, seed, stats = job
        moments = stats if encoder.input == "logmel" and getattr(encoder, "normalises", True) else None
        return [name, section, device, seed, moments, weights_digest(encoder), getattr(encoder, "together", 1)]

    def job(self, encoder: str, section: dict[str, Any], stats: tuple[float, float]) -> tuple:
        """Return what ``built`` takes."""
        where = _device(self.device, registry.get("encoders", encoder))
        return encoder, tuple(sorted((k, _hashable(v)) for k, v in section.items())), where, self.seed, tuple(stats)

    def at_once(self, job: tuple) -> int:
        """Return how many clips share a forward pass."""
        return 1 if job[2] == "cpu" else self.batch

    def side_by_side(self, job: tuple) -> int:
        """Return how many processes run a job."""
        return self.workers if job[2] == "cpu" else 1


def origin(kind: type) -> str:
    """Return where the weights of an encoder's class come from, and under which licence."""
    said = getattr(kind, "training", ""), getattr(kind, "licence", "")
    return "; ".join(filter(None, said))


@lru_cache(maxsize=1)
def built(name: str, section: tuple, device: str, seed: int, stats: tuple[float, float]) -> Any:
    """Return the encoder with its weights; a worker process builds it once."""
    kind = registry.get("encoders", name)
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in section}
    encoder = kind(**values, device=device, random_state=seed)
    encoder.prepare()
    if encoder.input == "logmel":
        encoder.normalise_with(*stats)
    if device == "cpu" and getattr(kind, "uses_torch", True):
        from audioclust.devices import hold_memory

        hold_memory()
    if device == "cpu" and hasattr(encoder, "together") and not _same_at_every_place(encoder):
        encoder.together = 1
    return encoder


def _same_at_every_place(encoder: Any) -> bool:
    """Tell whether a pass of ``together`` clips gives each the same bytes one place on, beside other neighbours."""
    x = np.random.default_rng(0).normal(0, 0.1, (encoder.together, encoder.brief)).astype(np.float32)
    signal = np.full(len(x), encoder.brief)
    with one_thread():
        one, other = encoder(x, signal), np.roll(encoder(np.roll(x, 1, axis=0), signal), -1, axis=0)
    return np.array_equal(one, other)


def _embed_texts(encoder: Any, path: Path, out: Path) -> None:
    """Write ``out`` of all texts at once: the encoder is fitted to them."""
    texts = json.loads(path.read_text(encoding="utf-8"))
    with one_thread():
        found = encoder.fit(texts)(texts)
    check(found, 0)
    files.write_array(out, found)


def _signal(encoder: Any, path: Path, durations: np.ndarray) -> np.ndarray:
    """Return how many frames or samples of signal each clip has, (n,), as the encoder counts them."""
    if encoder.input == "waveform":
        return np.rint(durations * encoder.sample_rate).astype(np.int64)
    return np.load(path.with_name("frames.npy"))


def weights_digest(encoder: Any) -> str:
    """Return a hash of the weights of an encoder that is ready, "" where it has none that torch knows."""
    network = getattr(encoder, "network_", None)
    if not hasattr(network, "state_dict"):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()


def _shard(
    job: tuple, path: Path, part: slice, rate: int, signal: np.ndarray, batch: int,
    rows: Sequence[Rows | None] | None,
) -> tuple[np.ndarray, list[bytes], int]:  # fmt: skip
    """Return embeddings (b, dim), those that are kept or computed, what checks them, and how many are new."""
    if rows is None:
        found = embedded(built(*job), np.load(path, mmap_mode="r")[part], rate, signal, batch)
        return found, [], len(found)

    def compute(new: list[int]) -> np.ndarray:
        clips = np.load(path, mmap_mode="r")[part]
        return embedded(built(*job), clips if len(new) == len(clips) else clips[new], rate, signal[new], batch)

    return fill(rows, checksum, compute)


def embedded(encoder: Any, clips: np.ndarray, rate: int, signal: np.ndarray, batch: int) -> np.ndarray:
    """Return what an encoder makes of a few clips, (b, dim) float32.

    Args:
        encoder: one that is ready.
        clips: (b, samples) int16 or (b, mels, t) float16, what the encoder takes.
        rate: sample rate of waveforms in Hz.
        signal: (b,) samples at the encoder's rate, or frames, that hold signal.
        batch: clips per forward pass; 1: as many as leave each clip's bytes its own.
    """
    found = np.zeros((len(clips), 0), np.float32)
    with one_thread():
        for rows in _passes(encoder, signal, batch):
            x = np.asarray(clips[rows], dtype=np.float32)
            if encoder.input == "waveform":
                x = _resampled(x / 32768.0, rate, encoder.sample_rate)
            vectors = np.asarray(encoder(x, signal[rows]), dtype=np.float32)
            found = found if found.shape[1] else np.empty((len(clips), vectors.shape[1]), np.float32)
            found[rows] = vectors
    return found


def _passes(encoder: Any, signal: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """Yield the clips (m,) of each forward pass."""
    order = np.argsort(signal, kind="stable")  # clips of one length are embedded together
    if batch > 1:
        yield from (order[i : i + batch] for i in range(0, len(order), batch))
        return
    together = getattr(encoder, "together", 1)
    brief = int((signal <= encoder.brief).sum()) if together > 1 else 0
    for i in range(0, brief, together):
        rows = order[i : min(i + together, brief)]
        yield np.append(rows, np.repeat(rows[-1:], together - len(rows)))  # filled up, so that all have one shape
    yield from order[brief:, None]


def _resampled(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    if rate == wanted:
        return x
    import soxr

    return np.stack([soxr.resample(row, rate, wanted, quality="HQ") for row in x])


def check(rows: np.ndarray, start: int) -> None:
    """Stop where an embedding of the clips from ``start`` on is not finite."""
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise RuntimeError(f"the embedding of clip {start + bad[0]} (row of clips.csv) is not finite")


def _device(device: str, kind: type) -> str:
    if device == "cpu" or not getattr(kind, "uses_torch", True):
        return "cpu"
    from audioclust.devices import pick_device

    return pick_device(device)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
