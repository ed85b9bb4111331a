"""The recordings, found and listed. Run by ``dvc repro recordings`` as ``python stages/recordings.py``."""

from pathlib import Path

import pandas as pd

import own_source  # noqa: F401
from audioclust import registry
from audioclust.runs.label import Label
from audioclust.runs.recordings import Source, write
from params import Params, run
from paths import PROJECT, RECORDINGS, SCRATCH


def found(params: Params) -> tuple[Path, pd.DataFrame]:
    """Return the folder of the recordings and their list."""
    source = Source(**params.part("data", Source))
    kind = registry.get("datasets", source.dataset)
    return source.find(kind(**params.section(source.dataset, kind)), PROJECT)


def main() -> None:
    params = Params()
    root, recordings = found(params)
    Label(**params.part("data", Label)).choose(recordings)  # which refuses what cannot be scored, before any work
    print(write(recordings, root, RECORDINGS, SCRATCH / "digests.csv"))


if __name__ == "__main__":
    run(main)
