"""Encoders trained on the clips without labels, one a seed. Run by ``dvc repro pretext@simclr`` as
``python stages/pretext.py simclr``."""

import json
import sys

from audioclust import costs, registry, train
from audioclust.nn.augment import Augment
from audioclust.nn.clips import load
from params import Params, check_all, check_clusters, run
from paths import CLIPS, COSTS, CURVES, EMBEDDINGS, LOGMEL, SCRATCH


def main() -> None:
    name = sys.argv[1]
    params = Params()
    check_all(params)  # stages before this one did, but they may have been cached
    check_clusters(params, json.loads((CLIPS / "info.json").read_text()))
    section = params.section(name, registry.get("pretext", name))
    views = params.section("augment", Augment)
    how = train.Train(**params.section("train", train.Train))
    clips = load(LOGMEL, CLIPS / "durations.npy", how.where)
    out = EMBEDDINGS / name
    curves, spent = train.pretext(
        name, section, views, clips, params.items("seeds"), out, SCRATCH / "pretext" / name, how
    )
    CURVES.mkdir(parents=True, exist_ok=True)
    curves.to_csv(CURVES / f"{name}.csv", index=False)
    costs.write(COSTS, f"pretext-{name}", spent)
    how.finish()


if __name__ == "__main__":
    run(main)
