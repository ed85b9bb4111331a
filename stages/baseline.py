"""One clusterer in all spaces of one embedding. Run by ``dvc repro baseline@byol_a-kmeans`` as
``python stages/baseline.py byol_a kmeans``."""

import json
import sys

import numpy as np
from params import GRID_SUPPLIED, Params, accepted, lists, run
from paths import CLIPS, COSTS, LABELS, REDUCED, SCRATCH

from audioclust import costs, labels, registry
from audioclust.grid import cluster
from audioclust.reduce import Space, reduce


def main() -> None:
    encoder, clusterer = sys.argv[1:]
    params = Params()
    classes = json.loads((CLIPS / "info.json").read_text())["classes"]
    section = params.section(clusterer, registry.get("clusterers", clusterer), k=classes)
    grid = params.section("grid", lists, reduce, cluster, supplied=GRID_SUPPLIED)
    spaces = {reducer: _space(encoder, reducer) for reducer in grid["reducers"]}
    scratch = SCRATCH / "baseline" / f"{encoder}-{clusterer}"
    cells, found, spent = cluster(spaces, clusterer, section, params.items("seeds"), scratch, **accepted(cluster, grid))
    cells = [{"encoder": encoder, **cell} for cell in cells]
    labels.save(LABELS / "baseline" / encoder / f"{clusterer}.npz", cells, found)
    costs.write(COSTS, f"baseline-{encoder}-{clusterer}", [{"encoder": encoder, **cost} for cost in spent])


def _space(encoder: str, reducer: str) -> Space:
    with np.load(REDUCED / encoder / f"{reducer}_neighbours.npz") as graph:
        x = np.load(REDUCED / encoder / f"{reducer}.npy", mmap_mode="r")
        return Space(x, graph["distances"], graph["indices"])


if __name__ == "__main__":
    run(main)
