"""A deep clustering method on one encoder, one model a seed. Run by ``dvc repro deep@spice`` as
``python stages/deep.py spice moco``."""

import json
import sys

from audioclust import costs, labels, registry, train
from audioclust.nn.augment import Augment
from audioclust.nn.clips import load
from params import Params, check_clusters, run
from paths import CLIPS, COSTS, CURVES, EMBEDDINGS, LABELS, LOGMEL, MODELS, SCRATCH


def main() -> None:
    name, encoder = sys.argv[1:]
    params = Params()
    info = json.loads((CLIPS / "info.json").read_text())
    check_clusters(params, info)
    section = params.section(name, registry.get("methods", name), k=info["classes"])
    views = params.section("augment", Augment)
    how = train.Train(**params.section("train", train.Train))
    clips = load(LOGMEL, CLIPS / "durations.npy", how.where)
    cells, found, curves, spent = train.deep(
        name, section, views, clips, encoder, EMBEDDINGS / encoder, params.items("seeds"),
        MODELS / name, SCRATCH / "deep" / name, how,
    )  # fmt: skip
    labels.save(LABELS / "deep" / f"{name}.npz", cells, found)
    CURVES.mkdir(parents=True, exist_ok=True)
    curves.to_csv(CURVES / f"{name}.csv", index=False)
    costs.write(COSTS, f"deep-{name}", spent)
    how.finish()


if __name__ == "__main__":
    run(main)
