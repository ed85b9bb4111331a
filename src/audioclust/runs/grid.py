"""The baseline grid over one encoder's embedding: reducer x clusterer x seed.

A deep method on embeddings may be an item too. It runs on the embedding as it is, and its model is not kept.

Spaces first, each with the neighbour graph that all clusterers share, then cells. What cannot differ is computed once:
a deterministic clusterer in a deterministic space gives one labelling for all seeds. Every space and every labelling is
kept as a piece, so that a grid that starts again computes only what changed.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from audioclust import parallel, registry
from audioclust.points.neighbours import Neighbours
from audioclust.results import costs
from audioclust.results.pieces import Pieces
from audioclust.results.spaces import Space
from audioclust.runs.baseline import Baseline, cell
from audioclust.runs.reduce import Points, Reduce
from audioclust.threads import one_thread

METHODS = "methods"  # the room of those


@dataclass
class Item:
    """A reducer, clusterer or method: its room and name, its parameters, and the fingerprint of its code."""

    room: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    code: str = ""

    @property
    def kind(self) -> type:
        return registry.get(self.room, self.name)

    @property
    def stochastic(self) -> bool:
        """Tell whether labels depend on a seed."""
        return getattr(self.kind, "stochastic", True)

    def runs_on(self, reducer: str, reducers: Iterable[str]) -> bool:
        """Tell whether it runs in the space of a reducer, a method in one alone."""
        return self.room != METHODS or reducer == _of_no_reduction(reducers)

    def with_k(self, k: int | None) -> "Item":
        """Return it with the number of clusters resolved; ``None`` where it has no such parameter."""
        return self if k is None else replace(self, parameters=self.parameters | {"k": k})

    def key(self, *inputs: Any) -> str:
        return Pieces.key(self.room, self.name, self.parameters, self.code, *inputs)


class Found(NamedTuple):
    """Labellings, what was found from the data, why they were not computed, and the cost where they were computed now.

    By the row's name after the clusterer's: "" for its own labelling, "/..." for other ones that a method has.
    """

    labels: dict[str, np.ndarray]
    chosen: dict[str, Any]
    reason: str
    cost: dict[str, Any]


def grid(
    x: np.ndarray,
    reducers: dict[str, Item],
    clusterers: dict[str, Item],
    seeds: list[int],
    reduce: Reduce,
    baseline: Baseline,
    pieces: Pieces,
) -> tuple[dict[str, Space], list[dict[str, Any]], np.ndarray, list[dict[str, Any]]]:
    """Run every clusterer in every space for every seed.

    Args:
        x: (n, d) embedding, or (s, n, d), one per seed.
        reducers, clusterers: by name; ``k`` resolved.
        seeds: of what is stochastic.
        reduce, baseline: how.
        pieces: what earlier runs computed.

    Returns:
        The spaces by reducer, cells (one dict per row), labels (cells, n) int32, and the costs of what ran now.
    """
    baseline = baseline.here()
    methods = _of_methods(x, reducers, clusterers, seeds, pieces, baseline.workers)
    with one_thread():
        spaces, spent = _spaces(x, reducers, seeds, reduce, pieces, baseline.workers)
        wanted = {
            (r, c, seed): _work(clusterers[c], spaces[r], r, c, seed, seeds)
            for c in clusterers for r in reducers for seed in seeds if clusterers[c].runs_on(r, reducers)
        }  # fmt: skip
        runs = [run for run in dict.fromkeys(wanted.values()) if clusterers[run[1]].room != METHODS]
        tasks = [(spaces[run[0]], clusterers[run[1]], run, baseline, pieces) for run in runs]
        results = _side_by_side(_cell, tasks, baseline.workers, "clusterers", "cell")
        found = dict(zip(runs, results, strict=True))
    for run in set(wanted.values()) - set(runs):
        found[run] = methods[run[1], run[3]]
    laid_out = {name: _laid_out(item, spaces[name]) for name, item in reducers.items()}
    cells = [
        {
            "reducer": r, "clusterer": c + row, "seed": seed, "reason": found[run].reason,
            "chosen": laid_out[r] | found[run].chosen,
        }
        for (r, c, seed), run in wanted.items() for row in found[run].labels
    ]  # fmt: skip
    labels = np.stack([each for run in wanted.values() for each in found[run].labels.values()])
    return spaces, cells, labels, spent + [result.cost for result in found.values() if result.cost]


def _side_by_side(function: Callable, tasks: list[tuple], workers: int, name: str, unit: str) -> Iterable[Any]:
    """Run tasks in threads: the kernels release the interpreter lock, and processes would each import and copy all."""
    return parallel.run(function, tasks, workers=workers, name=name, unit=unit, shared=True)


# Spaces


def _spaces(
    x: np.ndarray, reducers: dict[str, Item], seeds: list[int], reduce: Reduce, pieces: Pieces, workers: int
) -> tuple[dict[str, Space], list[dict[str, Any]]]:
    several = x.ndim == 3
    runs = [
        (name, position)
        for name, item in reducers.items()
        for position in range(len(seeds) if several or item.stochastic else 1)
    ]
    embeddings = list(x) if several else [x]
    models = [item.kind(**item.parameters) for item in reducers.values()]
    points = [reduce.points(embedding, models) for embedding in embeddings]
    tasks = [
        (embeddings[i], points[i], reducers[name], seeds[p], reduce, pieces)
        for name, p in runs for i in [p if several else 0]
    ]  # fmt: skip
    found = list(zip(runs, _side_by_side(_space, tasks, workers, "reducers", "space"), strict=True))
    spaces = {}
    for name in reducers:
        parts = [space for (reducer, _), (space, _) in found if reducer == name]
        arrays = [np.stack(each) if len(each) > 1 else each[0][None] for each in zip(*parts, strict=True)]
        spaces[name] = Space(*arrays[:3], points[0].rows, arrays[3])
    return spaces, [cost for _, (_, cost) in found if cost]


def _space(
    x: np.ndarray, points: Points, item: Item, seed: int, reduce: Reduce, pieces: Pieces
) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
    """Return what ``Reduce.space`` does, and its cost where it was computed now."""
    size = [reduce.most] if len(points.rows) < len(x) else []
    key = item.key(x, reduce.scale, reduce.neighbours, seed if item.stochastic else None, *size)
    kept = pieces.get(key)
    if kept is not None:
        nearest = kept.get("nearest", np.zeros((0, 0), np.int32))
        return (kept["x"], kept["distances"], kept["indices"], nearest), {}
    with costs.measured(reducer=item.name, seed=seed) as cost:
        space = reduce.space(points, item.kind, item.parameters, seed)
    more = {"nearest": space[3]} if size else {}
    pieces.put(key, x=space[0], distances=space[1], indices=space[2], **more)
    return space, cost


def _laid_out(item: Item, space: Space) -> dict[str, int]:
    """Return how many points a space was fitted to, where these were not all."""
    n = space.x.shape[1]
    return {} if len(space.rows) == n or getattr(item.kind, "linear", False) else {"laid_out": len(space.rows)}


# Cells

Work = tuple[str, str, int, int]  # reducer, clusterer, position of the space, seed


def _work(item: Item, space: Space, reducer: str, clusterer: str, seed: int, seeds: list[int]) -> Work:
    """Return which computation gives a cell: several cells may share one."""
    position = seeds.index(seed) if len(space.x) > 1 else 0
    return reducer, clusterer, position, seed if item.stochastic else seeds[position]


def _cell(space: Space, item: Item, work: Work, baseline: Baseline, pieces: Pieces) -> Found:
    """Run one cell, or take it from ``pieces``."""
    reducer, _, position, seed = work
    x = space.x[position]
    model = item.kind(**item.parameters, **({"random_state": seed} if item.stochastic else {}))
    rows, reason = baseline.fitted_to(model, space.rows, *x.shape)
    if reason:
        return Found({"": np.full(len(x), -1, np.int32)}, {}, reason, {})
    key = item.key(x, seed if item.stochastic else None, *([rows] if len(rows) < len(x) else []))
    kept = pieces.get(key)
    if kept is not None:
        return Found({"": kept["labels"]}, json.loads(str(kept["chosen"])), "", {})
    with costs.measured(reducer=reducer, clusterer=item.name, seed=seed) as cost:
        labels, chosen = cell(model, x, rows, *_neighbours(space, position, rows))
    pieces.put(key, labels=labels, chosen=np.array(json.dumps(chosen)))
    return Found({"": labels}, chosen, "", cost)


def _neighbours(space: Space, position: int, rows: np.ndarray) -> tuple[Neighbours | None, np.ndarray | None]:
    """Return the graph of the points in ``rows`` and the others' nearest; None where the space has other rows."""
    if not np.array_equal(rows, space.rows):
        return None, None
    x = space.x[position]
    few = x if len(rows) == len(x) else x[rows]
    return Neighbours(few, space.distances[position], space.indices[position]), space.nearest[position]


def _of_methods(
    x: np.ndarray, reducers: Iterable[str], clusterers: dict[str, Item], seeds: list[int], pieces: Pieces, workers: int
) -> dict[tuple[str, int], Found]:
    """Return what each method finds with each seed.

    In processes, as torch has one generator for all threads.
    """
    wanted = [(item, seed) for item in clusterers.values() if item.room == METHODS for seed in seeds]
    points = [x[seeds.index(seed)] if x.ndim == 3 else x for _, seed in wanted]
    keys = [item.key(each, seed) for (item, seed), each in zip(wanted, points, strict=True)]
    kept = [pieces.get(key) for key in keys]
    new = [i for i, each in enumerate(kept) if each is None]
    # Kinds are imported here, once for all workers that are forked, and before one_thread looks for torch.
    tasks = [(wanted[i][0].kind, *wanted[i], points[i], _of_no_reduction(reducers)) for i in new]
    for i, (labels, cost) in zip(new, parallel.run(_fitted, tasks, workers=workers, name="methods"), strict=True):
        kept[i] = {"labels": np.stack(list(labels.values())), "rows": np.array(json.dumps(list(labels)))}
        pieces.put(keys[i], **kept[i])
        kept[i]["cost"] = cost
    rows = [dict(zip(json.loads(str(each["rows"])), each["labels"], strict=True)) for each in kept]
    found = [Found(labels, {}, "", each.get("cost", {})) for labels, each in zip(rows, kept, strict=True)]
    return {(item.name, seed): each for (item, seed), each in zip(wanted, found, strict=True)}


def _of_no_reduction(reducers: Iterable[str]) -> str:
    """Return the reducer under whose name methods stand: none or, where it does not run, the first."""
    return "none" if "none" in reducers else next(iter(reducers))


def _fitted(
    kind: type, item: Item, seed: int, x: np.ndarray, space: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the labels (n,) int32 of a method, "" its own and "/..." the other ones that it has, and the cost."""
    with one_thread(), costs.measured(reducer=space, clusterer=item.name, seed=seed) as cost:
        model = kind(**item.parameters, random_state=seed).fit(np.array(x))
    more = {f"/{name}": labels for name, labels in getattr(model, "more_labels_", {}).items()}
    return {row: labels.astype(np.int32) for row, labels in ({"": model.labels_} | more).items()}, cost
