"""How many sources a mixture has, from the embeddings of its bins.

A model that is trained well puts each source's bins in one heap, so that a number of clusters is right as long as there
is a valley between each two of them: one source cut in two has none. It is looked for along the line through the two
centres, as tests of unimodality do that decide on a split (G-means, Hamerly and Elkan 2003), but without an assumption
on the shape of a heap. Bins that lie between two sources fill the valley only in part. One half of the bins is
clustered and the other half judged: in many dimensions even noise has valleys between the clusters found in it.
"""

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from audioclust.separation import clusters
from audioclust.separation.masks import finite

SAMPLE = 6000  # bins that are looked at
RESTARTS, PASSES = 4, 20  # of k-means
SHARE, LEAST = 0.02, 25  # of the bins judged, and bins: what a cluster must have
CELLS = 16  # of the histogram on each side of the middle
VALLEY = 0.5  # how deep it must be, of the lower peak


def count_sources(v: Tensor, active: Tensor, most: int = 5, seed: int = 0) -> tuple[int, float]:
    """Return the number of sources, 1 to ``most``, and how sure it is, 0 to 1.

    The number is the largest whose clusters all have valleys of ``VALLEY`` between them. The confidence is the smaller
    of two margins: by how much these valleys are deeper, and by how much those of every larger number are not deep
    enough. With ``most`` the second one is unknown. A file with too few bins for two clusters gives (1, 0.0).

    Args:
        v: embeddings (t, f, k).
        active: (t, f); ``SAMPLE`` of these bins are looked at.
        most: sources.
        seed: of the sample and of k-means.

    Raises:
        ValueError: no active bin, ``most`` below 1, or an embedding that is not finite.
    """
    if most < 1:
        raise ValueError(f"most = {most} sources: must be at least 1")
    points = v[active]
    if not len(points):
        raise ValueError("no bin is active: the recording is silent, and silence has no sources to count")
    if len(points) < 4 * LEAST:
        return 1, 0.0
    drawn = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:SAMPLE]
    points = points[drawn.to(points.device)]
    fitted, judged = finite(points).tensor_split(2)
    depths = [1.0, *(separation(fitted, judged, number, seed) for number in range(2, most + 1))]
    number = max(i for i, depth in enumerate(depths, 1) if depth >= VALLEY)
    margins = (depths[number - 1] - VALLEY) / (1 - VALLEY), (VALLEY - max(depths[number:], default=0.0)) / VALLEY
    return number, min(margins)


def separation(fitted: Tensor, judged: Tensor, number: int, seed: int) -> float:
    """Return the depth of the shallowest valley between two of ``number`` clusters, 0 to 1.

    They are found in the points ``fitted`` (n, k), and valleys looked for in those ``judged`` (m, k). The depth is 0 if
    a cluster is too small to be a source.
    """
    least = max(LEAST, SHARE * len(judged))
    if len(judged) < number * least:
        return 0.0
    weights = torch.ones(1, len(fitted), device=fitted.device)
    found = clusters.centres(fitted[None], weights, number, restarts=RESTARTS, iterations=PASSES, seed=seed)
    labels = clusters.nearest(judged[None], found)[0]
    if torch.bincount(labels, minlength=number).min() < least:
        return 0.0
    pairs = combinations(range(number), 2)
    return min(valley(judged[(labels == a) | (labels == b)], found[0, a], found[0, b]) for a, b in pairs)


def valley(points: Tensor, one: Tensor, other: Tensor) -> float:
    """Return how deep the density of the points (n, k) falls between the centres (k,), as a share of the lower peak."""
    line = other - one
    along = (points - (one + other) / 2) @ line / line.square().sum()  # the centres are at -0.5 and 0.5
    density = torch.histc(along, 2 * CELLS, -1, 1)
    padded = F.pad(density, (1, 1))
    density = (padded[:-2] + 2 * density + padded[2:]) / 4
    left, right = int(density[:CELLS].argmax()), CELLS + int(density[CELLS:].argmax())
    return float(1 - density[left : right + 1].min() / torch.minimum(density[left], density[right]).clamp_min(1e-9))
