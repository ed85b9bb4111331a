"""From the embeddings of a mixture's bins to clusters, and from these to masks that separate its sources.

Hershey, Chen, Le Roux and Watanabe (2016), https://arxiv.org/abs/1508.04306: k-means on the active bins of the whole
file (``global_labels``), or of each segment with the permutation that is best for the sources (``oracle_labels``), on
the embeddings or on their spectral form (``spectral``). Soft masks are those of nussl. The number of sources is that of
the call, not of the training.

Shapes: embeddings v (t, f, k), unit rows; active (t, f) bool; labels (t, f) int64, -1 where no source is named; masks
(s, t, f); spectra complex; t frames, f bins, k dimensions, s sources.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from audioclust.separation import clusters

RESTARTS = 10
FEWEST = 0.1  # of the mean degree: what a bin has at least, so that bins without neighbours do not make up clusters
RANK = 1e-6  # of the largest eigenvalue: what a singular vector must have


def centres(points: Tensor, sources: int, *, restarts: int = RESTARTS, seed: int = 0) -> Tensor:
    """Return the centres (s, k) of ``sources`` clusters of the ``points`` (n, k), embeddings of active bins.

    Raises:
        ValueError: no source, fewer points than sources, or an embedding that is not finite.
    """
    if sources < 1:
        raise ValueError(f"sources = {sources}: must be at least 1")
    _enough(len(points), sources)
    weights = torch.ones(1, len(points), device=points.device)
    return clusters.centres(finite(points)[None], weights, sources, restarts=restarts, seed=seed)[0]


def finite(points: Tensor) -> Tensor:
    """Return the ``points`` (n, k), embeddings of bins, or raise ValueError if one is not finite."""
    if not points.sum().isfinite():
        bad = int((~points.isfinite().all(1)).sum())
        raise ValueError(f"the embeddings of {bad} of {len(points)} bins are not finite: the model is broken")
    return points


def _enough(bins: int, sources: int) -> None:
    if bins < sources:
        raise ValueError(
            f"{sources} sources need as many active bins, the mixture has {bins}: ask for fewer sources, or give a "
            "recording that is longer or not silent"
        )


def nearest(v: Tensor, active: Tensor, centres: Tensor) -> Tensor:
    """Return labels (t, f): the nearest of the ``centres`` (s, k) of each active bin, else -1."""
    return _labelled(v[active], active, centres)


def global_labels(v: Tensor, active: Tensor, sources: int, *, restarts: int = RESTARTS, seed: int = 0) -> Tensor:
    """Return labels (t, f) of one k-means over the whole file; its errors are those of ``centres``."""
    points = v[active]
    return _labelled(points, active, centres(points, sources, restarts=restarts, seed=seed))


def _labelled(points: Tensor, active: Tensor, centres: Tensor) -> Tensor:
    labels = torch.full(active.shape, -1, device=active.device)
    labels[active] = clusters.nearest(points[None], centres[None])[0]
    return labels


def oracle_labels(
    v: Tensor,
    active: Tensor,
    spectra: Tensor,
    mixture: Tensor,
    *,
    frames: int = 100,
    restarts: int = RESTARTS,
    seed: int = 0,
) -> Tensor:
    """Return labels (t, f) of a k-means per segment; label i is source i, as in ``spectra``.

    In each segment the clusters get the permutation with the least squared error between masked mixture and sources.
    A segment with fewer active bins than sources has as many clusters as it can; an error is raised only where all of
    the file has too few.

    Args:
        v: embeddings (t, f, k).
        active: (t, f).
        spectra: of the sources, complex (s, t, f).
        mixture: spectrum, complex (t, f).
        frames: of a segment; the last one may be shorter.
        restarts: of each k-means.
        seed: of all draws.

    Raises:
        ValueError: fewer active bins than sources, or an embedding that is not finite.
    """
    sources = len(spectra)
    _enough(int(active.sum()), sources)
    finite(v.flatten(0, 1))
    x, weights = segments(v, frames), segments(active, frames).float()  # (g, n, k), (g, n)
    found = clusters.nearest(x, clusters.centres(x, weights, sources, restarts=restarts, seed=seed))
    members = F.one_hot(found, sources).double() * weights[..., None]  # (g, n, s)
    # |m X - S|^2 of a bin is |X - S|^2 inside of the mask and |S|^2 outside: inside it costs |X|^2 - 2 Re(X* S) more.
    inner = mixture.real * spectra.real + mixture.imag * spectra.imag
    more = mixture.abs().square() - 2 * inner  # (s, t, f)
    costs = members.transpose(1, 2) @ segments(more.movedim(0, 2), frames).double()  # (g, cluster, source)
    source = torch.tensor([linear_sum_assignment(cost)[1].tolist() for cost in costs.cpu().numpy()]).to(v.device)
    labels = source.gather(1, found).view(-1, v.shape[1])[: len(v)]
    return labels.masked_fill(~active, -1)


def segments(x: Tensor, frames: int) -> Tensor:
    """Cut x (t, f, ...) into segments (g, frames * f, ...); the last one is filled with zeros."""
    missing = -len(x) % frames
    padded = torch.cat([x, x.new_zeros(missing, *x.shape[1:])]) if missing else x
    return padded.unflatten(0, (-1, frames)).flatten(1, 2)


def spectral(v: Tensor, active: Tensor, m: int, *, frames: int | None = None) -> Tensor:
    """Return the spectral form (t, f, m) of the embeddings, unit rows, for k-means as they are.

    Its rows are those of the m leading left singular vectors of D^(-1/2) V, D = diag(V V' 1) (Hershey et al. 2016),
    scaled to length 1. D is computed as V (V' 1), and the vectors from the k x k matrix V' D^(-1) V. Degrees below
    ``FEWEST`` of the mean, also negative ones, count as that.

    Args:
        v: embeddings (t, f, k).
        active: (t, f); the other bins have no part in the vectors.
        m: vectors, usually as many as sources.
        frames: of a segment that has vectors of its own; None: the whole file is one.

    Raises:
        ValueError: m outside 1 to k, the dimensions of the embeddings, or an embedding that is not finite.
    """
    if not 1 <= m <= v.shape[2]:
        raise ValueError(f"m = {m} singular vectors: must be 1 to {v.shape[2]}, the dimensions of the embeddings")
    finite(v.flatten(0, 1))
    x, weights = segments(v.float(), frames or len(v)), segments(active, frames or len(v)).float()
    total = torch.einsum("gnk,gn->gk", x, weights)  # V' 1
    degrees = torch.einsum("gnk,gk->gn", x, total)
    mean = total.square().sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp_min(1)  # 1' V V' 1 / n
    scale = weights / torch.maximum(degrees, FEWEST * mean).clamp_min(1e-12)
    values, vectors = torch.linalg.eigh(((x * scale[..., None]).transpose(1, 2) @ x).double())
    values, vectors = values[:, -m:], vectors[..., -m:]  # ascending
    there = values > RANK * values[:, -1:]
    # U = D^(-1/2) V W S^(-1); the first factor goes when a row is scaled to length 1.
    rows = x @ (vectors * torch.where(there, values.clamp_min(1e-30).rsqrt(), 0)[:, None]).float()
    return F.normalize(rows, dim=2).view(-1, v.shape[1], m)[: len(v)]


def above(magnitude: Tensor, percentile: float) -> Tensor:
    """Return which bins (t, f) have at least that ``percentile`` (0 to 100) of the magnitudes (t, f), as in nussl.

    The rank is rounded up, which chooses the same bins as a percentile between two of them.
    """
    rank = torch.tensor(percentile / 100, dtype=torch.float64).mul(magnitude.numel() - 1).ceil()
    return magnitude >= magnitude.flatten().kthvalue(int(rank) + 1).values


def soft_masks(v: Tensor, centres: Tensor, beta: float = 5.0) -> Tensor:
    """Return soft masks (s, t, f) of all bins, silent ones too: exp(-beta |v - c|) + 1e-8, of sum 1 over the sources.

    Those of nussl's ``ClusteringSeparationBase``; there ``centres`` (s, k) are those of the loudest bins, ``above``.
    """
    distances = torch.cdist(v, centres, compute_mode="donot_use_mm_for_euclid_dist")  # (t, f, s)
    shares = torch.exp(-beta * distances) + 1e-8
    return (shares / shares.sum(2, keepdim=True)).movedim(2, 0)


def from_labels(labels: Tensor, sources: int, inactive: Literal["all", "none"] = "all") -> Tensor:
    """Return masks (s, t, f) bool; bins labelled -1 belong to all of them, as in asteroid, or to none.

    In all masks, the estimates add up to more than the mixture, in bins that are 40 dB below its loudest.
    """
    masks = labels == torch.arange(sources, device=labels.device)[:, None, None]
    return masks | (labels < 0) if inactive == "all" else masks


def apply(masks: Tensor, mixture: Tensor) -> Tensor:
    """Return the spectra of the estimates (s, t, f): masks (s, t, f) times the mixture (t, f), with its phase."""
    return masks * mixture


def ideal_binary(magnitudes: Tensor) -> Tensor:
    """Return the ideal binary masks (s, t, f) bool of sources of these magnitudes (s, t, f).

    A bin in which two sources are equally loud, or all silent, belongs to none, as in nussl. In asteroid it belongs to
    the first.
    """
    loudest = magnitudes == magnitudes.amax(0)
    return loudest & (loudest.sum(0) == 1)


def ideal_ratio(magnitudes: Tensor) -> Tensor:
    """Return the ideal ratio masks (s, t, f): the share of each source in the sum of magnitudes, 0 where all are 0."""
    return magnitudes / (magnitudes.sum(0) + 1e-8)
