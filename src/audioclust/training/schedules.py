"""Schedules: one value per step, of a learning rate or a momentum.

Lists of Python floats: an optimiser with numpy's could not be kept in a checkpoint.
"""

import numpy as np


def cosine(start: float, end: float, steps: int) -> list[float]:
    """Return one value per step on half a cosine from ``start`` (the first value) towards ``end`` (after the last)."""
    return (end + 0.5 * (start - end) * (1 + np.cos(np.pi * np.arange(steps) / max(steps, 1)))).tolist()


def warmup_cosine(start: float, end: float, steps: int, warmup: int) -> list[float]:
    """Return one value per step: ``warmup`` of them on a line from 0 to ``start``, both included, then ``cosine``.

    Raises:
        ValueError: the warm-up is longer than all steps.
    """
    if warmup > steps:
        raise ValueError(f"warmup={warmup} of {steps} steps: the warm-up must not be longer than the training")
    return np.linspace(0, start, warmup).tolist() + cosine(start, end, steps - warmup)
