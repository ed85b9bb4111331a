"""Scaling of embeddings before reduction, and of points before distances are taken."""

from typing import Literal, NamedTuple

import numpy as np

Scale = Literal["none", "standardise", "l2", "standardise_l2"]
ROUNDING = 1e-6  # how far rounding moves a point, relative to its length: 16 roundings of float32


def scale(x: np.ndarray, how: Scale) -> np.ndarray:
    """Return ``x`` (n, d) as float32: untouched, each dimension to zero mean and unit variance, or rows of length 1.

    "standardise_l2" is the one, then the other. Dimensions without variance (dead ReLUs) and rows of zeros stay zero.
    """
    return Scaling.of(x, how)(x)


class Scaling(NamedTuple):
    """What ``scale`` does to points, kept so that later ones are scaled alike."""

    how: Scale
    mean: np.ndarray  # (d,) float64
    deviation: np.ndarray  # (d,) float64, 0 of dimensions without variance

    @classmethod
    def of(cls, x: np.ndarray, how: Scale) -> "Scaling":
        """Return the scaling of ``x`` (n, d)."""
        x = np.asarray(x, dtype=np.float32)
        mean = x.mean(axis=0, dtype=np.float64)
        deviation = (x - mean).std(axis=0)
        # What is left of a constant after float32 rounding is no variance.
        alive = deviation > 1e-6 * np.abs(x).max(axis=0)
        return cls(how, mean, np.where(alive, deviation, 0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return points (m, d) scaled, float32."""
        x = self._standardised(x)
        if self.how.endswith("l2"):
            length = np.linalg.norm(x, axis=1, keepdims=True)
            return x / np.where(length > 0, length, 1)
        return x

    def lengths(self, x: np.ndarray) -> np.ndarray:
        """Return how long points (m, d) are before "l2" makes their length 1, (m,)."""
        return np.linalg.norm(self._standardised(x), axis=1)

    def _standardised(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, dtype=np.float32)
        if not self.how.startswith("standardise"):
            return x
        alive = self.deviation > 0
        return np.where(alive, (x - self.mean) / np.where(alive, self.deviation, 1), 0).astype(np.float32)


class Centred(NamedTuple):
    """Points about their mean, in a unit in which squared distances neither overflow nor vanish."""

    x: np.ndarray  # (n, d) float64, entries in (-1, 1)
    origin: np.ndarray  # (d,) the mean that was subtracted
    unit: float  # that the differences were divided by: a power of two, which leaves their digits as they are
    rounding: np.ndarray  # (n,) how far float32 may have moved each point, in that unit


def centred(x: np.ndarray) -> Centred:
    """Centre the points ``x`` (n, d).

    What is float32 was rounded where it stands; other numbers are taken to have been rounded after centring.
    """
    origin = x.mean(axis=0, dtype=np.float64)
    moved = x - origin
    unit = power_of_two(moved)
    moved /= unit
    length = np.sqrt(np.einsum("ij,ij->i", moved, moved))
    if x.dtype == np.float32:
        length = np.maximum(length, np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64)) / unit)
    return Centred(moved, origin, unit, ROUNDING * length)


def power_of_two(x: np.ndarray) -> float:
    """Return the smallest power of two above all entries of ``x``; 1 where all are zero."""
    return float(2.0 ** np.frexp(max(x.max(), -x.min()))[1])
