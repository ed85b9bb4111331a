"""Statistics of each band over time: the honest floor under every learned encoder."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

STATISTICS = {"mean": np.mean, "std": np.std, "max": np.max}


class LogmelStats:
    """Log-mels (b, mels, frames) to the chosen statistics of each band, (b, statistics * mels).

    Args:
        statistics: which, in this order.
    """

    sample_rate = 16000
    input = "logmel"
    dim = None  # statistics x bands: the log-mels decide
    uses_torch = False

    def __init__(
        self,
        statistics: Annotated[list[Literal["mean", "std", "max"]], Field(min_length=1)] = ["mean", "std", "max"],  # noqa: B006
        *,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.statistics = statistics
        self.device, self.random_state = device, random_state

    def prepare(self) -> None:
        """There are no weights."""

    def normalise_with(self, mean: float, std: float) -> None:
        """One scale for all bands changes no clustering: the values stay in nats."""

    def __call__(self, x: np.ndarray, durations: np.ndarray | None = None) -> np.ndarray:
        """Return (b, statistics * mels) float32 of log-mels (b, mels, frames)."""
        return np.concatenate([STATISTICS[name](x, axis=2) for name in self.statistics], axis=1, dtype=np.float32)
