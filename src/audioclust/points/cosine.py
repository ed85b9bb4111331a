"""Nearest neighbours by cosine similarity, as TEMI, SCAN and SPICE define them, on the device of the points.

All pairs are compared, on a GPU of any number of points, on a CPU of up to ``EXACT``. More points on a CPU are sorted
into cells by faiss, and each is compared with those in the nearest cells, of which there are so many that nearly all
neighbours are found.
"""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

EXACT = 200_000  # points on a CPU
ENTRIES = 1 << 27  # similarities at a time
TRIED, RECALL = 500, 0.95  # so many points must find that share of their neighbours
ROUNDING = 1e-6
SEED = 1234


@torch.no_grad()
def cosine_neighbours(x: Tensor, k: int, block: int = 4096) -> Tensor:
    """Return the k most similar other rows (n, k) int64 of each row of ``x`` (n, d), most similar first.

    Args:
        x: points, of any length.
        k: neighbours, not counting the point itself.
        block: rows compared with all others at a time, fewer of many points.

    Raises:
        ValueError: k is not below n.
    """
    if not 1 <= k < len(x):
        raise ValueError(f"k={k} neighbours of {len(x)} points: k must be at least 1 and below the number of points")
    x = F.normalize(x, dim=1)
    if x.device.type == "cpu" and len(x) > EXACT:
        return _in_cells(x, k)
    block = max(1, min(block, ENTRIES // len(x)))
    found = torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    for start in range(0, len(x), block):
        similarity = x[start : start + block] @ x.T
        # The block's own columns start at ``start``.
        similarity[:, start:].fill_diagonal_(-torch.inf)
        found[start : start + block] = similarity.topk(k).indices
    return found


def _in_cells(x: Tensor, k: int) -> Tensor:
    """Return the k most similar of the points (n, d) of length 1 in the cells nearest to each, and say how many."""
    import faiss  # which few trainings need

    points, tried = x.numpy(), np.random.default_rng(0).permutation(len(x))[:TRIED]
    similar = x[tried] @ x.T
    similar[torch.arange(len(tried)), tried] = -torch.inf
    least = similar.topk(k).values[:, -1:] - ROUNDING  # of a neighbour; copies are as good as each other
    cells = int(4 * len(x) ** 0.5)
    coarse = faiss.IndexFlatIP(x.shape[1])
    index = faiss.IndexIVFFlat(coarse, x.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = SEED
    index.train(points)
    index.add(points)
    index.nprobe, recall = 8, 0.0
    while recall < RECALL and index.nprobe < cells:
        index.nprobe = min(2 * index.nprobe, cells)
        found = torch.from_numpy(_others(index, points, tried, k))
        recall = float((similar.gather(1, found) >= least).float().mean())
    warnings.warn(
        f"the {k} neighbours of {len(x)} points are looked for in {index.nprobe} of {cells} cells: {recall:.3f} of "
        f"them are found, by a test on {len(tried)} points",
        stacklevel=3,
    )
    return torch.from_numpy(_others(index, points, np.arange(len(x)), k))


def _others(index: Any, points: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest (m, k) int64 of the points ``rows`` (m,), without themselves."""
    near = index.search(points[rows], k + 1)[1]
    itself = near == rows[:, None]
    itself[~itself.any(axis=1), -1] = True  # among many duplicates
    return near[~itself].reshape(len(rows), k)
