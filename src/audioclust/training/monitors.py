"""Label-free measures of an embedding during training: they show a collapse, which the loss does not.

Alignment and uniformity are Wang and Isola's (ICML 2020, arXiv 2005.10242); the rank is Roy and Vetterli's (2007).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def monitors(z1: Tensor, z2: Tensor, h: Tensor) -> dict[str, Tensor]:
    """Return measures of a batch, all on the unit sphere.

    Args:
        z1, z2: (b, p) projections of two views of the same clips.
        h: (m, d) embeddings of some of the views, the vectors that are clustered later.

    Returns:
        alignment: mean squared distance of the two views, 0 where they coincide.
        uniformity: log mean exp(-2 squared distance) of all pairs, 0 where all clips coincide, about -4 at best.
        spread: mean deviation of a dimension of h, times the root of d: 0 at collapse, 1 where clips spread.
        rank: effective rank of h, the exponential of the entropy of the singular values, 1 at collapse.

        All are NaN if one of the inputs is not finite.
    """
    a, b, h = (F.normalize(x.detach().float(), dim=1) for x in (z1, z2, h))
    if not all(x.isfinite().all() for x in (a, b, h)):
        return dict.fromkeys(("alignment", "uniformity", "spread", "rank"), a.new_tensor(torch.nan))
    squared = torch.pdist(a).square()
    values = torch.linalg.svdvals(h - h.mean(0))
    # The vectors have length 1: singular values of a smaller sum are rounding, which has a rank of its own.
    share = values / values.sum().clamp_min(1e-2)
    return {
        "alignment": (a - b).square().sum(1).mean(),
        "uniformity": (-2 * squared).exp().mean().log(),
        "spread": h.std(0, correction=0).mean() * h.shape[1] ** 0.5,
        "rank": torch.special.entr(share).sum().exp(),
    }


def progress(probs: Tensor, before: dict[str, Tensor], head: int) -> dict[str, Tensor]:
    """Return label-free measures of clustering heads, each in [0, 1], and store the labels in ``before``.

    Args:
        probs: (h, n, k).
        before: what an earlier call stored, {} at first; changed in place.
        head: whose confidence and entropy are measured.

    Returns:
        confidence: mean of the largest probability.
        entropy: of the mean assignment, 1 where clusters are of equal size.
        changed: share of clips whose label changed, the mean over all heads.
    """
    labels = probs.argmax(2)
    changed = (labels != before["labels"]).double().mean() if before else torch.ones(())
    before["labels"] = labels
    mean = probs[head].mean(0)
    entropy = -(mean * mean.clamp_min(1e-12).log()).sum() / math.log(probs.shape[2])
    return {"confidence": probs[head].amax(1).mean(), "entropy": entropy, "changed": changed}
