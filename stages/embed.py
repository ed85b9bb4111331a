"""One encoder over all clips. Run by ``dvc repro embed@byol_a`` as ``python stages/embed.py byol_a``."""

import json
import sys

import numpy as np

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs
from audioclust.runs.embed import Embed
from params import Params, run
from paths import CLIPS, COSTS, EMBEDDINGS, LOGMEL, TEXTS


def main() -> None:
    name = sys.argv[1]
    params = Params()
    section = params.section(name, registry.get("encoders", name))
    embed = Embed(**params.section("embed", Embed))
    rate = json.loads((CLIPS / "format.json").read_text(encoding="utf-8"))["sample_rate"]
    stats = json.loads((LOGMEL / "stats.json").read_text(encoding="utf-8"))
    source = {"logmel": LOGMEL / "logmel.npy", "waveform": CLIPS / "audio.npy", "text": TEXTS / f"{name}.json"}
    with costs.measured(encoder=name) as cost:
        embed.run(
            name, section, source, rate, (stats["mean"], stats["std"]), np.load(CLIPS / "durations.npy"),
            EMBEDDINGS / name / "embedding.npy",
        )  # fmt: skip
    costs.write(COSTS, f"embed-{name}", [cost])


if __name__ == "__main__":
    run(main)
