"""Label-free measures of an embedding while it is trained: whether it collapses shows in them, not in the loss.

Alignment and uniformity are Wang and Isola's (ICML 2020, arXiv 2005.10242); the rank is Roy and Vetterli's (2007).
"""

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def monitors(z1: Tensor, z2: Tensor, h: Tensor) -> dict[str, Tensor]:
    """Return what a batch says, z1 and z2 (b, p) being projections of two views of the same clips.

    The embedding h (b, d) is what is clustered later; each is looked at on the unit sphere.

    alignment: mean squared distance of the two views, 0 where they coincide.
    uniformity: log mean exp(-2 squared distance) of all pairs, 0 where all clips coincide, about -4 where they spread.
    spread: mean deviation of a dimension of h, times the root of d: 0 at collapse, 1 where clips spread.
    rank: effective rank of h, the exponential of the entropy of the singular values, 1 at collapse.

    All are NaN where one of the inputs is not finite.
    """
    a, b, h = (F.normalize(x.detach().float(), dim=1) for x in (z1, z2, h))
    if not all(x.isfinite().all() for x in (a, b, h)):
        return dict.fromkeys(("alignment", "uniformity", "spread", "rank"), a.new_tensor(torch.nan))
    squared = torch.pdist(a).square()
    values = torch.linalg.svdvals(h - h.mean(0))
    # The vectors have length 1: what sums up to less is rounding, which has a rank of its own.
    share = values / values.sum().clamp_min(1e-2)
    return {
        "alignment": (a - b).square().sum(1).mean(),
        "uniformity": (-2 * squared).exp().mean().log(),
        "spread": h.std(0, correction=0).mean() * h.shape[1] ** 0.5,
        "rank": torch.special.entr(share).sum().exp(),
    }
