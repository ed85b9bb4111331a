"""k-means of the bins of many segments at once, on any device; every bin counts (1) or does not (0).

``points/kmeans.py`` clusters one set of points. Segments have different numbers of active bins, so that here the sets
have one length and each point a weight of 0 or 1. Restarts and sets share their matrix products, those of the means
too. Random numbers come from a generator on the CPU: a seed means the same on every device.

Shapes: sets of points x (g, n, k) of k dimensions with weights (g, n), r restarts, centres (g, r, s, k) of s sources.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

ENTRIES = {"cpu": 1 << 18, "cuda": 1 << 25}  # points' and products' entries per block: the CPU's stay in its cache
SETS = 32  # sets at a time, for memory
SAMPLE = 1 << 12  # points on which the restarts are compared where there are more
TOLERANCE = 1e-4  # scikit-learn's: squared movement of the centres, relative to the mean variance of a dimension


@torch.no_grad()
def centres(
    x: Tensor, weights: Tensor, sources: int, *, restarts: int = 10, iterations: int = 100, seed: int = 0
) -> Tensor:
    """Return the centres (g, s, k) of the best of ``restarts`` partitions of each set; computed in float32.

    Restarts begin at the centres of greedy k-means++ (Arthur and Vassilvitskii, 2007). In large sets they run on
    ``SAMPLE`` of the active points, drawn with replacement, and the best one converges on all of them. A centre without
    points keeps its place, as all do in a set without active points.

    Args:
        x: points (g, n, k), finite.
        weights: (g, n), 0 or 1.
        sources: clusters.
        restarts: run side by side.
        iterations: passes at most, one or more; fewer if the centres stand still.
        seed: of all draws.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = zip(x.split(SETS), weights.split(SETS), strict=True)
    return torch.cat([_fit(a.float(), w.float(), sources, restarts, iterations, generator) for a, w in parts])


def nearest(x: Tensor, centres: Tensor) -> Tensor:
    """Return the nearest of the centres (g, s, k) to each of the points x (g, n, k): (g, n) int64."""
    x, centres = x.float(), centres.float()[:, None]
    # On the CPU torch's max is ten times as fast as its argmax.
    return torch.cat([_scores(x[:, rows], centres)[:, 0].max(1).indices for rows in _blocks(x, centres)], 1)


def _fit(
    x: Tensor, weights: Tensor, sources: int, restarts: int, iterations: int, generator: torch.Generator
) -> Tensor:
    few, counted = x, weights
    if x.shape[1] > SAMPLE:
        drawn = _draw(weights, SAMPLE, generator)
        few, counted = _rows(x, drawn[:, None])[:, 0], weights.gather(1, drawn)
    still = TOLERANCE * _variance(few, counted)[:, None]
    found, gain = _converge(few, counted, plus_plus(few, counted, sources, restarts, generator), still, iterations)
    best = gain.argmax(1)
    found = found[torch.arange(len(x), device=x.device), best][:, None]
    if x.shape[1] > SAMPLE:
        found, _ = _converge(x, weights, found, still, iterations)
    return found[:, 0]


def _variance(x: Tensor, weights: Tensor) -> Tensor:
    """Return the mean variance of a dimension, (g,)."""
    amount = weights.sum(1).clamp_min(1)
    first, second = ((weights[:, None] @ power)[:, 0] / amount[:, None] for power in (x, x.square()))
    return (second - first.square()).mean(1).clamp_min(0)


def plus_plus(x: Tensor, weights: Tensor, sources: int, restarts: int, generator: torch.Generator) -> Tensor:
    """Return initial centres (g, r, s, k): each next one is the best of 2 + ln s points drawn by squared distance."""
    trials = 2 + int(math.log(sources))
    chosen = _draw(weights, restarts, generator)[:, :, None]  # (g, r, 1)
    distances = _distances(x, weights, chosen)[:, :, 0]  # (g, r, n)
    for _ in range(1, sources):
        drawn = _draw(distances, trials, generator)  # (g, r, trials)
        candidates = torch.minimum(_distances(x, weights, drawn), distances[:, :, None])
        best = candidates.sum(3, dtype=torch.float64).argmin(2, keepdim=True)  # (g, r, 1)
        distances = candidates.take_along_dim(best[..., None], 2)[:, :, 0]
        chosen = torch.cat([chosen, drawn.gather(2, best)], 2)
    return _rows(x, chosen)


def _draw(mass: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw ``count`` points (..., count) with probability proportional to ``mass`` (..., n)."""
    total = mass.double().cumsum(-1)
    drawn = torch.rand(*mass.shape[:-1], count, dtype=torch.float64, generator=generator).to(mass.device)
    return torch.searchsorted(total, drawn * total[..., -1:], right=True).clamp_max(mass.shape[-1] - 1)


def _rows(x: Tensor, chosen: Tensor) -> Tensor:
    """Return the points ``chosen`` (g, r, m) of each set, (g, r, m, k)."""
    return x[torch.arange(len(x), device=x.device)[:, None, None], chosen]


def _distances(x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
    """Return the squared distances (g, r, m, n) of all points to those ``chosen`` (g, r, m); 0 without weight."""
    to = _rows(x, chosen).flatten(1, 2)
    products = torch.bmm(to, x.transpose(1, 2)).mul_(-2)
    products += x.square().sum(2)[:, None] + to.square().sum(2)[:, :, None]
    return products.clamp_min_(0).mul_(weights[:, None]).unflatten(1, chosen.shape[1:])


def _converge(x: Tensor, weights: Tensor, centres: Tensor, still: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Move centres (g, r, s, k) until none moves more than ``still`` (g, 1), squared; return them and the last gain.

    The gain (g, r) is half of how much smaller the error of the centres before that move is than the error of a centre
    at the origin, which is the same for all restarts: the best one gains most.
    """
    for _ in range(iterations):
        moved, gain = _pass(x, weights, centres)
        shift = (moved - centres).square().sum((2, 3))
        centres = moved
        if (shift <= still).all():
            break
    return centres, gain


def _pass(x: Tensor, weights: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (g, r, s, k) of the points nearest to each centre, and the gain (g, r) of the old ones."""
    sums = torch.zeros_like(centres).flatten(1, 2)
    counts, gain = sums.new_zeros(sums.shape[:2]), sums.new_zeros(centres.shape[:2], dtype=torch.float64)
    each = torch.arange(centres.shape[2], device=x.device)[:, None]
    for rows in _blocks(x, centres):
        best, labels = _scores(x[:, rows], centres).max(2)  # (g, r, b)
        gain += (best * weights[:, None, rows]).sum(2)
        members = ((labels[:, :, None] == each) * weights[:, None, None, rows]).flatten(1, 2)  # (g, r s, b)
        sums.baddbmm_(members, x[:, rows])
        counts += members.sum(2)
    moved = sums / counts.clamp_min(1)[..., None]
    moved = torch.where(counts[..., None] > 0, moved, centres.flatten(1, 2))
    return moved.view_as(centres), gain


def _scores(x: Tensor, centres: Tensor) -> Tensor:
    """Return <x, c> - |c|^2 / 2, (g, r, s, n): the nearest centre has the largest, as |x - c|^2 = |x|^2 - 2 of it."""
    flat = centres.flatten(1, 2)
    half = 0.5 * flat.square().sum(2)[..., None]
    return torch.baddbmm(half, flat, x.transpose(1, 2), beta=-1).unflatten(1, centres.shape[1:3])


def _blocks(x: Tensor, centres: Tensor) -> Iterator[slice]:
    """Yield slices of points, one or more, that fit ``ENTRIES`` together with their products with all centres."""
    each = len(x) * (x.shape[2] + centres[0, ..., 0].numel())
    rows = max(64, ENTRIES["cpu" if x.device.type == "cpu" else "cuda"] // each)
    return (slice(start, start + rows) for start in range(0, max(x.shape[1], 1), rows))
