"""A variational autoencoder of log-mels (Kingma and Welling, ICLR 2014, arXiv 1312.6114).

A view has a normal distribution of codes, whose mean is the embedding; a code drawn from it is decoded. The negative
evidence lower bound is minimised: the error of the reconstruction, a Gaussian's negative log-likelihood, and the
divergence of the codes' distribution from the standard normal one (``training.autoencoding``).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from audioclust.parameters import NonNegative
from audioclust.pretext._autoencoder import Autoencoder
from audioclust.training.autoencoding import Spread, divergence, drawn, reconstruction


@dataclass(repr=False, eq=False)
class VAE(Autoencoder):
    """Codes that fill a standard normal distribution and from which views can be reconstructed, see ``Autoencoder``."""

    beta: NonNegative = 1.0  # weight of the divergence; above 1: beta-VAE (Higgins et al., ICLR 2017)

    def _modules(self) -> dict[str, nn.Module]:
        self.spread_ = Spread(self.backbone_.backbone.d, self.d).to(self.device)
        return super()._modules() | {"spread": self.spread_}

    def _loss(self, view: Tensor) -> Tensor:
        h = self.backbone_.backbone(view)
        mean, log_variance = self.backbone_.linear(h).float(), self.spread_(h)
        made = self.decoder_(drawn(mean, log_variance)).float()
        loss = reconstruction(view, made, self.spread_.data) + self.beta * divergence(mean, log_variance)
        return loss / view[0].numel()
