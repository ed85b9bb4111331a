"""The folder of one encoder's embedding: its array, and what is to be said of it, or why there is none."""

import json
from pathlib import Path

import numpy as np

from audioclust.results import files

EMBEDDING = "embedding.npy"  # (n, d) float32, or (s, n, d), one per seed
ABOUT = "about.json"
TRAINED_HERE = "trained here"  # of an embedding of which nothing is said


def views_file(folder: Path, kind: str) -> Path:
    """Return the file of "weak" or "strong" views, (views, n, d) float32, that methods draw from; it may be absent."""
    return folder / f"{kind}.npy"


def about(out: Path, origin: str, skipped: str = "") -> None:
    """Write where an encoder's weights come from, and why it is skipped: then the embedding has no rows."""
    files.write_text(out / ABOUT, json.dumps({"origin": origin, "skipped": skipped}, indent=1) + "\n")
    if skipped:
        files.write_array(out / EMBEDDING, np.zeros((0, 0), np.float32))


def origin(folder: Path) -> str:
    """Return where the weights of an encoder come from."""
    return _read(folder).get("origin", TRAINED_HERE)


def skipped(folder: Path) -> str:
    """Return why there is no embedding, "" where there is one."""
    return _read(folder).get("skipped", "")


def _read(folder: Path) -> dict[str, str]:
    path = folder / ABOUT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
