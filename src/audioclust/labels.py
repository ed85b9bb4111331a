"""The file of cluster labels that every clustering stage writes and ``evaluate`` reads.

One ``.npz``: ``labels`` (cells, n) int32, -1 for noise, and ``cells``, a JSON list with one entry a row:
encoder, reducer, clusterer, seed, ``chosen`` (parameters found from the data) and ``reason`` (why a cell did not
run; its row is then all -1). numpy writes archives without dates, so equal labels give equal bytes.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np


def save(path: Path, cells: list[dict[str, Any]], labels: np.ndarray) -> None:
    """Write ``labels`` (cells, n) and what each row is, atomically.

    Raises:
        ValueError: the number of rows and of cells differ.
    """
    if len(cells) != len(labels):
        raise ValueError(f"{path}: {len(labels)} rows of labels for {len(cells)} cells; there must be one row a cell")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, labels=labels.astype(np.int32), cells=np.array(json.dumps(cells, sort_keys=True)))
    os.replace(part, path)


def load(path: Path) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the cells and their labels (cells, n).

    Raises:
        FileNotFoundError: no such file; the message names the command that writes it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `dvc repro` writes it")
    with np.load(path) as archive:
        return json.loads(str(archive["cells"])), archive["labels"]
