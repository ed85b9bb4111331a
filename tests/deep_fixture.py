"""Shared by the tests of deep methods: golden arrays, sounds that are easy to tell apart, and runs that are killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audioclust.training.loop import Epoch, Run, epochs

FRONT_END = {"sample_rate": 16000, "n_fft": 1024, "hop": 160, "n_mels": 16, "f_min": 60.0, "f_max": 7800.0,
             "mel_scale": "slaney", "clip_seconds": 0.24}  # fmt: skip


def golden(file: str, case: str) -> dict[str, torch.Tensor]:
    """Return the arrays of one official function, kept in ``tests/golden``, as tensors."""
    with np.load(Path(__file__).parent / "golden" / file) as kept:
        arrays = {key.partition("/")[2]: kept[key] for key in kept if key.startswith(f"{case}/")}
    # Indices are kept as int16.
    return {key: torch.from_numpy(a.astype(np.int64) if a.dtype == np.int16 else a) for key, a in arrays.items()}


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def sounds(n: int = 60, k: int = 3, bands: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return log-mels (n, bands, 24) of ``k`` kinds, each loud in its own bands, and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % k
    x = rng.normal(-8, 0.7, (n, bands, 24))
    for c in range(k):
        x[kinds == c, c * bands // k : (c + 1) * bands // k] += 8
    return x.astype(np.float32), kinds


def counted(train, seed, run, lr, kill):
    """Train a number by adding ``lr`` four times; stop in the epoch ``kill``."""
    model = {"x": torch.zeros(())}
    for epoch in epochs(4, {"model": model}, run):
        if epoch.number == kill:
            return run
        model["x"] += lr
    return run


def killed_until_it_ends(fit: Callable[[Run], Any], folder: Path, monkeypatch: Any) -> tuple[Any, Run, int]:
    """Fit, killed at the end of every third epoch, before its checkpoint, and resumed until it ends.

    Returns what ``fit`` returns, its run, and how often an epoch ended.
    """
    means, calls = Epoch.means, []

    def killed(epoch):
        calls.append(None)
        if len(calls) % 3 == 2:
            raise KeyboardInterrupt
        return means(epoch)

    monkeypatch.setattr(Epoch, "means", killed)
    for _ in range(30):
        try:
            run = Run(folder, "key", every=0)
            return fit(run), run, len(calls)
        except KeyboardInterrupt:
            pass
    raise AssertionError("it does not end")
