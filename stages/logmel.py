"""Clips to log-mels and their statistics. Run by ``dvc repro logmel`` as ``python stages/logmel.py``."""

import json
from dataclasses import asdict

import numpy as np

import own_source  # noqa: F401
from audioclust.clips.logmel import FrontEnd
from audioclust.results import costs
from audioclust.runs.logmel import compute
from params import Params, run
from paths import CLIPS, COSTS, LOGMEL


def main() -> None:
    front_end = FrontEnd(**Params().section("logmel", FrontEnd))
    form = json.loads((CLIPS / "format.json").read_text(encoding="utf-8"))
    audio = np.load(CLIPS / "audio.npy", mmap_mode="r")
    LOGMEL.mkdir(parents=True, exist_ok=True)
    with costs.measured() as cost:
        stats = compute(audio, form["sample_rate"], LOGMEL / "logmel.npy", front_end)
    clip_seconds = form["samples"] / form["sample_rate"]
    stats |= front_end.axes() | {"front_end": asdict(front_end) | {"clip_seconds": clip_seconds}}
    (LOGMEL / "stats.json").write_text(json.dumps(stats, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    costs.write(COSTS, "logmel", [cost])


if __name__ == "__main__":
    run(main)
