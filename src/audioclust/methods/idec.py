"""IDEC (Guo, Gao, Liu and Yin, IJCAI 2017): DEC that keeps the decoder, so that codes still tell clips apart.

Its loss is that of reconstruction plus gamma times DEC's divergence; all else, and what differs from the official code,
is as in ``dec``. The official code (XifengGuo/IDEC) has Adam for MNIST, and means over all elements as here.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audioclust.methods.dec import Codes, divergence, soft_assignment
from audioclust.parameters import NonNegative, Positive


@dataclass(repr=False, eq=False)
class IDEC(Codes):
    """Cluster an embedding by IDEC; the defaults are MNIST's settings, see ``Codes``."""

    lr: Positive = 1e-3  # of Adam, of the clustering
    gamma: NonNegative = 0.1  # weight of the divergence

    def _optimiser(self, modules: nn.ModuleList) -> torch.optim.Optimizer:
        return torch.optim.Adam(modules.parameters(), self.lr, fused=True)

    def _loss(self, x: Tensor, p: Tensor, decoder: nn.Module) -> Tensor:
        codes = self.network_.encoder(x)
        log_q = soft_assignment(codes, self.network_.centres, self.network_.alpha)
        return idec_loss(x, decoder(codes), p, log_q, self.gamma)


def idec_loss(x: Tensor, reconstructed: Tensor, p: Tensor, log_q: Tensor, gamma: float = 0.1) -> Tensor:
    """Return the mean squared error of (b, d), of all elements, plus gamma KL(P || Q) of (b, k), Eq. 5."""
    return F.mse_loss(reconstructed, x) + gamma * divergence(p, log_q)
