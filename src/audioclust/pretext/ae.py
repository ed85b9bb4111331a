"""An autoencoder of log-mels (Hinton and Salakhutdinov, Science 2006; convolutional: Masci et al., ICANN 2011).

Views are squeezed through a short code and reconstructed from it; the loss is the mean squared error.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from audioclust.pretext._autoencoder import Autoencoder


@dataclass(repr=False, eq=False)
class AE(Autoencoder):
    """Codes from which views can be reconstructed, see ``Autoencoder``."""

    def _loss(self, view: Tensor) -> Tensor:
        return F.mse_loss(self.decoder_(self.backbone_(view)).float(), view)
