"""BYOL-A with its published weights: d 512, 1024, 2048 (version 1, IJCNN 2021) and 3072 (version 2, TASLP 2023).

The weights are NTT's, for evaluation of the paper's method only, not to be redistributed: they are fetched from the
authors' repository when they are first needed.
"""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from audioclust.encoders import _weights as published
from audioclust.encoders._padding import Padding, embed_signal, sounding
from audioclust.networks.audiontt import build, embed
from audioclust.parameters import validate

BASE = "https://github.com/nttcslab/byol-a/raw/master/"
LICENCE = "NTT, evaluation only, no redistribution"
CHECKPOINTS = {
    512: published.Checkpoint(
        "AudioNTT2020-BYOLA-64x96d512.pth",
        BASE + "pretrained_weights/AudioNTT2020-BYOLA-64x96d512.pth",
        LICENCE,
        2_410_576,
        sha256="6cc64226318494f06ef41d7e5810be7d37abfd6490da45abdab48f188c5332e2",
        git_blob="314a35a543ddca60f175addfa6fbeecb56e1944a",
    ),
    1024: published.Checkpoint(
        "AudioNTT2020-BYOLA-64x96d1024.pth",
        BASE + "pretrained_weights/AudioNTT2020-BYOLA-64x96d1024.pth",
        LICENCE,
        6_610_000,
        git_blob="1c04492d54707e53f04fb664ec6bf3ec655d47f0",
    ),
    2048: published.Checkpoint(
        "AudioNTT2020-BYOLA-64x96d2048.pth",
        BASE + "pretrained_weights/AudioNTT2020-BYOLA-64x96d2048.pth",
        LICENCE,
        21_300_000,
        git_blob="dd93cab283451ad67baff974933aa122d4a8fa24",
    ),
    # The file name counts the MLP's width; the embedding has 3072 dimensions.
    3072: published.Checkpoint(
        "AudioNTT2022-BYOLA-64x96d2048.pth",
        BASE + "v2/AudioNTT2022-BYOLA-64x96d2048.pth",
        LICENCE,
        25_300_000,
        git_blob="7e081bb05e8e1e620a13fa21f36a9fa4a973b1c3",
    ),
}


@dataclass(eq=False)
class BYOLA:
    """Log-mels (b, 64, t) in nats to embeddings (b, d), non-negative, maximum plus mean over time."""

    d: Literal[512, 1024, 2048, 3072] = 2048  # dimensions; 3072 is version 2, the others version 1
    weights: str | None = None  # a checkpoint file; None: the published one
    padding: Padding = "ignore"  # ignore: embed the signal alone; pool: its padding too, and so its length
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = 16000
    input = "logmel"
    training = "pretrained without labels"
    licence = LICENCE

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.d

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or of another network.
        """
        validate(self)
        file = published.find(CHECKPOINTS[self.d], "byol_a", self.weights)
        with torch.device("meta"):
            network = build(self.d)
        published.load(network, _own(published.read(file)), file)
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


def _own(state: dict) -> dict:
    """Return a bare checkpoint as it is, and of a BYOL wrapper's the network's part under the network's own names."""
    prefixes = [key[: key.index(part)] for key in state for part in ("features.", "fc.") if part in key]
    if not any(prefixes):
        return state
    return {key.removeprefix(prefixes[0]): value for key, value in state.items() if _inside(key, prefixes[0])}


def _inside(key: str, prefix: str) -> bool:
    return key.startswith((prefix + "features.", prefix + "fc."))
