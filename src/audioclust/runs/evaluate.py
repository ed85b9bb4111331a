"""Score every labelling: against the labels, nuisances (group, duration, ...) and other seeds, and without any labels.

The only place where true labels meet clusters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust.points.scale import scale
from audioclust.points.subset import subset
from audioclust.report import choice, numbers
from audioclust.report.metrics import (
    AGAINST,
    agreement,
    binned,
    explained,
    linear_probe,
    score,
    score_without_labels,
    sizes,
)
from audioclust.report.table import KEY, MAJORITY, NUISANCES, sound

COUNTED = 1000  # clips, at most, whose clusters are counted, by some hundred runs of k-means
IN_TREE = 10_000  # clips, at most, that tell the distances in the tree


class Curve(NamedTuple):
    """The measures of ``report.numbers`` and the encoder in whose space they were taken."""

    encoder: str
    table: pd.DataFrame


@dataclass
class Evaluate:
    """How labellings are scored."""

    # Clips that the label-free scores look at: a silhouette is quadratic.
    sample: Annotated[int, Field(ge=10)] = 2000

    def rows(
        self,
        clips: pd.DataFrame,
        cells: list[tuple[dict[str, Any], np.ndarray]],
        embeddings: Mapping[str, Path],
        seeds: Sequence[int] = (0,),
    ) -> pd.DataFrame:
        """Return one row per cell and seed: what the cell is, then its scores.

        Args:
            clips: ``label`` and ``group`` of every clip, "" where it has none; clips without a label count only in the
                label-free scores. Where there are such columns also ``duration`` (s), ``rate`` (Hz, of the recording)
                and ``level`` (dBFS), NaN where unknown, which are scored in bins.
            cells: what each labelling is (encoder, reducer, clusterer, seed, chosen, reason) and its (n,) labels. Of a
                clusterer ``.../majority`` each cluster is scored as its most frequent label (SCAN's over-clustering).
            embeddings: encoder -> .npy of its embedding (n, d), or of one per seed (s, n, d) where it was trained here;
                label-free scores of all cells of an encoder and seed are taken in this one space, so that reducers can
                be compared. A method that starts from no encoder has none, and none of these scores.
            seeds: the order of the s embeddings.
        """
        truths = {name: _coded(clips[name]) for name in ("label", "group")}
        truths |= {name: _binned(clips[name]) for name in NUISANCES if name in clips and name not in truths}
        against = {"label": tuple(AGAINST)} | {name: NUISANCES[name] for name in NUISANCES if name in truths}
        if not _crossed(truths["label"], truths["group"]):
            against["group"] = tuple(name for name in against["group"] if name != "explained")
        # Where groups follow the labels, folds of groups would have no clip of a class to learn from.
        folds = truths["group"] if "explained" in against.get("group", ()) else None
        chosen = self._choices(cells, embeddings, seeds)
        known: dict[tuple, dict[str, Any]] = {}
        probed: dict[tuple, dict[str, Any]] = {}
        agreed = _agreements(cells)
        rows = []
        for i, (cell, labels) in enumerate(cells):
            if cell["reason"]:
                rows.append(cell)
                continue
            if cell["clusterer"].endswith(MAJORITY):
                labels = _majority(labels, truths["label"])
            x, position = space(cell, embeddings, seeds)
            key = (cell["encoder"], position, labels.tobytes())
            if key not in known:
                known[key] = _scores(truths, against, labels, x, self.sample)
            if x is not None and key[:2] not in probed:
                probed[key[:2]] = _probe(x, truths["label"], folds, self.sample)
            rows.append(cell | known[key] | probed.get(key[:2], {}) | agreed.get(i, {}) | chosen.get(i, {}))
        return pd.DataFrame(rows)

    def _choices(
        self, cells: list[tuple[dict[str, Any], np.ndarray]], embeddings: Mapping[str, Path], seeds: Sequence[int]
    ) -> dict[int, dict[str, float]]:
        """Return of each labelling, by its place, how far it can be trusted without labels: see ``report.choice``.

        None of a labelling that labels have named. Of encoders that are trained here the space of the first seed is
        asked.
        """
        places = [i for i, (cell, _) in enumerate(cells) if not _unchosen(cell)]
        if not places:
            return {}
        chosen = subset(len(cells[places[0]][1]), self.sample)
        labellings = np.stack([cells[i][1][chosen] for i in places])
        found = choice.kappas(_first_spaces(embeddings, seeds, chosen), labellings)
        kappa = choice.seen(found, [cells[i][0]["encoder"].split("+") for i in places])
        again = choice.found_again(labellings, [(cells[i][0]["encoder"], cells[i][0]["seed"]) for i in places])
        value = choice.choice(kappa, again)
        good = sound(pd.DataFrame([sizes(each) for each in labellings])).to_numpy()
        first = labellings[int(np.where(good if good.any() else True, value, -np.inf).argmax())]
        like = [max(explained(first, each), explained(each, first)) for each in labellings]
        columns = {"choice": value, "kappa": kappa, "found_again": again, "like_chosen": np.array(like)}
        return {i: {name: float(column[j]) for name, column in columns.items()} for j, i in enumerate(places)}

    def numbers(self, cell: Mapping[str, Any], embeddings: Mapping[str, Path], seeds: Sequence[int], k: int) -> Curve:
        """Return what is known of each number of clusters in a cell's encoder, see ``report.numbers``.

        Where the cell has no encoder or two, in the first of its own or of all. ``k`` is the number that it has.
        """
        encoder = _one_encoder(cell, embeddings)
        n = np.load(embeddings[encoder], mmap_mode="r").shape[-2]
        spaces = _first_spaces(embeddings, seeds, subset(n, min(self.sample, COUNTED)))
        return Curve(encoder, numbers.curve(spaces, encoder, k))


def tree_points(
    cell: Mapping[str, Any], clusters: np.ndarray, embeddings: Mapping[str, Path], seeds: Sequence[int]
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the encoder in whose space a cell's clusters (n,) have their tree, rows (m,) and those clips (m, d).

    The encoder is that of ``Evaluate.numbers``, scaled as the grid does by default. Rows are all clips, of more than
    ``IN_TREE`` a part that leaves out no cluster.
    """
    encoder = _one_encoder(cell, embeddings)
    x, _ = space({"encoder": encoder, "seed": cell["seed"]}, embeddings, seeds)
    rows = np.union1d(subset(len(x), IN_TREE), np.unique(clusters, return_index=True)[1])
    return encoder, rows, scale(np.asarray(x[rows]), "standardise_l2")


def _one_encoder(cell: Mapping[str, Any], embeddings: Mapping[str, Path]) -> str:
    """Return the first of a cell's encoders that has an embedding, or the first of all."""
    return next(name for name in (*cell["encoder"].split("+"), *embeddings) if name in embeddings)


def _first_spaces(embeddings: Mapping[str, Path], seeds: Sequence[int], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return by encoder the embeddings (m, d) of some clips, where it was trained here of the first seed."""
    asked = {name: space({"encoder": name, "seed": seeds[0]}, embeddings, seeds)[0] for name in embeddings}
    return {name: np.asarray(x[rows]) for name, x in asked.items()}


def _unchosen(cell: Mapping[str, Any]) -> bool:
    """Tell whether a cell is none to choose: it did not run, or labels have named its clusters."""
    return bool(cell["reason"]) or cell["clusterer"].endswith(MAJORITY)


def space(
    cell: Mapping[str, Any], embeddings: Mapping[str, Path], seeds: Sequence[int]
) -> tuple[np.ndarray | None, int | None]:
    """Return the embedding (n, d) of a cell's encoder, a memory map, and the place of its seed if it has one per seed.

    None of a method that starts from no encoder. ``embeddings`` and ``seeds`` as in ``Evaluate.rows``.
    """
    if cell["encoder"] not in embeddings:
        return None, None
    x = np.load(embeddings[cell["encoder"]], mmap_mode="r")
    if x.ndim == 2:
        return x, None
    position = seeds.index(cell["seed"])
    return x[position], position


def _probe(x: np.ndarray, label: np.ndarray, group: np.ndarray | None, sample: int) -> dict[str, float | None]:
    """Return the linear probe of an embedding (n, d), on at most ``sample`` clips with a label."""
    known = np.flatnonzero(label >= 0)
    chosen = known[subset(len(known), sample)]
    groups = None if group is None else group[chosen]
    if groups is not None:  # a clip of unknown group is one by itself
        groups = np.where(groups < 0, groups.max() + 1 + np.arange(len(groups)), groups)
    return {"probe": linear_probe(x[chosen], label[chosen], groups)} if len(chosen) else {}


def _agreements(cells: list[tuple[dict[str, Any], np.ndarray]]) -> dict[int, dict[str, float]]:
    """Return of each labelling, by its place, the mean ARI with those of the same cell's other seeds.

    Whether a method finds the same clusters again, from other random numbers and, where encoders are trained here,
    from another encoder. 1 where nothing depends on the seed.
    """
    same: dict[tuple, list[int]] = {}
    for i, (cell, _) in enumerate(cells):
        if not cell["reason"]:
            same.setdefault(tuple(cell[part] for part in KEY), []).append(i)
    found: dict[int, list[float]] = {}
    for places in same.values():
        for pair in combinations(places, 2):
            value = agreement(*(cells[i][1] for i in pair))
            for i in pair:
                found.setdefault(i, []).append(value)
    return {i: {"agreement": float(np.mean(values))} for i, values in found.items()}


def _majority(clusters: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the most frequent label (n,) of each clip's cluster; as they are where no clip of a cluster has one."""
    found, inverse = np.unique(clusters, return_inverse=True)
    known = label >= 0
    if not known.any():
        return clusters
    counts = np.zeros((len(found), label.max() + 1), np.int64)
    np.add.at(counts, (inverse[known], label[known]), 1)
    names = np.where(counts.any(1), counts.argmax(1), label.max() + 1 + np.arange(len(found)))
    return names[inverse]


def _coded(values: pd.Series) -> np.ndarray:
    """Return a number for each value (n,), -1 for ""."""
    return pd.factorize(values.where(values != ""))[0]


def _binned(values: pd.Series) -> np.ndarray:
    """Return the bin of each value (n,), -1 where it is unknown."""
    known = np.isfinite(values.to_numpy())
    bins = np.full(len(values), -1)
    bins[known] = binned(values.to_numpy()[known])
    return bins


def _crossed(label: np.ndarray, group: np.ndarray) -> bool:
    """Return whether following the groups is something else than following the labels.

    Where a group tells most of its clips' label, as a recording of one sound does, it explains at least as much of any
    clusters as the labels do.
    """
    known = (label >= 0) & (group >= 0)
    return len(np.unique(label[known])) > 1 and explained(group[known], label[known]) < 0.5


def _scores(
    truths: Mapping[str, np.ndarray],
    against: Mapping[str, Iterable[str]],
    clusters: np.ndarray,
    x: np.ndarray | None,
    sample: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what, names in against.items():
        scores = _against(truths[what], clusters, names)
        found |= {name if what == "label" else f"{what}_{name}": value for name, value in scores.items()}
    if x is not None:
        chosen = subset(len(x), sample)
        # Rows are read from the file here, so that a large embedding never comes into memory whole.
        found |= score_without_labels(np.asarray(x[chosen]), clusters[chosen], sample=sample)
    return found | sizes(clusters)


def _against(truth: np.ndarray, clusters: np.ndarray, names: Iterable[str]) -> dict[str, float]:
    """Return the scores of those ``names`` against one labelling; nothing where it has fewer than two values."""
    known = truth >= 0
    if len(np.unique(truth[known])) < 2:
        return {}
    return score(truth[known], clusters[known], names)
