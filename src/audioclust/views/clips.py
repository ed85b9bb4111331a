"""Log-mels as deep methods read them: standardised batches on the device, with the length of each clip's signal."""

import copy
import hashlib
import json
import weakref
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from audioclust.views.augment import Augment, Pooled

POOLED = 1 << 29  # bytes that clips pooled once may take; of more, each batch is pooled by itself
BLOCK = 512  # clips per step while statistics are taken
SHARE = 0.5  # of a GPU's free memory that the log-mels may take; if they need more they stay in their memory map
MOMENTS = "moments.json"


class Moments(NamedTuple):
    """Mean, deviation and a hash of all log-mels of a set."""

    mean: float  # over all bands of all frames with signal
    std: float  # not 0
    digest: str  # hash of all values and lengths


class Clips:
    """Log-mels (n, f, t); ``clips[rows]`` are standardised with one mean and one deviation for all.

    On a GPU they are kept in its memory, as float16, where they fit; on the CPU an array or a memory map stays as it
    is. ``digest`` is a hash of all values and lengths.

    Args:
        logmel: (n, f, t) in nats, an array or a memory map.
        frames: (n,) frames that hold signal, the rest being padding; None where all do.
        device: of the batches.
        mean, std: for standardising; None: those of the signal of these clips.
        front_end: what the log-mels were computed with, such as ``{"sample_rate": 16000, "n_mels": 64, ...}``; None:
            unknown.
        moments: from ``moments_of``; None: found here, which reads all values.

    Raises:
        ValueError: not three-dimensional, no clip, a clip that is not finite (the first is named), or lengths outside
            1 .. t.
    """

    def __init__(
        self,
        logmel: np.ndarray,
        frames: np.ndarray | None = None,
        device: str = "cpu",
        *,
        mean: float | None = None,
        std: float | None = None,
        front_end: dict[str, Any] | None = None,
        moments: Moments | None = None,
    ):
        if logmel.ndim != 3 or 0 in logmel.shape:
            raise ValueError(f"log-mels of shape {logmel.shape}: (n, mels, frames) with at least one clip is needed")
        self.n, self.f, self.t = logmel.shape
        self.device, self.front_end = device, front_end
        self.frames = _lengths(frames, self.n, self.t)
        moments = moments or moments_of(logmel, self.frames)
        self.digest = moments.digest
        self.mean, self.std = moments[:2] if mean is None or std is None else (mean, std)
        self._logmel = _on_device(logmel, device)
        self._by_pool: dict[tuple, PooledClips] = {}

    @classmethod
    def of(
        cls,
        x: Any,
        frames: np.ndarray | None = None,
        device: str = "cpu",
        *,
        mean: float | None = None,
        std: float | None = None,
        front_end: dict[str, Any] | None = None,
    ) -> "Clips":
        """Return ``x`` as ``Clips`` on ``device``.

        Of ``Clips``, a copy that shares the log-mels where they are on ``device``, with another ``mean`` and ``std``.

        ``front_end`` is that of an array; ``Clips`` with a front end of their own keep it.
        """
        if not isinstance(x, cls):
            return cls(np.asanyarray(x), frames, device, mean=mean, std=std, front_end=front_end)
        x = copy.copy(x)
        x._by_pool = {}
        if x.device != device:
            kept = x._logmel.cpu().numpy() if isinstance(x._logmel, torch.Tensor) else x._logmel
            x.device, x._logmel = device, _on_device(kept, device)
        x.mean, x.std = (x.mean, x.std) if mean is None or std is None else (mean, std)
        x.front_end = front_end if x.front_end is None else x.front_end
        return x

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, rows: torch.Tensor | slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the clips ``rows`` (int64, CPU) as (b, f, t) float32, and the frames of their signal (b,) int64."""
        if isinstance(self._logmel, torch.Tensor):
            # Rows and lengths are copied without waiting for the GPU.
            x = self._logmel[rows if isinstance(rows, slice) else rows.to(self.device, non_blocking=True)]
        else:
            chosen = rows if isinstance(rows, slice) else rows.numpy()
            x = torch.from_numpy(np.array(self._logmel[chosen], dtype=np.float32)).to(self.device)
        return (x.float() - self.mean) / self.std, self.frames[rows].to(self.device, non_blocking=True)

    def pooled(self, augment: Augment) -> "PooledClips":
        """Return the clips as the views of ``augment`` take them."""
        key = augment.pool, bool(augment.trim)
        if key not in self._by_pool:
            self._by_pool[key] = PooledClips(self, augment)
        return self._by_pool[key]


class PooledClips:
    """Clips as views take them: ``pooled[rows]`` are ``augment.pooled`` of the clips ``rows``, and their frames.

    Pooled once for all clips where that takes at most ``POOLED`` bytes, and a GPU has them; else batch by batch.

    Args:
        clips: n of them, which whoever uses this holds.
        augment: pools them.
    """

    def __init__(self, clips: Clips, augment: Augment):
        self.n, self.device, self._augment = clips.n, clips.device, augment
        self._clips = weakref.ref(clips)  # they hold this
        self._kept: Pooled | None = None
        frames = clips.t // augment.pool[1]
        self._keep = 4 * clips.n * (augment.bands(clips.f) * frames + clips.t * bool(augment.trim)) <= POOLED

    def __getitem__(self, rows: torch.Tensor) -> tuple[Pooled, torch.Tensor]:
        if self._keep and self._kept is None:
            try:
                self._kept = self._pooled()
            except torch.OutOfMemoryError:
                self._keep = False
        if self._kept is None:
            x, frames = self._clips()[rows]
            return self._augment.pooled(x), frames
        frames = self._clips().frames[rows].to(self.device, non_blocking=True)
        rows = rows.to(self.device, non_blocking=True)
        return Pooled(*(None if each is None else each[rows] for each in self._kept)), frames

    def _pooled(self) -> Pooled:
        """Return what is pooled of all clips."""
        x = power = None
        for rows in torch.arange(self.n).split(BLOCK):
            part = self._augment.pooled(self._clips()[rows][0])
            if x is None:
                x = part.x.new_empty(self.n, *part.x.shape[1:])
                power = None if part.power is None else part.power.new_empty(self.n, *part.power.shape[1:])
            x[rows] = part.x
            if power is not None:
                power[rows] = part.power
        return Pooled(x, power)


def load(folder: str | Path, device: str = "cpu") -> Clips:
    """Open what stage ``logmel`` wrote, by memory map.

    Args:
        folder: holds ``logmel.npy`` (n, mels, t), ``frames.npy`` (n,), ``stats.json`` and ``moments.json``.
        device: of the batches.
    """
    folder = Path(folder)
    stats = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    x, frames = np.load(folder / "logmel.npy", mmap_mode="r"), np.load(folder / "frames.npy")
    moments = Moments(**json.loads((folder / MOMENTS).read_text(encoding="utf-8")))
    return Clips(x, frames, device, front_end=stats.get("front_end"), moments=moments)


def _lengths(frames: np.ndarray | None, n: int, t: int) -> torch.Tensor:
    if frames is None:
        return torch.full((n,), t, dtype=torch.int64)
    lengths = torch.as_tensor(np.asarray(frames), dtype=torch.int64)
    if lengths.shape != (n,):
        raise ValueError(f"frames of shape {tuple(lengths.shape)}: one number for each of {n} clips is needed")
    bad = np.flatnonzero((lengths < 1) | (lengths > t))
    if len(bad):
        raise ValueError(f"clip {bad[0]} has {lengths[bad[0]]} frames of signal: a number between 1 and {t} is needed")
    return lengths


def moments_of(logmel: np.ndarray, frames: torch.Tensor) -> Moments:
    """Return the moments of log-mels (n, f, t), an array or a memory map, of which so many frames (n,) hold signal.

    Raises:
        ValueError: a clip that is not finite; the first is named.
    """
    total, squares, count = 0.0, 0.0, 0
    digest = hashlib.blake2b(frames.numpy(), digest_size=16)
    for start in range(0, len(logmel), BLOCK):
        x = np.ascontiguousarray(logmel[start : start + BLOCK], dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(x).all(axis=(1, 2)))
        if len(bad):
            raise ValueError(f"the log-mel of clip {start + bad[0]} is not finite (row of clips.csv)")
        digest.update(x)
        signal = np.arange(x.shape[2]) < frames[start : start + BLOCK, None].numpy()
        values = x.transpose(0, 2, 1)[signal].astype(np.float64)
        total, squares, count = total + values.sum(), squares + (values**2).sum(), count + values.size
    mean = float(total / count)
    # Clips of one constant value have no deviation.
    std = max(float(np.sqrt(max(squares / count - mean**2, 0.0))), 1e-6)
    return Moments(mean, std, digest.hexdigest())


def _on_device(logmel: np.ndarray, device: str) -> np.ndarray | torch.Tensor:
    if device == "cpu":
        return logmel
    free, _ = torch.cuda.mem_get_info(device)
    if logmel.size * 2 > SHARE * free:
        return logmel
    return torch.from_numpy(np.array(logmel, dtype=np.float16)).to(device)
