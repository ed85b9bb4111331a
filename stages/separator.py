"""A network that separates, one model per seed. Run by ``dvc repro separator@speech`` as
``python stages/separator.py speech mixtures``: the model, and the section whose mixtures it trains on."""

import sys

import own_source  # noqa: F401
from audioclust.results import costs, files
from audioclust.runs.separator import Mixing, separator
from audioclust.runs.training import Train
from params import Params, run
from paths import CHECK, COSTS, CURVES, MIXTURES, SCRATCH, SEPARATORS


def main() -> None:
    name, mixtures = sys.argv[1:]
    params = Params()
    train = Train(**params.section("train", Train))
    mixing = Mixing(**params.part(mixtures, Mixing))
    code = (CHECK / "code/separator" / name).read_text(encoding="utf-8")
    curves, spent = separator(
        name, params.separator(name), mixing, MIXTURES / mixtures, params.items("seeds"), SEPARATORS / name,
        SCRATCH / "separator" / name, train, code,
    )  # fmt: skip
    files.write_text(CURVES / f"separator_{name}.csv", curves.to_csv(index=False))
    costs.write(COSTS, f"separator-{name}", spent)
    train.finish()


if __name__ == "__main__":
    run(main)
