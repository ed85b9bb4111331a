"""The recordings, found and listed. Run by ``dvc repro recordings`` as ``python stages/recordings.py``."""

import json

import mixtures
import own_source  # noqa: F401
import source
from audioclust.runs.label import Label
from audioclust.runs.mixtures import EMBEDDED, Mixtures, listed
from audioclust.runs.recordings import write
from audioclust.runs.texts import TEXT, texts
from params import Params, run
from paths import CHECK, CORPORA, RECORDINGS, SCRATCH


def main() -> None:
    params = Params()
    root, recordings = source.found(params)
    Label(**params.part("data", Label)).choose(recordings)  # which refuses what cannot be scored, before any work
    if TEXT in json.loads((CHECK / "inputs.json").read_text(encoding="utf-8")).values():
        texts(recordings)  # likewise
    print(write(recordings, root, RECORDINGS, SCRATCH / "digests.csv"))
    CORPORA.mkdir(parents=True, exist_ok=True)  # also where nothing is mixed
    for name in params.mixtures():
        embedded = Mixtures(**params.part(name, Mixtures)).corpus in EMBEDDED
        root = None if embedded else mixtures.found(params, name)[2]
        write(listed(root), root, CORPORA / name, SCRATCH / f"digests-{name}.csv")


if __name__ == "__main__":
    run(main)
