"""Separation by non-negative matrix factorisation with bases learned per speaker, the baseline "oracle NMF".

Magnitude spectra V (t, f) are approximated by activations H (t, c) times bases W (c, f) of length 1. Multiplicative
updates lower D(V | H W) + sparsity * sum(H), D the generalised Kullback-Leibler divergence: those of Lee and Seung
(2001), and for bases of length 1 those of sparse NMF (Le Roux, Weninger and Hershey, "Sparse NMF - half-baked or well
done?", 2015). Without sparsity, more bases than bins describe any speaker as well as the right one. As in Hershey et
al. (2016) bases are learned from a speaker's clean training speech; of a mixture the speakers, and with them the bases,
are known.

Shapes: t frames, f bins, c bases, s sources; ``bases`` takes leading dimensions too, one speaker each.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps  # scikit-learn's
SPARSITY = 1.0


@torch.no_grad()
def bases(
    magnitudes: Tensor, count: int = 256, *, iterations: int = 100, sparsity: float = SPARSITY, seed: int = 0
) -> Tensor:
    """Return the bases (c, f) of one speaker, each of length 1, from magnitudes (t, f) of clean speech.

    Raises:
        ValueError: no frame, ``count`` below 1, or a magnitude that is negative or not finite.
    """
    if count < 1:
        raise ValueError(f"count = {count} bases: must be at least 1")
    _check(magnitudes)
    *sets, frames, bins = magnitudes.shape
    generator = torch.Generator().manual_seed(seed)
    h, w = (
        torch.randn(*sets, *size, generator=generator).abs().to(magnitudes) for size in ((frames, count), (count, bins))
    )
    w = _normal(w)
    # The model begins as loud as the speech.
    h *= magnitudes.sum((-2, -1), keepdim=True) / (h @ w).sum((-2, -1), keepdim=True)
    for _ in range(iterations):
        h = activate(magnitudes, h, w, sparsity)
        w = learn(magnitudes, h, w)
    return w


def activate(magnitudes: Tensor, activations: Tensor, bases: Tensor, sparsity: float = 0.0) -> Tensor:
    """Return the activations (t, c) after one update, which never raises the objective."""
    ratio = magnitudes / (activations @ bases).clamp_min(EPS)
    total = bases.sum(-1)[..., None, :] + sparsity
    return activations * (ratio @ bases.mT) / torch.where(total > 0, total, EPS)


def learn(magnitudes: Tensor, activations: Tensor, bases: Tensor) -> Tensor:
    """Return the bases (c, f) of length 1 after one update (Le Roux et al. 2015): it lowers the objective in practice.

    The gradient is that of the objective in which bases are divided by their lengths, parted in the terms that raise a
    basis and those that lower it.
    """
    up = activations.mT @ (magnitudes / (activations @ bases).clamp_min(EPS))  # (c, f)
    down = activations.sum(-2)[..., None]  # (c, 1): the same for all bins
    up, down = up + bases * (bases * down).sum(-1, keepdim=True), down + bases * (bases * up).sum(-1, keepdim=True)
    return _normal(bases * up / down.clamp_min(EPS))


@torch.no_grad()
def separate(
    mixture: Tensor, sources: Sequence[Tensor], *, iterations: int = 100, sparsity: float = SPARSITY
) -> Tensor:
    """Return the masks (s, t, f) of a mixture's magnitudes (t, f), given each source's bases (c, f).

    The activations of all bases together are estimated; they begin equal, as with fixed bases the objective is convex.
    A mask is the source's share in the model, as of a Wiener filter; where the model is 0, sources share equally.

    Raises:
        ValueError: no source, bases of other bins than the mixture's, or a magnitude that is negative or not finite.
    """
    _check(mixture)
    bins = mixture.shape[-1]
    wrong = [tuple(each.shape) for each in sources if each.ndim != 2 or each.shape[1] != bins]
    if not sources or wrong:
        raise ValueError(
            f"bases (c, {bins}) of one source or more are needed for a mixture of {bins} bins: got {wrong or 'none'}"
        )
    w = torch.cat(list(sources))
    h = (mixture.sum(1, keepdim=True) / w.sum().clamp_min(EPS)).expand(-1, len(w))
    for _ in range(iterations):
        h = activate(mixture, h, w, sparsity)
    counts = [len(each) for each in sources]
    parts = torch.stack([a @ b for a, b in zip(h.split(counts, 1), sources, strict=True)])  # (s, t, f)
    total = parts.sum(0)
    return torch.where(total > 0, parts / total.clamp_min(torch.finfo(parts.dtype).tiny), 1 / len(parts))


def _normal(bases: Tensor) -> Tensor:
    return bases / torch.linalg.vector_norm(bases, dim=-1, keepdim=True).clamp_min(EPS)


def _check(magnitudes: Tensor) -> None:
    if magnitudes.ndim < 2 or not magnitudes.numel():
        raise ValueError(f"magnitudes must be (t, f) with one frame or more: got {tuple(magnitudes.shape)}")
    if not (magnitudes >= 0).all() or not magnitudes.isfinite().all():
        raise ValueError("magnitudes must be finite and not negative: take the absolute value of a spectrum")
