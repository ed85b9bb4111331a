"""One reducer over one embedding. Run by ``dvc repro reduce@byol_a-tsne`` as
``python stages/reduce.py byol_a tsne``."""

import sys

import numpy as np

from audioclust import costs, registry, spaces
from audioclust.reduce import reduce
from params import REDUCE_SUPPLIED, Params, run
from paths import COSTS, EMBEDDINGS, REDUCED


def main() -> None:
    encoder, reducer = sys.argv[1:]
    params = Params()
    section = params.section(reducer, registry.get("reducers", reducer))
    settings = params.section("reduce", reduce, supplied=REDUCE_SUPPLIED)
    x = np.load(EMBEDDINGS / encoder / "embedding.npy")
    with costs.measured(encoder=encoder, reducer=reducer) as cost:
        space = reduce(x, reducer, section, params.items("seeds"), **settings)
    spaces.save(REDUCED / encoder, reducer, space)
    costs.write(COSTS, f"reduce-{encoder}-{reducer}", [cost])


if __name__ == "__main__":
    run(main)
