"""A denoising autoencoder of log-mels (Vincent et al., ICML 2008; JMLR 2010): views are repaired, not only copied.

A part of the points of a view is set to the data's mean before it is encoded; the view as it was is reconstructed.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from audioclust.parameters import Probability
from audioclust.pretext._autoencoder import Autoencoder
from audioclust.training.autoencoding import masked


@dataclass(repr=False, eq=False)
class DAE(Autoencoder):
    """Codes from which whole views can be reconstructed although points were missing, see ``Autoencoder``."""

    corruption: Probability = 0.3  # share of a view's points that are set to the mean

    def _loss(self, view: Tensor) -> Tensor:
        return F.mse_loss(self.decoder_(self.backbone_(masked(view, self.corruption))).float(), view)
