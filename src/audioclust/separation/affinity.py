"""Objectives that compare the embeddings of time-frequency bins with the sources that the bins belong to.

Deep clustering (Hershey et al. 2016, arXiv 1508.04306) wants the affinities VV' of the embeddings to be those of the
sources, YY'; Wang, Le Roux and Hershey 2018 ("Alternative objective functions for deep clustering") take the k-means
objectives. b mixtures, n bins, k dimensions, s sources; W is diagonal, with the weight of each bin.

All of them need V'WV (b, k, k), Y'WV (b, s, k) and Y'WY (b, s, s) alone, which ``Products`` computes with a gradient of
its own; the rest is arithmetic on these small matrices, in float64: it subtracts numbers of some 1e9 whose difference
matters.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Weighting = Literal["plain", "class", "active", "magnitude"]
Objective = Literal["affinity", "whitened", "kmeans"]

ROWS = 1024  # bins summed in float32, whose sums are added up in float64
TINY = torch.finfo(torch.float32).tiny
CACHED = 1 << 14  # bins at a time on the CPU, about as many embeddings as its cache holds


def affinity(v: Tensor, targets: Tensor, weights: Tensor, sources: int) -> Tensor:
    """Return || W^(1/2) (VV' - YY') W^(1/2) ||^2 (b,), equation 1 of Hershey et al. 2016 in the low-rank form.

    Args:
        v: embeddings (b, n, k), the only argument with a gradient. Computed in float32 at least.
        targets: int64 (b, n), the source of each bin; -1: none, its row of Y is zero.
        weights: (b, n), not negative: W_ij = w_i w_j.
        sources: how many there are, those that no bin belongs to included.

    Raises:
        ValueError: shapes that do not agree.
    """
    vv, yv, yy = _products(v, targets, weights, sources)
    loss = vv.square().sum((1, 2)) - 2 * yv.square().sum((1, 2)) + yy.square().sum(1)
    return loss.to(_precision(v))


def kmeans(v: Tensor, targets: Tensor, weights: Tensor, sources: int) -> Tensor:
    """Return || W^(1/2) (V - Y (Y'WY)^-1 Y'WV) ||^2 (b,): squared distances to the mean of each bin's source.

    The k-means objective of Wang et al. 2018. Embeddings that are all alike minimise it as well, so that it serves
    beside another one or to go on from one; ``whitened`` has no such minimum. A bin of no source adds the square of its
    length. Arguments and errors as of ``affinity``.
    """
    vv, yv, yy = _products(v, targets, weights, sources)
    within = yv.square().sum(2) / yy.clamp_min(TINY)  # 0 for a source without a bin
    return (_trace(vv) - within.sum(1)).to(_precision(v))


def whitened(v: Tensor, targets: Tensor, weights: Tensor, sources: int) -> Tensor:
    """Return K + S - 2 tr((V'WV + I)^-1 V'WY (Y'WY + I)^-1 Y'WV) (b,), the whitened k-means objective.

    Equation 6 of Wang et al. 2018 as nussl's ``WhitenedKMeansLoss`` has it: the squared distance of the projections on
    the columns of V and of Y, V(V'V)^-1 V' and Y(Y'Y)^-1 Y', with I added to both inverses. Arguments and errors as of
    ``affinity``.
    """
    vv, yv, yy = _products(v, targets, weights, sources)
    k = vv.shape[1]
    # V'WV + I is never singular; solve_ex does not wait for the device to say so.
    solved, _ = torch.linalg.solve_ex(vv + torch.eye(k, dtype=vv.dtype, device=vv.device), yv.mT)
    shared = (solved.mT * yv).sum(2) / (yy + 1)
    return (k + sources - 2 * shared.sum(1)).to(_precision(v))


OBJECTIVES: dict[Objective, Callable[[Tensor, Tensor, Tensor, int], Tensor]] = {
    "affinity": affinity,
    "whitened": whitened,
    "kmeans": kmeans,
}


def weigh(kind: Weighting, targets: Tensor, magnitude: Tensor, active: Tensor, sources: int) -> tuple[Tensor, Tensor]:
    """Return the weights (b, n) of the bins, and what ``affinity`` is divided by (b,), at least 1.

    - plain: 1 for an active bin; divided by 1. The first implementations.
    - class: d^-1/2 for an active bin, d the number of active bins of its source, 0 for one of no source; divided by 1.
      The weights of Hershey et al. 2016.
    - active: 1 for an active bin; divided by the number of active bins. asteroid.
    - magnitude: n X / (sum of X), silent bins included; divided by the square of their sum, n^2. nussl, equation 7 of
      Wang et al. 2018.

    Args:
        targets: int64 (b, n), the source of each bin, or -1.
        magnitude: X (b, n), of the mixture.
        active: bool (b, n), the bins that are not silent.
        sources: how many there are.

    Raises:
        ValueError: another kind.
    """
    ones, one = active.float(), torch.ones(len(active), device=active.device)
    if kind == "plain":
        return ones, one
    if kind == "active":
        return ones, ones.sum(1).clamp_min(1)
    if kind == "class":
        of = _one_hot(targets, sources) * ones[:, None]  # (b, s, n)
        return (of * of.sum(2, keepdim=True).clamp_min(1).rsqrt()).sum(1), one
    if kind == "magnitude":
        n, magnitude = magnitude.shape[1], magnitude.to(_precision(magnitude))
        total = magnitude.sum(1, keepdim=True).clamp_min(TINY)
        return magnitude / total * n, one * n**2
    raise ValueError(f"weighting {kind!r}: choose one of active, class, magnitude, plain")


class Products(torch.autograd.Function):
    """V'WV (b, k, k), Y'WV (b, s, k) and the diagonal of Y'WY (b, s), float64; Y'WY is diagonal."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y: Y', (b, s, n) of the type of v."""
        ctx.save_for_backward(v, y, weights)
        b, _, k = v.shape
        root = weights.sqrt()[:, None]
        y = y * root
        vv, yv = (torch.zeros(b, rows, k, dtype=torch.float64, device=v.device) for rows in (k, y.shape[1]))
        space = _space(v)
        with torch.autocast(v.device.type, enabled=False):
            for i, j in _blocks(v):
                one, other = _sums(v[i, j], root[i, :, j].mT, y[i, :, j], space)
                vv[i] += one
                yv[i] += other
        return vv, yv, y.square().sum(2, dtype=torch.float64)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_vv: Tensor, to_yv: Tensor, to_yy: Tensor) -> tuple[Tensor | None, ...]:
        """Return W V (A + A') + W Y B, for A the gradient of V'WV and B that of Y'WV.

        For ``affinity``, where A = 2 V'WV and B = -4 Y'WV, that is dC/dV = 4 W V (V'WV) - 4 W Y (Y'WV).
        """
        v, y, weights = ctx.saved_tensors
        gradient, space = torch.empty_like(v), _space(v)
        a, b = (to_vv + to_vv.mT).to(v.dtype), to_yv.to(v.dtype)
        with torch.autocast(v.device.type, enabled=False):
            for i, j in _blocks(v):
                part = v[i, j]
                product = torch.bmm(part, a[i], out=space[: len(part), : part.shape[1]])
                product.baddbmm_(y[i, :, j].mT, b[i])
                torch.mul(product, weights[i, j, None], out=gradient[i, j])
        return gradient, None, None


def _products(v: Tensor, targets: Tensor, weights: Tensor, sources: int) -> tuple[Tensor, Tensor, Tensor]:
    if not v.shape[:-1] == targets.shape == weights.shape or v.ndim != 3:
        shapes = ", ".join(str(tuple(each.shape)) for each in (v, targets, weights))
        raise ValueError(f"embeddings must be (b, n, k), targets and weights (b, n) of the same b and n, not {shapes}")
    precision = _precision(v)
    return Products.apply(v.to(precision), _one_hot(targets, sources).to(precision), weights.to(precision))


def _precision(v: Tensor) -> torch.dtype:
    return torch.promote_types(v.dtype, torch.float32)


def _blocks(v: Tensor) -> list[tuple[slice, slice]]:
    """Return the mixtures and bins to compute at a time: what stays in the CPU's cache from one operation to the next.

    On a GPU that is everything.
    """
    b, n, _ = v.shape
    mixtures, bins = b, n
    if v.device.type == "cpu":
        bins = min(n, CACHED)
        mixtures = min(b, max(CACHED // _whole_rows(bins), 1))
    return [(slice(i, i + mixtures), slice(j, j + bins)) for i in range(0, b, mixtures) for j in range(0, n, bins)]


def _space(v: Tensor) -> Tensor:
    """Return memory for one of the blocks, in whole ``ROWS``, that all of them use in turn."""
    i, j = _blocks(v)[0]
    return v.new_empty(i.stop, _whole_rows(j.stop), v.shape[2])


def _whole_rows(n: int) -> int:
    return -(-n // ROWS) * ROWS


def _sums(v: Tensor, root: Tensor, y: Tensor, space: Tensor) -> tuple[Tensor, Tensor]:
    """Return V'WV and Y'WV of a block, of ``ROWS`` bins at a time and then added up.

    Args:
        v: (b, n, k).
        root: W^(1/2), (b, n, 1).
        y: Y'W^(1/2), (b, s, n).
    """
    b, n, _ = v.shape
    scaled = space[:b, : _whole_rows(n)]
    torch.mul(v, root, out=scaled[:, :n])
    scaled[:, n:] = 0
    y = torch.nn.functional.pad(y, (0, scaled.shape[1] - n))
    scaled, y = scaled.unflatten(1, (-1, ROWS)), y.unflatten(2, (-1, ROWS)).transpose(1, 2)
    return (scaled.mT @ scaled).sum(1, dtype=torch.float64), (y @ scaled).sum(1, dtype=torch.float64)


def _one_hot(targets: Tensor, sources: int) -> Tensor:
    """Return bool (b, s, n) of targets (b, n); a target that is none of the sources has no row that is true."""
    return targets[:, None] == torch.arange(sources, device=targets.device)[:, None]


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
