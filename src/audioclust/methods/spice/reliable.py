"""Reliable labels: sure ones that a clip's neighbours share, as many of each cluster.

SPICE's local consistency (arXiv 2103.09382, section on reliable pseudo-labels; ``local_consistency`` of the code).
"""

import torch
from torch import Tensor

from audioclust.points.cosine import cosine_neighbours


def reliable(features: Tensor, probs: Tensor, neighbours: int, agreement: float, confidence: float) -> Tensor:
    """Return whether each clip (n,) has a sure label that its neighbours share.

    Args:
        features: (n, d); neighbours are found by cosine similarity.
        probs: (n, k).
        neighbours: per clip, the clip itself among them.
        agreement: smallest share of them with the label of the clip.
        confidence: the largest probability must be above it.
    """
    labels = probs.argmax(1)
    others = cosine_neighbours(features, neighbours - 1)  # (n, neighbours - 1)
    agreeing = 1 + (labels[others] == labels[:, None]).sum(1)
    return (agreeing >= agreement * neighbours - 1e-9) & (probs.amax(1) > confidence)


def balanced(labels: Tensor, k: int, quantile: float = 0.0) -> Tensor:
    """Return the positions of labels to keep, cluster after cluster, so that no cluster has more than a quantile.

    Args:
        labels: (r,) of reliable clips, in random order: the first of each cluster are kept.
        k: clusters.
        quantile: of the k sizes; 0: the smallest one, as in the official code: one empty cluster leaves nothing.
    """
    sizes = torch.bincount(labels, minlength=k)
    limit = int(torch.quantile(sizes.double(), quantile))
    order = labels.argsort(stable=True)
    rank = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes)[labels[order]]
    return order[rank < limit]
