"""Recordings to clips of one rate and length. Run by ``dvc repro prepare`` as ``python stages/prepare.py``."""

from pathlib import Path

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs
from audioclust.runs.label import Label
from audioclust.runs.prepare import Prepare, Source
from params import Params, part, run
from paths import CLIPS, COSTS, SCRATCH


def main() -> None:
    params = Params()
    data = params.section("data", Source, Label, Prepare)
    source = Source(**part(data, Source))
    kind = registry.get("datasets", source.dataset)
    dataset = kind(**params.section(source.dataset, kind))
    with costs.measured() as cost:
        recordings = source.recordings(dataset)
        for sentence in recordings.attrs.get("said", ()):
            print(sentence)
        Label(**part(data, Label)).choose(recordings)  # which refuses what cannot be scored, before any work
        said = Prepare(**part(data, Prepare)).run(recordings, Path(source.root), CLIPS, scratch=SCRATCH / "prepare")
    costs.write(COSTS, "prepare", [cost])
    print(said)


if __name__ == "__main__":
    run(main)
