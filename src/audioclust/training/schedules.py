"""Schedules: one value per step, of a learning rate or a momentum; and how many steps there are.

Published numbers of epochs are meant for 50,000 clips and more: on a few hundred they are hardly any step, and a moving
average keeps most of its random start. Where a batch, a number of epochs or a momentum is not given, or the least steps
are, ``size_by_steps`` sets it by ``batch_size``, ``passes`` and ``ema_momentum``. From some 26,000 clips on these
return the published values.

Lists of Python floats: an optimiser with numpy's could not be kept in a checkpoint.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

STEPS_PER_EPOCH = 8  # at least, where this leaves LEAST_BATCH clips per step
LEAST_BATCH = 32  # clips: batch statistics, negatives and the sizes of clusters need some
PER_EPOCH = 4  # steps at least, whatever batch is asked for, where this leaves LEAST_BATCH clips per step
LEAST_STEPS = 1000  # of a training
FORGOTTEN = 10  # a moving average keeps at most exp(-FORGOTTEN) of its start


def batch_size(n: int, published: int) -> int:
    """Return the clips per step for ``n`` clips: ``published`` or, if it is less, n / 8 (at least 32)."""
    return min(published, max(LEAST_BATCH, n // STEPS_PER_EPOCH))


def passes(n: int, batch: int, published: int, least: int = LEAST_STEPS) -> int:
    """Return the passes over ``n`` clips: ``published`` or, if it is more, as many as give ``least`` steps."""
    steps = max(n // batch, 1)
    return max(published, -(-least // steps))


def ema_momentum(steps: int, published: float) -> float:
    """Return the momentum of a moving average over ``steps``: ``published`` or, if it is less, 1 - 10 / steps.

    Of the start a share of momentum^steps remains: with 1 - 10 / steps at most e^-10.
    """
    return min(published, max(1 - FORGOTTEN / steps, 0.0))


def size_by_steps(model: Any, n: int, batch: int, epochs: int, momentum: float | None = None) -> None:
    """Set ``batch_``, ``epochs_`` and, of a model with a moving average, ``momentum_`` for ``n`` clips.

    Each is the model's parameter, or where that is None the published value that is given here, sized by steps. A
    batch is at most a quarter of the clips (or 32). A model's ``steps``, where it has them, are the least that its
    epochs are to give.
    """
    model.batch_ = min(model.batch or batch_size(n, batch), max(LEAST_BATCH, n // PER_EPOCH), n)
    least = max(getattr(model, "steps", None) or 1, 1 if model.epochs else LEAST_STEPS)
    model.epochs_ = passes(n, model.batch_, model.epochs or epochs, least)
    if momentum is not None:
        steps = model.epochs_ * (n // model.batch_)
        model.momentum_ = ema_momentum(steps, momentum) if model.momentum is None else model.momentum


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


def multistep(start: float, falls: Sequence[float], steps: int) -> list[float]:
    """Return one value per step: ``start``, a tenth of it after each of ``falls``, shares of the steps."""
    done = np.arange(steps) / max(steps, 1)
    return (start * 0.1 ** (done[:, None] >= np.asarray(falls)).sum(1)).tolist()
