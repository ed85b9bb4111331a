"""One clusterer in one space: a cell of the baseline grid."""

import os
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from audioclust.parameters import Positive
from audioclust.points.checks import by_appearance
from audioclust.points.neighbours import Neighbours
from audioclust.points.subset import nearest_of_rest, subset
from audioclust.points.vote import voted

LEAST = 1000  # points of a part that is made smaller to save memory


@dataclass
class Baseline:
    """How the cells of the grid run."""

    # A cell that is estimated to need more is fitted to a part of the points, or becomes a row with the reason; auto:
    # 80 % of this machine's memory
    memory_gb: Positive | Literal["auto"] = "auto"
    workers: Annotated[int, Field(ge=-1)] = -1  # cells at a time; -1: one per core

    def here(self) -> "Baseline":
        """Return it with the memory of this machine in the place of auto, for other machines too."""
        return self if self.memory_gb != "auto" else replace(self, memory_gb=_memory() * 0.8 / 1e9)

    def fitted_to(self, model: Any, rows: np.ndarray, n: int, d: int) -> tuple[np.ndarray, str]:
        """Return to which of n points of d dimensions a clusterer is fitted, and why it does not run, "" where it does.

        All of them where its time grows in proportion to n, else those in ``rows`` (r,), or as many of these as fit.
        """
        limit = 1e9 * self.here().memory_gb
        rows = np.arange(n) if getattr(model, "linear", False) else rows
        least = n if getattr(model, "linear", False) else min(max(LEAST, getattr(model, "k", 0)), len(rows))
        size = len(rows)
        while size > least and model.memory(size, d) > limit:
            size = max(size // 2, least)
        needed = model.memory(size, d)
        if needed <= limit:
            return rows[subset(len(rows), size)], ""
        return rows, f"{size} points need about {_said(needed)}, the limit is {_said(limit)} (baseline.memory_gb)"


def cell(
    model: Any, x: np.ndarray, rows: np.ndarray, graph: Neighbours | None, nearest: np.ndarray | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the labels (n,) int32 of ``x`` (n, d), and what was found from the data.

    Args:
        model: a clusterer.
        x: points.
        rows: (r,) to which it is fitted, ascending; the others follow their neighbours among them.
        graph: of the points in ``rows``; None: it is computed where it is needed.
        nearest: (n - r, k) of the others, places in ``rows``; None: they are searched.
    """
    if len(rows) == len(x):
        model.fit(np.ascontiguousarray(x), neighbours=graph)
        return model.labels_.astype(np.int32), model.chosen_
    model.fit(np.ascontiguousarray(x[rows]), neighbours=graph)
    nearest = nearest_of_rest(x, rows)[2] if nearest is None else nearest
    return by_appearance(voted(model.labels_, rows, nearest)), model.chosen_ | {"fitted": len(rows)}


def _said(amount: float) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e8 else f"{amount / 1e6:.2g} MB"


def _memory() -> float:
    """Return this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
