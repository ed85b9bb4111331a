"""Encoders trained on the clips without labels, one per seed. Run by ``dvc repro pretext@simclr`` as
``python stages/pretext.py simclr``."""

import sys

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs, files
from audioclust.runs.pretext import pretext
from audioclust.runs.training import Train
from audioclust.training import ranks
from audioclust.views.augment import Augment
from audioclust.views.clips import load
from params import Params, run
from paths import CHECK, COSTS, CURVES, EMBEDDINGS, LOGMEL, SCRATCH


def main() -> None:
    name = sys.argv[1]
    params = Params()
    section = params.section(name, registry.get("pretext", name))
    views = params.section("augment", Augment)
    train = Train(**params.section("train", Train))
    clips = load(LOGMEL, train.where)
    code = (CHECK / "code/pretext" / name).read_text(encoding="utf-8")
    curves, spent = pretext(
        name, section, views, clips, params.items("seeds"), EMBEDDINGS / name, SCRATCH / "pretext" / name, train, code
    )
    if not ranks.rank():  # the first of several processes writes
        files.write_text(CURVES / f"{name}.csv", curves.to_csv(index=False))
        costs.write(COSTS, f"pretext-{name}", spent)
    train.finish()


if __name__ == "__main__":
    run(main)
