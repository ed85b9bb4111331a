"""Fetch the weights of the encoders that run, so that a repro needs no network. Run by ``make`` once."""

import own_source  # noqa: F401
from audioclust import registry
from audioclust.runs import weights
from params import Params, run


def main() -> None:
    params = Params()
    described = {name: weights.describe(registry.get("encoders", name)) for name in params.items("encoders")}
    for name, why in weights.choose(described, params.kind(), (), params.items("pretexts")).items():
        if why:
            print(f"encoder {name} will be skipped: {why}")


if __name__ == "__main__":
    run(main)
