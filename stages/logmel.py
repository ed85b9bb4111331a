"""Clips to log-mels and their statistics. Run by ``dvc repro logmel`` as ``python stages/logmel.py``."""

import json

import numpy as np

import own_source  # noqa: F401
from audioclust.clips.logmel import FrontEnd
from audioclust.results import costs
from audioclust.results.kept import Kept, prune, share
from audioclust.runs.logmel import Statistics, compute, said
from cached import cached
from params import Params, run
from paths import CHECK, CLIPS, COSTS, KEPT, LOGMEL


def main() -> None:
    params = Params()
    front_end = FrontEnd(**params.part("logmel", FrontEnd))
    statistics = Statistics(**params.part("logmel", Statistics)).statistics
    rate = json.loads((CLIPS / "format.json").read_text(encoding="utf-8"))["sample_rate"]
    audio = np.load(CLIPS / "audio.npy", mmap_mode="r")
    durations, digests = np.load(CLIPS / "durations.npy"), np.load(CLIPS / "digests.npy")
    share(KEPT, cached(CLIPS / "audio.npy"))
    kept = Kept(KEPT, (CHECK / "code/logmel").read_text(encoding="utf-8"))
    LOGMEL.mkdir(parents=True, exist_ok=True)
    with costs.measured() as cost:
        stats = compute(
            audio, rate, LOGMEL / "logmel.npy", front_end, durations=durations, statistics=statistics, kept=kept,
            digests=digests,
        )  # fmt: skip
    prune(KEPT)
    costs.write(COSTS, "logmel", [cost])
    print(kept.said("log-mels"))
    print(said(stats, json.loads((LOGMEL / "info.json").read_text(encoding="utf-8"))))


if __name__ == "__main__":
    run(main)
