"""One clusterer in one space: a cell of the baseline grid."""

import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from audioclust.parameters import Positive
from audioclust.points.checks import by_appearance
from audioclust.points.neighbours import Neighbours
from audioclust.points.part import part
from audioclust.points.vote import voted

LEAST = 1000  # points of a part that is made smaller to save memory


@dataclass
class Baseline:
    """How the cells of the grid run."""

    # A cell that is estimated to need more is fitted to a part of the points, or becomes a row with the reason; auto:
    # 80 % of the machine's memory
    memory_gb: Positive | Literal["auto"] = "auto"
    workers: Annotated[int, Field(ge=-1)] = -1  # cells at a time; -1: one per core

    def fitted_to(self, model: Any, rows: np.ndarray, n: int, d: int) -> tuple[np.ndarray, str]:
        """Return to which of n points of d dimensions a clusterer is fitted, and why it does not run, "" where it does.

        All of them where its time grows in proportion to n, else those in ``rows`` (r,), fewer where they do not fit.
        """
        limit = _memory() * 0.8 if self.memory_gb == "auto" else self.memory_gb * 1e9
        if getattr(model, "linear", False):
            rows = np.arange(n)
            smallest = n
        else:
            smallest = min(max(LEAST, getattr(model, "k", 0)), len(rows))
        size = len(rows)
        while size // 2 >= smallest and model.memory(size, d) > limit:
            size //= 2
        needed = model.memory(size, d)
        if needed <= limit:
            return rows if size == len(rows) else rows[part(len(rows), size)], ""
        return rows, f"needs about {needed / 1e9:.1f} GB, the limit is {limit / 1e9:.1f} GB (baseline.memory_gb)"


def cell(model: Any, x: np.ndarray, rows: np.ndarray, graph: Neighbours | None) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the labels (n,) int32 of ``x`` (n, d), and what was found from the data.

    Args:
        model: a clusterer.
        x: points.
        rows: (r,) to which it is fitted, ascending; the others follow their neighbours among them.
        graph: of the points in ``rows``; None: it is computed where it is needed.
    """
    if len(rows) == len(x):
        model.fit(np.ascontiguousarray(x), neighbours=graph)
        return model.labels_.astype(np.int32), model.chosen_
    model.fit(np.ascontiguousarray(x[rows]), neighbours=graph)
    return by_appearance(voted(x, rows, model.labels_)), model.chosen_ | {"fitted": len(rows)}


def _memory() -> float:
    """Return this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
