"""The labellings of every cell, enumerated from params.yaml: outputs of items that were removed stay behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import own_source  # noqa: F401
from audioclust.report.table import KEY, ORIGIN
from audioclust.results import labels
from audioclust.results.embeddings import TRAINED_HERE, origin
from params import Params
from paths import EMBEDDINGS, LABELS

Labelling = tuple[dict[str, Any], np.ndarray]  # what a cell and seed is, and its labels (n,)


def encoders(params: Params) -> list[str]:
    """Return the encoders of the grid."""
    return [*params.items("encoders"), *params.items("pretexts")]


def methods(params: Params) -> list[str]:
    """Return the deep methods; what the grid runs too leads there, and of a pair it leads the two encoders."""
    pairs = (name for name in params.pairs() if name not in params.items("clusterers"))
    return list(dict.fromkeys([*params.methods(), *pairs]))


def archives(params: Params) -> list[tuple[str, str]]:
    """Return the files of labels, stage and name of each."""
    runs = {"grid": encoders(params), "deep": params.methods(), "pair": params.pairs()}
    return [(stage, name) for stage, names in runs.items() for name in names]


def cells(params: Params) -> list[Labelling]:
    """Return of each cell and seed what it is, with the origin of its encoder's weights, and its labels (n,)."""
    origins = {encoder: origin(EMBEDDINGS / encoder) for encoder in encoders(params)}
    found = [labels.load(LABELS / stage / f"{name}.npz") for stage, name in archives(params)]
    return [
        (cell | {ORIGIN: origins.get(cell["encoder"], TRAINED_HERE)}, each)
        for archive in found for cell, each in zip(*archive, strict=True)
    ]  # fmt: skip


def first(labellings: Sequence[Labelling], row: Mapping[str, Any]) -> Labelling:
    """Return the labelling of the first seed that ran of a row of the table."""
    return next(
        (cell, found) for cell, found in labellings if not cell["reason"] and all(cell[key] == row[key] for key in KEY)
    )
