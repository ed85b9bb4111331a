"""The file of cluster labels that every clustering stage writes and ``evaluate`` reads.

One ``.npz``: ``labels`` (cells, n) int32, -1 for noise, and ``cells``, a JSON list with one entry a row:
encoder, reducer, clusterer, seed, ``chosen`` (parameters found from the data) and ``reason`` (why a cell did not
run; its row is then all -1).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from audioclust.results import archive


def save(path: Path, cells: list[dict[str, Any]], labels: np.ndarray) -> None:
    """Write ``labels`` (cells, n) and what each row is, atomically.

    Raises:
        ValueError: the number of rows and of cells differ.
    """
    if len(cells) != len(labels):
        raise ValueError(f"{path}: {len(labels)} rows of labels for {len(cells)} cells; there must be one row a cell")
    archive.save(path, labels=labels.astype(np.int32), cells=np.array(json.dumps(cells, sort_keys=True)))


def load(path: Path) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Return the cells and their labels (cells, n).

    Raises:
        FileNotFoundError: no such file; the message names the command that writes it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `dvc repro` writes it")
    with np.load(path) as file:
        return json.loads(str(file["cells"])), file["labels"]
