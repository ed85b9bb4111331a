"""Recordings to clips of one rate and length. Run by ``dvc repro prepare`` as ``python stages/prepare.py``."""

import json

import own_source  # noqa: F401
from audioclust.results import costs
from audioclust.runs.prepare import Prepare
from params import Params, run
from paths import CLIPS, COSTS, RATES, SCRATCH
from source import found


def main() -> None:
    params = Params()
    with costs.measured() as cost:
        root, recordings = found(params)
        for sentence in recordings.attrs.get("said", ()):
            print(sentence)
        wanted = json.loads(RATES.read_text(encoding="utf-8"))
        said = Prepare(**params.part("data", Prepare)).run(
            recordings, root, CLIPS, scratch=SCRATCH / "prepare", rates=(wanted["least"], wanted["most"])
        )
    costs.write(COSTS, "prepare", [cost])
    print(said)


if __name__ == "__main__":
    run(main)
