"""Clips to log-mels and their statistics. Run by ``dvc repro logmel`` as ``python stages/logmel.py``."""

import json

import numpy as np

import own_source  # noqa: F401
from audioclust.clips.logmel import FrontEnd
from audioclust.results import costs
from audioclust.runs.logmel import compute
from params import Params, run
from paths import CLIPS, COSTS, LOGMEL


def main() -> None:
    front_end = FrontEnd(**Params().section("logmel", FrontEnd))
    rate = json.loads((CLIPS / "format.json").read_text(encoding="utf-8"))["sample_rate"]
    audio = np.load(CLIPS / "audio.npy", mmap_mode="r")
    LOGMEL.mkdir(parents=True, exist_ok=True)
    with costs.measured() as cost:
        compute(audio, rate, LOGMEL / "logmel.npy", front_end, durations=np.load(CLIPS / "durations.npy"))
    costs.write(COSTS, "logmel", [cost])


if __name__ == "__main__":
    run(main)
