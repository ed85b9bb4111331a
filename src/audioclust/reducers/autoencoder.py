"""Autoencoders of embeddings: the stacked one of DEC, a denoising and a variational one (``training.autoencoding``)."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from audioclust.devices import seeded
from audioclust.networks.stacked import Stacked
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, Natural, Positive, Probability, validate
from audioclust.threads import one_thread
from audioclust.training.autoencoding import fit_denoising, fit_stacked, fit_variational
from audioclust.training.schedules import batch_size, passes

BATCH, LAYER_STEPS, STEPS = 256, 200, 500
HIDDEN = [256, 128]


@dataclass(eq=False)
class Autoencoder:
    """The codes of a network that reconstructs standardised embeddings from them."""

    # stacked: layer by layer, then the whole, as DEC's; denoising: the whole, of inputs in part set to 0; variational
    kind: Literal["stacked", "denoising", "variational"] = "stacked"
    dim: Count = 10  # dimensions of a code
    hidden: Annotated[list[Count], Field(min_length=1)] | None = None  # layers before the code; null: 256, 128
    corruption: Probability = 0.2  # share of a layer's (stacked), or of all, inputs that are set to 0 in training
    layer_epochs: Natural | None = None  # of stacked: passes for each layer; null: as many as give 200 steps
    epochs: Count | None = None  # passes for the whole; null: as many as give 500 steps
    lr: Positive = 1e-3  # of Adam
    _: KW_ONLY
    random_state: int = 0  # seeds everything

    stochastic = True
    linear = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return the codes (n, dim) float32 of ``X`` (n, d); of the variational one, the codes' means."""
        validate(self)
        x = torch.tensor(np.asarray(X, np.float32))
        if np.ptp(X, axis=0).max() == 0:
            return np.zeros((len(x), self.dim), np.float32)  # all points are one
        x = Standardise(x.shape[1]).fit(x)(x)
        batch = min(batch_size(len(x), BATCH), len(x))
        whole = {"batch": batch, "lr": self.lr}
        count = self.epochs or passes(len(x), batch, 1, STEPS)
        with one_thread(), seeded(self.random_state, "cpu"):
            network = Stacked([x.shape[1], *(self.hidden or HIDDEN), self.dim])
            if self.kind == "stacked":
                layers = passes(len(x), batch, 1, LAYER_STEPS) if self.layer_epochs is None else self.layer_epochs
                fit_stacked(network, x, layer_epochs=layers, whole_epochs=count, corruption=self.corruption, **whole)
            elif self.kind == "denoising":
                fit_denoising(network, x, count=count, corruption=self.corruption, **whole)
            else:
                fit_variational(network, x, count=count, **whole)
            with torch.no_grad():
                return network.encoder(x).numpy()
