"""Values that change from step to step: learning rates and momenta.

As lists of Python's floats: an optimiser that was given numpy's could not be kept in a checkpoint.
"""

import math

import numpy as np


def cosine(start: float, end: float, steps: int) -> list[float]:
    """Return one value a step on half a cosine from ``start`` (the first value) towards ``end`` (after the last)."""
    return (end + 0.5 * (start - end) * (1 + np.cos(np.pi * np.arange(steps) / max(steps, 1)))).tolist()


def warmup_cosine(start: float, end: float, steps: int, warmup: int) -> list[float]:
    """Return one value a step: ``warmup`` of them on a line from 0 to ``start``, both included, then ``cosine``.

    Raises:
        ValueError: the warm-up has more steps than there are.
    """
    if warmup > steps:
        raise ValueError(f"warmup={warmup} of {steps} steps: the warm-up must not be longer than the training")
    return np.linspace(0, start, warmup).tolist() + cosine(start, end, steps - warmup)


def fixmatch_cosine(step: int, steps: int, warmup: int = 0) -> float:
    """Return FixMatch's factor of the learning rate at ``step`` (from 0): a cosine that ends above 0 (at 7 pi / 16)."""
    if step < warmup:
        return step / warmup
    return max(0.0, math.cos(7 / 16 * math.pi * (step - warmup) / max(steps - warmup, 1)))
