"""Clips to log-mels and their statistics. Run by ``dvc repro logmel`` as ``python stages/logmel.py``."""

import json

import numpy as np

from audioclust import costs
from audioclust.logmel import LogMel, compute
from params import Params, check_clusters, run
from paths import CLIPS, COSTS, LOGMEL


def main() -> None:
    params = Params()
    section = params.section("logmel", LogMel)
    info = json.loads((CLIPS / "info.json").read_text())
    check_clusters(params, info)
    audio = np.load(CLIPS / "audio.npy", mmap_mode="r")
    LOGMEL.mkdir(parents=True, exist_ok=True)
    with costs.measured() as cost:
        stats = compute(audio, info["sample_rate"], LOGMEL / "logmel.npy", **section)
    stats |= LogMel(**section).axes()
    (LOGMEL / "stats.json").write_text(json.dumps(stats, indent=1, sort_keys=True) + "\n")
    costs.write(COSTS, "logmel", [cost])


if __name__ == "__main__":
    run(main)
