"""One encoder over all clips. Run by ``dvc repro embed@byol_a`` as ``python stages/embed.py byol_a``."""

import json
import sys

import numpy as np

from audioclust import costs, registry
from audioclust.embed import embed
from params import EMBED_SUPPLIED, Params, check_clusters, run
from paths import CLIPS, COSTS, EMBEDDINGS, LOGMEL


def main() -> None:
    name = sys.argv[1]
    params = Params()
    info = json.loads((CLIPS / "info.json").read_text())
    check_clusters(params, info)
    section = params.section(name, registry.get("encoders", name))
    settings = params.section("embed", embed, supplied=EMBED_SUPPLIED)
    stats = json.loads((LOGMEL / "stats.json").read_text())
    with costs.measured(encoder=name) as cost:
        embed(
            name,
            section,
            {"logmel": LOGMEL / "logmel.npy", "waveform": CLIPS / "audio.npy"},
            info["sample_rate"],
            (stats["mean"], stats["std"]),
            np.load(CLIPS / "durations.npy"),
            EMBEDDINGS / name / "embedding.npy",
            **settings,
        )
    costs.write(COSTS, f"embed-{name}", [cost])


if __name__ == "__main__":
    run(main)
