"""Recordings to clips of one rate and length. Run by ``dvc repro prepare`` as ``python stages/prepare.py``."""

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs
from audioclust.runs.prepare import Prepare
from audioclust.runs.recordings import Source
from params import Params, run
from paths import CLIPS, COSTS, PROJECT, SCRATCH


def main() -> None:
    params = Params()
    source = Source(**params.part("data", Source))
    kind = registry.get("datasets", source.dataset)
    dataset = kind(**params.section(source.dataset, kind))
    with costs.measured() as cost:
        root, recordings = source.find(dataset, PROJECT)
        for sentence in recordings.attrs.get("said", ()):
            print(sentence)
        said = Prepare(**params.part("data", Prepare)).run(recordings, root, CLIPS, scratch=SCRATCH / "prepare")
    costs.write(COSTS, "prepare", [cost])
    print(said)


if __name__ == "__main__":
    run(main)
