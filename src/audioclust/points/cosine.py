"""Nearest neighbours by cosine similarity, as TEMI, SCAN and SPICE define them, on the device of the points."""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def cosine_neighbours(x: Tensor, k: int, block: int = 4096) -> Tensor:
    """Return the k most similar other rows (n, k) int64 of each row of ``x`` (n, d), most similar first.

    Args:
        x: points, of any length.
        k: neighbours, not counting the point itself.
        block: rows compared with all others at a time; their similarities (block, n) take the memory.

    Raises:
        ValueError: k is not below n.
    """
    if not 1 <= k < len(x):
        raise ValueError(f"k={k} neighbours of {len(x)} points: k must be at least 1 and below the number of points")
    x = F.normalize(x, dim=1)
    found = torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    for start in range(0, len(x), block):
        similarity = x[start : start + block] @ x.T
        # The block's own columns start at ``start``.
        similarity[:, start:].fill_diagonal_(-torch.inf)
        found[start : start + block] = similarity.topk(k).indices
    return found
