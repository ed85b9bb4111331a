"""BYOL-A's network with random weights: the control that shows what training adds."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from audioclust.encoders._padding import Padding, embed_signal, sounding
from audioclust.networks.audiontt import build, embed
from audioclust.parameters import validate


@dataclass(eq=False)
class BYOLARandom:
    """As ``byol_a``, initialised as PyTorch does by default, in evaluation mode."""

    d: Literal[512, 1024, 2048, 3072] = 512  # dimensions, as in ``byol_a``
    padding: Padding = "ignore"  # ignore: embed the signal alone; pool: its padding too, and so its length
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # seeds the weights

    sample_rate = 16000
    input = "logmel"
    training = "untrained"

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.d

    def prepare(self) -> None:
        """Build the network under its own seed; the global generator is left as it was."""
        validate(self)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            network = build(self.d)
        # On the CPU pooling is many times faster with the channels last.
        self.network_ = network.eval().to(self.device, memory_format=torch.channels_last)

    def normalise_with(self, mean: float, std: float) -> None:
        """Set the two scalars of the data set's log-mels that inputs are standardised with."""
        self.mean_, self.std_ = mean, std

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, d) float32 of log-mels (b, 64, t).

        ``signal`` (b,) is how many of the t frames hold signal, None: see ``sounding``. Signal too short for the
        network's poolings (8 frames in version 1, 4 in version 2) keeps as much of its padding.
        """
        network = partial(embed, self.network_, mean=self.mean_, std=self.std_)
        signal = sounding(x) if signal is None else signal
        return embed_signal(network, x, signal, self.padding, self.network_.shortest)
