"""Recordings to prepare, and what is made of them."""

import hashlib

import numpy as np
import pandas as pd
import soundfile

from audioclust.runs.prepare import decode

OUTPUTS = ("audio.npy", "clips.csv", "digests.npy", "durations.npy", "format.json", "info.json", "rejected.csv")


def write(root, name: str, seconds: float = 0.5, rate: int = 16000, channels: int = 1, seed: int = 0) -> None:
    """Write noise; ``name`` may have folders."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(root / name, x, rate)


def table(*paths: str, **columns) -> pd.DataFrame:
    return pd.DataFrame({"path": list(paths), "group": "g"} | (columns or {"label": "a"}))


def outputs(folder) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in OUTPUTS]


def counted(monkeypatch) -> list[str]:
    """Return a list that grows by the path of each section decoded from now on."""
    inner, decoded = decode.decoded, []
    monkeypatch.setattr(decode, "decoded", lambda part, *rest: decoded.append(part.path) or inner(part, *rest))
    return decoded
