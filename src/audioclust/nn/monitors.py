"""Label-free measures of an embedding while it is trained: whether it collapses shows in them, not in the loss.

Alignment and uniformity are Wang and Isola's (ICML 2020, arXiv 2005.10242); the rank is Roy and Vetterli's (2007).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def monitors(z1: Tensor, z2: Tensor) -> dict[str, Tensor]:
    """Return what a batch says of an embedding, z1 and z2 (b, d) being two views of the same clips.

    alignment: mean squared distance of the two views on the unit sphere, 0 where they coincide.
    uniformity: log mean exp(-2 squared distance) of all pairs, 0 where all clips coincide, about -4 where they spread.
    spread: mean deviation of a dimension on the unit sphere, times the root of d: 0 at collapse, 1 where they spread.
    rank: effective rank, the exponential of the entropy of the singular values, 1 at collapse.
    """
    a, b = F.normalize(z1.float(), dim=1), F.normalize(z2.float(), dim=1)
    squared = torch.pdist(a).square()
    values = torch.linalg.svdvals(a - a.mean(0))
    # The vectors have length 1: what sums up to less is rounding, which has a rank of its own.
    share = values / values.sum().clamp_min(1e-2)
    return {
        "alignment": (a - b).square().sum(1).mean(),
        "uniformity": (-2 * squared).exp().mean().log(),
        "spread": a.std(0, correction=0).mean() * a.shape[1] ** 0.5,
        "rank": torch.special.entr(share).sum().exp(),
    }
