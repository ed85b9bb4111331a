"""The baseline grid: reducer x clusterer x seed over one encoder's embedding.

``baseline`` runs one clusterer in all spaces that ``reduce`` made and for all seeds. What cannot differ is computed
once: a deterministic clusterer in a deterministic space gives one labelling for all seeds.
"""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import joblib
import numpy as np
from pydantic import Field
from tqdm import tqdm

from audioclust import archive, costs, registry
from audioclust.neighbours import Neighbours
from audioclust.spaces import Space
from audioclust.threads import one_thread


def baseline(
    spaces: dict[str, Space],
    clusterer: str,
    section: dict[str, Any],
    seeds: list[int],
    scratch: Path,
    *,
    memory_gb: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto",
    workers: Annotated[int, Field(ge=-1)] = -1,
) -> tuple[list[dict[str, Any]], np.ndarray, list[dict[str, Any]]]:
    """Run one clusterer in every space for every seed.

    Args:
        spaces: reducer -> its spaces.
        clusterer: name of a file in ``audioclust/clusterers``.
        section: its parameters, ``k`` resolved.
        seeds: the seeds.
        scratch: folder where finished cells wait for the rest, so that a killed run goes on; emptied at the end.
        memory_gb: a cell that is estimated to need more becomes a row with the reason; "auto" is 80 % of this machine.
        workers: cells at a time; -1 for one a core.

    Returns:
        cells (one dict a row), labels (cells, n) int32, and the costs of the cells that ran now.
    """
    kind = registry.get("clusterers", clusterer)
    limit = _memory() * 0.8 if memory_gb == "auto" else memory_gb * 1e9
    wanted = {(r, seed): _run(kind, spaces[r], r, seed, seeds) for r in spaces for seed in seeds}
    runs = list(dict.fromkeys(wanted.values()))
    task = joblib.delayed(_cell)
    tasks = (task(kind, section, spaces[r], r, s, seed, limit, scratch) for r, s, seed in runs)
    # Threads: the kernels release the interpreter lock, and processes would each import and copy everything.
    parallel = joblib.Parallel(n_jobs=workers, require="sharedmem", return_as="generator")
    with one_thread():
        results = dict(zip(runs, tqdm(parallel(tasks), total=len(runs), desc=clusterer, unit="cell"), strict=True))
    cells = [
        {"reducer": r, "clusterer": clusterer, "seed": seed, **results[run].found} for (r, seed), run in wanted.items()
    ]
    labels = np.stack([results[run].labels for run in wanted.values()])
    for file in scratch.glob("*"):
        file.unlink()
    return cells, labels, [{"clusterer": clusterer, **result.cost} for result in results.values() if result.cost]


def _run(kind: type, space: Space, reducer: str, seed: int, seeds: list[int]) -> tuple[str, int, int]:
    """Return which computation gives the cell (reducer, seed): several cells may share one."""
    position = seeds.index(seed) if len(space.x) > 1 else 0
    return reducer, position, seed if kind.stochastic else seeds[position]


class _Result(NamedTuple):
    found: dict[str, Any]
    labels: np.ndarray
    cost: dict[str, Any]


def _cell(
    kind: type, section: dict, space: Space, reducer: str, position: int, seed: int, limit: float, scratch: Path
) -> _Result:
    """Run one cell, or take it from ``scratch`` where a killed run left it."""
    x = np.ascontiguousarray(space.x[position])
    model = kind(**section, **({"random_state": seed} if kind.stochastic else {}))
    needed = model.memory(*x.shape)
    if needed > limit:
        reason = f"needs about {needed / 1e9:.1f} GB, the limit is {limit / 1e9:.1f} GB (baseline.memory_gb)"
        return _Result({"chosen": {}, "reason": reason}, np.full(len(x), -1, np.int32), {})
    key = hashlib.blake2b(json.dumps([kind.__name__, section, seed], sort_keys=True).encode(), digest_size=12)
    key.update(x.tobytes())
    file = scratch / f"{reducer}-{seed}-{key.hexdigest()}.npz"
    cached = _finished(file)
    if cached is not None:
        return cached
    with costs.measured(reducer=reducer, seed=seed) as cost:
        graph = Neighbours(x, space.distances[position], space.indices[position])
        model.fit(x, neighbours=graph)
    result = _Result({"chosen": model.chosen_, "reason": ""}, model.labels_.astype(np.int32), cost)
    archive.save(file, found=np.array(json.dumps(result.found)), labels=result.labels)
    return result


def _finished(file: Path) -> _Result | None:
    """Return the cell that ``file`` holds; None where there is none, or a damaged one (it is computed again)."""
    try:
        with np.load(file) as kept:
            return _Result(json.loads(str(kept["found"])), kept["labels"], {})
    except (FileNotFoundError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _memory() -> float:
    """Return this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
