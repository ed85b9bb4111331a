"""Reliable labels: sure ones that a clip's neighbours share, as many of each cluster.

SPICE's local consistency (arXiv 2103.09382, section on reliable pseudo-labels; ``local_consistency`` of the code).
Unlike there, a cluster with few of them can be filled up (``filled``), and the limit of ``balanced`` can be another
quantile than the smallest size.
"""

import torch
from torch import Tensor

from audioclust.points.cosine import cosine_neighbours


def agreeing(features: Tensor, labels: Tensor, neighbours: int) -> Tensor:
    """Return how many of each clip's neighbours have its label (n,), at least 1.

    Args:
        features: (n, d); neighbours are found by cosine similarity.
        labels: (n,).
        neighbours: per clip, the clip itself among them.
    """
    others = cosine_neighbours(features, neighbours - 1)  # (n, neighbours - 1)
    return 1 + (labels[others] == labels[:, None]).sum(1)


def reliable(features: Tensor, probs: Tensor, neighbours: int, agreement: float, confidence: float) -> Tensor:
    """Return whether each clip (n,) has a sure label that its neighbours share.

    Args:
        features: (n, d).
        probs: (n, k).
        neighbours: see ``agreeing``.
        agreement: smallest share of them with the label of the clip.
        confidence: the largest probability must be above it.
    """
    shared = agreeing(features, probs.argmax(1), neighbours) >= agreement * neighbours - 1e-9
    return shared & (probs.amax(1) > confidence)


def filled(found: Tensor, features: Tensor, probs: Tensor, neighbours: int, least: int) -> Tensor:
    """Return the reliable clips and, of each cluster with fewer than ``least`` of them, its next best clips (n,) bool.

    A clip is better if more neighbours share its label and, of those with as many, if its probability is larger. A
    cluster that has fewer clips than ``least`` gives all of them.

    Args:
        found: (n,) bool of the reliable clips.
        features, probs, neighbours: as in ``reliable``.
        least: clips per cluster.
    """
    labels = probs.argmax(1)
    order = probs.amax(1).argsort(descending=True, stable=True)
    for key in (agreeing(features, labels, neighbours), found.int()):  # the last sort weighs most
        order = order[key[order].argsort(descending=True, stable=True)]
    return found.index_fill(0, _firsts(labels, order, least), True)


def balanced(labels: Tensor, k: int, quantile: float = 0.0, least: int = 0) -> Tensor:
    """Return the positions of labels to keep, cluster after cluster, so that no cluster has more than a quantile.

    Args:
        labels: (r,) of reliable clips, in random order: the first of each cluster are kept.
        k: clusters.
        quantile: of the k sizes; 0: the smallest one, as in the official code: one empty cluster leaves nothing.
        least: no cluster is cut below it.
    """
    sizes = torch.bincount(labels, minlength=k)
    limit = max(int(torch.quantile(sizes.double(), quantile)), least)
    return _firsts(labels, torch.arange(len(labels), device=labels.device), limit)


def _firsts(labels: Tensor, order: Tensor, count: int) -> Tensor:
    """Return the first ``count`` positions of each cluster in ``order``, cluster after cluster."""
    order = order[labels[order].argsort(stable=True)]
    sizes = torch.bincount(labels)
    rank = torch.arange(len(labels), device=labels.device) - (sizes.cumsum(0) - sizes)[labels[order]]
    return order[rank < count]
