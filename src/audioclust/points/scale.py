"""Scaling of embeddings before reduction."""

from typing import Literal

import numpy as np


def scale(x: np.ndarray, how: Literal["none", "standardise", "l2"]) -> np.ndarray:
    """Return ``x`` (n, d) as float32: untouched, each dimension to zero mean and unit variance, or rows of length 1.

    Dimensions without variance (dead ReLUs) and rows of zeros stay zero.
    """
    x = np.asarray(x, dtype=np.float32)
    if how == "standardise":
        centred = x - x.mean(axis=0, dtype=np.float64)
        deviation = centred.std(axis=0)
        # What is left of a constant after float32 rounding is no variance.
        alive = deviation > 1e-6 * np.abs(x).max(axis=0)
        return np.where(alive, centred / np.where(alive, deviation, 1), 0).astype(np.float32)
    if how == "l2":
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(length > 0, length, 1)
    return x
