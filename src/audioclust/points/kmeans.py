"""k-means (Lloyd, 1982) on any device, all restarts at once, with DeepCluster's repair of empty clusters.

The initial centres are those of greedy k-means++ (Arthur and Vassilvitskii, 2007). Each pass is one matrix product of
a block of points with the centres of all restarts. Random numbers come from torch's default generator of the points'
device.

Shapes: points x (n, d), r restarts, centres (r, k, d), labels (r, n).
"""

import math
from typing import NamedTuple

import torch

ENTRIES = 1 << 22  # distances per block: 16 MB, enough to fill a GPU, little enough for a CPU


class Partition(NamedTuple):
    """Labels (n,) int64 of the nearest of the centres (k, d), and the sum of squared distances to them."""

    labels: torch.Tensor
    centres: torch.Tensor
    inertia: float


@torch.no_grad()
def kmeans(x: torch.Tensor, k: int, *, restarts: int = 1, iterations: int = 20) -> Partition:
    """Return the best of ``restarts`` partitions of ``x`` (n, d) in k clusters; computed in float32.

    A cluster stays empty only if no other one has two different points.

    Args:
        x: points.
        k: clusters.
        restarts: run side by side.
        iterations: passes at most; fewer if no point changes its cluster any more.

    Raises:
        ValueError: k < 1, k > n, or a point that is not finite (the first such row is named).
    """
    if not 1 <= k <= len(x):
        raise ValueError(f"n_samples={len(x)} should be >= k={k} >= 1: lower k or give more clips")
    bad = (~x.isfinite().all(1)).nonzero()
    if len(bad):
        raise ValueError(f"row {int(bad[0])} of the points is not finite ({len(bad)} such rows)")
    # Distances come from products, which lose precision far from the origin.
    mean = x.double().mean(0).float()
    x = x.float() - mean
    centres = plus_plus(x, k, restarts)
    previous = torch.full((restarts, len(x)), -1, device=x.device)
    for _ in range(iterations):
        labels = assign(x, centres)
        refill(x, labels, centres)
        if torch.equal(labels, previous):
            break
        centres, previous = means(x, labels, centres), labels
    labels = assign(x, centres)
    errors = torch.stack([_error(x, centres[r], labels[r]) for r in range(restarts)])
    best = int(errors.argmin())
    return Partition(labels[best], centres[best] + mean, float(errors[best]))


def plus_plus(x: torch.Tensor, k: int, restarts: int) -> torch.Tensor:
    """Return initial centres (r, k, d): each next one is the best of 2 + ln k points drawn by squared distance."""
    n, trials, each = len(x), 2 + int(math.log(k)), torch.arange(restarts, device=x.device)
    squares = x.square().sum(1)
    chosen = torch.randint(n, (restarts, 1), device=x.device)
    nearest = _distances(x, squares, chosen)[:, 0]  # (r, n)
    for _ in range(1, k):
        # A point is not drawn twice, although rounding may leave it a distance to itself.
        nearest.scatter_(1, chosen, 0.0)
        mass = nearest.double().cumsum(1)
        targets = torch.rand(restarts, trials, dtype=torch.float64, device=x.device) * mass[:, -1:]
        drawn = torch.searchsorted(mass, targets, right=True).clamp_max(n - 1)  # (r, trials)
        candidates = torch.minimum(_distances(x, squares, drawn), nearest[:, None])  # (r, trials, n)
        best = candidates.sum(2, dtype=torch.float64).argmin(1)
        nearest = candidates[each, best]
        chosen = torch.cat([chosen, drawn[each, best][:, None]], 1)
    return x[chosen]


def _distances(x: torch.Tensor, squares: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the squared distances (r, m, n) of all points to the points ``rows`` (r, m)."""
    flat = rows.flatten()
    products = torch.addmm(squares[None] + squares[flat, None], x[flat], x.T, alpha=-2)
    return products.clamp_min_(0).view(*rows.shape, len(x))


def assign(x: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return the nearest centre of every point in every restart, (r, n)."""
    restarts, k, d = centres.shape
    flat = centres.reshape(-1, d)
    half = 0.5 * flat.square().sum(1)
    blocks = x.split(max(1, ENTRIES // len(flat)))
    # |x - c|^2 / 2 without |x|^2 / 2, which is the same for all centres.
    return torch.cat([torch.addmm(half, b, flat.T, alpha=-1).view(-1, restarts, k).argmin(2) for b in blocks]).T


def means(x: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return the mean of each cluster (r, k, d); an empty one keeps its centre."""
    k = centres.shape[1]
    totals = torch.stack([sums(x, each, k) for each in labels])
    counts = sizes(labels, k)[:, :, None]
    return torch.where(counts > 0, totals / counts.clamp_min(1), centres)


def sums(x: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    """Return the sum of the points (n, d) of each of k clusters (k, d), labels (n,); the same in every run."""
    if x.device.type == "cpu":
        return x.new_zeros(k, x.shape[1]).index_add_(0, labels, x)
    return sums_by_products(x, labels, k)


def sums_by_products(x: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    """Return ``sums`` by matrix products, whose order of additions is fixed: ``index_add_`` on a GPU has any order."""
    total = x.new_zeros(k, x.shape[1])
    rows = max(1, ENTRIES // k)
    for block, at in zip(x.split(rows), labels.split(rows), strict=True):
        total += torch.nn.functional.one_hot(at, k).to(x.dtype).T @ block
    return total


def sizes(labels: torch.Tensor, k: int) -> torch.Tensor:
    """Return how many points each cluster has, (r, k)."""
    counts = torch.zeros(len(labels), k, dtype=torch.int64, device=labels.device)
    return counts.scatter_add_(1, labels, torch.ones_like(labels))


def refill(x: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor) -> None:
    """Give each empty cluster a part of another one; changes ``labels`` in place.

    As DeepCluster does it: the empty cluster takes the centre of a random one plus noise, and the points of that one
    go to the nearer of the two. As the noise is small, these are the two sides of a random plane through the centre.
    As in faiss, a cluster is chosen with probability proportional to its size - 1: one point cannot be shared.
    """
    counts = sizes(labels, centres.shape[1])
    for r, empty in (counts == 0).nonzero().tolist():
        spare = (counts[r] - 1).clamp_min(0).float()
        if not spare.any():
            continue  # as many clusters with one point as there are points
        donor = torch.multinomial(spare, 1)
        members = (labels[r] == donor).nonzero()[:, 0]
        points = x[members] - x[members].mean(0)
        away = members[points @ torch.randn_like(points[0]) > 0]
        labels[r, away] = empty
        counts[r, empty] = len(away)
        counts[r, donor] -= len(away)


def _error(x: torch.Tensor, centres: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the sum of squared distances, from differences: products are too imprecise."""
    rows = 1 + ENTRIES // x.shape[1]
    blocks = zip(x.split(rows), labels.split(rows), strict=True)
    return sum((b - centres[at]).square().sum(dtype=torch.float64) for b, at in blocks)
