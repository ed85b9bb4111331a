"""Statistics of each band over time: the honest floor under every learned encoder."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from audioclust.encoders._padding import Padding, embed_signal, sounding
from audioclust.parameters import validate

STATISTICS = {"mean": np.mean, "std": np.std, "max": np.max}

Statistics = tuple[Literal["mean", "std", "max"], ...]


@dataclass(eq=False)
class LogmelStats:
    """Log-mels (b, mels, frames) to the chosen statistics of each band, (b, statistics * mels)."""

    statistics: Annotated[Statistics, Field(min_length=1)] = ("mean", "std", "max")  # per band, in this order
    padding: Padding = "ignore"  # ignore: embed the signal alone; pool: its padding too, and so its length
    _: KW_ONLY
    device: str = "cpu"  # without effect
    random_state: int = 0  # without effect

    sample_rate = 16000
    input = "logmel"
    training = "no weights"
    dim = None  # statistics x bands: the log-mels decide
    uses_torch = normalises = False

    def prepare(self) -> None:
        """Check the parameters; there are no weights."""
        validate(self)

    def normalise_with(self, mean: float, std: float) -> None:
        """One scale for all bands changes no clustering: the values stay in nats."""

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, statistics * mels) float32 of log-mels (b, mels, t).

        ``signal`` (b,) is how many of the t frames hold signal, None: see ``sounding``.
        """
        signal = sounding(x) if signal is None else signal
        return embed_signal(self._statistics, x, signal, self.padding)

    def _statistics(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([STATISTICS[name](x, axis=2) for name in self.statistics], axis=1, dtype=np.float32)
