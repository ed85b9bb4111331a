"""A deep clustering method from one encoder, one model per seed. Run by ``dvc repro deep@spice`` as
``python stages/deep.py spice moco``; the encoder ``None`` stands for none."""

import json
import sys

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs, files, labels
from audioclust.runs.deep import deep
from audioclust.runs.training import Train
from audioclust.views.augment import Augment
from audioclust.views.clips import load
from params import Params, run
from paths import CHECK, COSTS, CURVES, EMBEDDINGS, LABELS, LOGMEL, MODELS, NOTHING, SCRATCH, TRUTH


def main() -> None:
    name, encoder = sys.argv[1:]
    params = Params()
    k = json.loads((TRUTH / "k" / f"{name}.json").read_text(encoding="utf-8"))
    method = registry.get("methods", name)
    section = params.section(name, method, **{"k": k[name]} if name in k else {})
    views = params.section("augment", Augment)
    train = Train(**params.section("train", Train))
    clips = load(LOGMEL, train.where) if method.input == "logmel" else None
    code = (CHECK / "code/deep" / name).read_text(encoding="utf-8")
    cells, found, curves, spent = deep(
        name, section, views, clips, None if encoder == NOTHING.name else encoder, EMBEDDINGS / encoder,
        params.items("seeds"), MODELS / name, SCRATCH / "deep" / name, train, code,
    )  # fmt: skip
    labels.save(LABELS / "deep" / f"{name}.npz", cells, found)
    files.write_text(CURVES / f"{name}.csv", curves.to_csv(index=False))
    costs.write(COSTS, f"deep-{name}", spent)
    train.finish()


if __name__ == "__main__":
    run(main)
