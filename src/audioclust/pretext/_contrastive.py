"""Contrastive losses of several methods: one positive against negatives, at a temperature."""

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(q: Tensor, k: Tensor, queue: Tensor, t: float) -> Tensor:
    """InfoNCE of MoCo (He et al., CVPR 2020, arXiv 1911.05722): the mean over b of -log softmax of the positive.

    Args:
        q: queries (b, d), of length 1.
        k: the key of each (b, d), of length 1, without gradient.
        queue: keys of earlier batches (m, d), of length 1: the negatives.
        t: temperature.
    """
    positive = (_full(q) * _full(k)).sum(1, keepdim=True)  # (b, 1)
    logits = torch.cat([positive, _products(q, queue)], dim=1) / t  # (b, 1 + m)
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64, device=q.device))


def nt_xent(z1: Tensor, z2: Tensor, t: float) -> Tensor:
    """NT-Xent of SimCLR (Chen et al., ICML 2020, arXiv 2002.05709): the mean over 2b of -log softmax of the positive.

    The negatives of a row are all others of both views. Google's code gives twice this value.

    Args:
        z1: one view (b, d), of any length.
        z2: the other view (b, d) of the same clips.
        t: temperature.
    """
    b = len(z1)
    z = F.normalize(_full(torch.cat([z1, z2])), dim=1)
    logits = _products(z, z) / t  # (2b, 2b)
    logits = logits.fill_diagonal_(-torch.inf)  # a row is not its own negative
    return F.cross_entropy(logits, torch.arange(b, 3 * b, device=z.device) % (2 * b))


def _full(x: Tensor) -> Tensor:
    """Return half precision as float32; float64 stays."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _products(a: Tensor, b: Tensor) -> Tensor:
    """(n, d), (m, d) -> (n, m) outside autocast: divided by a temperature, bfloat16 has too few digits."""
    with torch.autocast(a.device.type, enabled=False):
        return _full(a) @ _full(b).T
