"""One reducer over one embedding. Run by ``dvc repro reduce@byol_a-tsne`` as
``python stages/reduce.py byol_a tsne``."""

import sys

import numpy as np
from params import GRID_SUPPLIED, Params, accepted, lists, run
from paths import COSTS, EMBEDDINGS, REDUCED

from audioclust import costs, registry
from audioclust.grid import cluster
from audioclust.reduce import reduce


def main() -> None:
    encoder, reducer = sys.argv[1:]
    params = Params()
    section = params.section(reducer, registry.get("reducers", reducer))
    settings = accepted(reduce, params.section("grid", lists, reduce, cluster, supplied=GRID_SUPPLIED))
    x = np.load(EMBEDDINGS / f"{encoder}.npy")
    with costs.measured(encoder=encoder, reducer=reducer) as cost:
        space = reduce(x, reducer, section, params.items("seeds"), **settings)
    folder = REDUCED / encoder
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{reducer}.npy", space.x)
    np.savez(folder / f"{reducer}_neighbours.npz", distances=space.distances, indices=space.indices)
    costs.write(COSTS, f"reduce-{encoder}-{reducer}", [cost])


if __name__ == "__main__":
    run(main)
