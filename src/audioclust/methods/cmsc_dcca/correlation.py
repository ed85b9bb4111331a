"""How much two views of the same clips have in common: deep CCA (Andrew, Arora, Bilmes and Livescu, ICML 2013)."""

import torch
from torch import Tensor

RIDGE = 1e-3  # added to both covariances' diagonals, and to the squared correlations
FLOOR = 1e-9  # of a squared correlation


def correlation(one: Tensor, other: Tensor, count: int | None = None) -> Tensor:
    """Return the sum of the ``count`` largest canonical correlations of codes (n, z); None: of all of them.

    As Michaelvll/DeepCCA computes it, whose squared correlations are the eigenvalues of T'T with
    T = S11^(-1/2) S12 S22^(-1/2). Here T has Cholesky factors in the place of the roots: the singular values are the
    same, and their gradient needs no differences of eigenvalues, which may be equal.
    """
    n = len(one)
    one, other = one - one.mean(0), other - other.mean(0)
    factors = [torch.linalg.cholesky(_covariance(h, h, n) + RIDGE * _identity(h)) for h in (one, other)]
    t = torch.linalg.solve_triangular(factors[0], _covariance(one, other, n), upper=False)
    t = torch.linalg.solve_triangular(factors[1], t.mT, upper=False)
    return (torch.linalg.svdvals(t)[:count].square() + RIDGE).clamp_min(FLOOR).sqrt().sum()


def _covariance(one: Tensor, other: Tensor, n: int) -> Tensor:
    return one.mT @ other / (n - 1)


def _identity(h: Tensor) -> Tensor:
    return torch.eye(h.shape[1], dtype=h.dtype, device=h.device)
