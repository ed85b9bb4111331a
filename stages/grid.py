"""Every reducer and clusterer over one embedding. Run by ``dvc repro grid@byol_a`` as
``python stages/grid.py byol_a``."""

import json
import sys

import numpy as np

import own_source  # noqa: F401
from audioclust.results import costs, files, labels, spaces
from audioclust.results.embeddings import EMBEDDING, skipped
from audioclust.results.pieces import Pieces
from audioclust.runs.baseline import Baseline
from audioclust.runs.grid import Item, grid
from audioclust.runs.reduce import Reduce
from params import Params, run
from paths import CHECK, COSTS, EMBEDDINGS, LABELS, REDUCED, SCRATCH, TRUTH


def main() -> None:
    encoder = sys.argv[1]
    params = Params()
    if why := skipped(EMBEDDINGS / encoder):
        _skip(encoder, why)
        return
    k = json.loads((TRUTH / "k/grid.json").read_text(encoding="utf-8"))
    items = json.loads((CHECK / "grid.json").read_text(encoding="utf-8"))
    reducers = {name: Item(name=name, **item) for name, item in items["reducers"].items()}
    clusterers = {name: Item(name=name, **item).with_k(k.get(name)) for name, item in items["clusterers"].items()}
    x = np.load(EMBEDDINGS / encoder / EMBEDDING)
    reduce, baseline = Reduce(**params.section("reduce", Reduce)), Baseline(**params.section("baseline", Baseline))
    pieces = Pieces(SCRATCH / "pieces")
    found, cells, clusters, spent = grid(x, reducers, clusterers, params.items("seeds"), reduce, baseline, pieces)
    for name, space in found.items():
        spaces.save(REDUCED / encoder, name, space)
    labels.save(LABELS / "grid" / f"{encoder}.npz", [{"encoder": encoder, **cell} for cell in cells], clusters)
    costs.write(COSTS, f"grid-{encoder}", [{"encoder": encoder, **cost} for cost in spent])
    pieces.prune()


def _skip(encoder: str, why: str) -> None:
    """Write one cell that did not run, and no space."""
    files.write_text(REDUCED / encoder / "skipped.txt", f"{why}\n")  # of an empty folder DVC would warn
    cell = {"encoder": encoder, "reducer": "none", "clusterer": "skipped", "seed": 0, "chosen": {}, "reason": why}
    labels.save(LABELS / "grid" / f"{encoder}.npz", [cell], np.zeros((1, 0), np.int32))


if __name__ == "__main__":
    run(main)
