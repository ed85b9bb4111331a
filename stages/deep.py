"""A deep clustering method from one encoder, one model per seed. Run by ``dvc repro deep@spice`` as
``python stages/deep.py spice moco``; the encoder ``None`` stands for none."""

import json
import sys

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs, files, labels
from audioclust.runs.deep import deep, on_frozen
from audioclust.runs.training import Train
from audioclust.views.augment import Augment
from audioclust.views.clips import load
from params import Params, run
from paths import CHECK, COSTS, CURVES, EMBEDDINGS, LABELS, LOGMEL, MODELS, NOTHING, SCRATCH, TRUTH


def main() -> None:
    name, encoder = sys.argv[1:]
    train("deep", name, encoder)


def train(stage: str, name: str, encoder: str, other: str | None = None) -> None:
    """Train a method from an encoder, or on the embeddings of two, and write what ``stage`` does."""
    params = Params()
    k = json.loads((TRUTH / "k" / f"{name}.json").read_text(encoding="utf-8"))
    method = registry.get("methods", name)
    section = params.section(name, method, **{"k": k[name]} if name in k else {})
    views = params.section("augment", Augment)
    settings = Train(**params.section("train", Train))
    code = (CHECK / "code" / stage / name).read_text(encoding="utf-8")
    folders = {each: EMBEDDINGS / each for each in (encoder, other) if each is not None and each != NOTHING.name}
    heard = method.input != "embedding" and other is None and not on_frozen(method, folders)
    clips = load(LOGMEL, settings.where) if heard else None
    out = MODELS / name if stage == "deep" else MODELS / stage / name
    cells, found, curves, spent = deep(
        name, section, views, clips, folders, params.items("seeds"), out, SCRATCH / stage / name, settings, code
    )
    labels.save(LABELS / stage / f"{name}.npz", cells, found)
    files.write_text(CURVES / (f"{name}.csv" if stage == "deep" else f"{stage}_{name}.csv"), curves.to_csv(index=False))
    costs.write(COSTS, f"{stage}-{name}", spent)
    settings.finish()


if __name__ == "__main__":
    run(main)
