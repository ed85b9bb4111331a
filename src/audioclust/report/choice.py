"""Which clustering to take where there are no labels: one that other encoders see, and that others find again.

Of each labelling two things are asked. *Seen*: how well a linear classifier finds its clusters again in the spaces of
the encoders that it was not made from (Cohen's kappa of leave-one-out ridge regression, mean over those spaces). A
strong structure that its own encoder alone hears, such as a microphone's, is not seen by the others. *Found again*: how
far it agrees with the other clusterings of its own encoder (mean adjusted Rand index). docs/CHOICE.md has what this
costs on labelled sets, beside other rules.

Shapes: n clips, l labellings, noise is -1.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import numpy as np

from audioclust.points.ridge import kappa, loo_predictions
from audioclust.points.scale import scale
from audioclust.report.metrics import agreement

FOUND_AGAIN = 0.5  # weight of what is found again beside what is seen


def kappas(spaces: Mapping[str, np.ndarray], labellings: np.ndarray) -> dict[str, np.ndarray]:
    """Return by space how well each labelling is seen in it, (l,): kappa times the share of clips that are no noise.

    The classifier learns noise as one more cluster, so that one factorisation of a space serves all labellings; kappa
    is that of the other clips.

    Args:
        spaces: by encoder, (n, d) of any scale.
        labellings: (l, n).
    """
    kept = np.mean(labellings >= 0, axis=1)
    learned = np.where(labellings >= 0, labellings, labellings.max(axis=1, keepdims=True) + 1)
    return {
        name: kept * kappa(labellings, loo_predictions(scale(x, "standardise_l2"), learned))
        for name, x in spaces.items()
    }


def seen(found: Mapping[str, np.ndarray], own: Sequence[Collection[str]]) -> np.ndarray:
    """Return the mean of ``kappas`` over the spaces that a labelling was not made from, (l,).

    Args:
        found: ``kappas``.
        own: (l,) the spaces that each was made from. Where there are no others, it is the mean over these.
    """
    table = np.stack(list(found.values()), axis=1)
    others = np.array([[name not in each for name in found] for each in own])
    others[~others.any(axis=1)] = True
    return np.where(others, table, 0).sum(axis=1) / others.sum(axis=1)


def found_again(labellings: np.ndarray, groups: Sequence[object]) -> np.ndarray:
    """Return the mean adjusted Rand index of each labelling with the others of its group, (l,); NaN of one alone.

    One cluster for all clips finds nothing: its index is 0.

    Args:
        labellings: (l, n).
        groups: (l,), equal of labellings that are compared.
    """
    members: dict[object, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    total, count = np.zeros(len(labellings)), np.zeros(len(labellings))
    known: dict[frozenset, float] = {}  # deterministic cells are the same for all seeds
    names = [labels.tobytes() for labels in labellings]
    for rows in members.values():
        for i, j in combinations(rows, 2):
            pair = frozenset((names[i], names[j]))
            if pair not in known:
                known[pair] = agreement(labellings[i], labellings[j])
            total[[i, j]] += known[pair]
            count[[i, j]] += 1
    return np.divide(total, count, out=np.full(len(labellings), np.nan), where=count > 0)


def choice(kappa: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Return the value (l,) by which clusterings are compared, between about -1 and 1."""
    return (kappa + FOUND_AGAIN * np.nan_to_num(again)) / (1 + FOUND_AGAIN)
