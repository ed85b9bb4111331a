"""One clusterer in one space: a cell of the baseline grid."""

import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from audioclust.parameters import Positive
from audioclust.points.neighbours import Neighbours


@dataclass
class Baseline:
    """How the cells of the grid run."""

    # A cell that is estimated to need more becomes a row with the reason; auto: 80 % of the machine's memory.
    memory_gb: Positive | Literal["auto"] = "auto"
    workers: Annotated[int, Field(ge=-1)] = -1  # cells at a time; -1: one per core

    def refusal(self, model: Any, n: int, d: int) -> str:
        """Return why a clusterer does not run on n points of d dimensions, "" where it does."""
        limit = _memory() * 0.8 if self.memory_gb == "auto" else self.memory_gb * 1e9
        needed = model.memory(n, d)
        if needed <= limit:
            return ""
        return f"needs about {needed / 1e9:.1f} GB, the limit is {limit / 1e9:.1f} GB (baseline.memory_gb)"


def cell(model: Any, x: np.ndarray, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the labels (n,) int32 of ``x`` (n, d) with its neighbour graph, and the parameters found from the data."""
    x = np.ascontiguousarray(x)
    model.fit(x, neighbours=Neighbours(x, distances, indices))
    return model.labels_.astype(np.int32), model.chosen_


def _memory() -> float:
    """Return this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
