"""The recordings, found and listed, and the weights of encoders, found or fetched.

Run by ``dvc repro recordings`` as ``python stages/recordings.py``.
"""

import json

import mixtures
import own_source  # noqa: F401
import source
from audioclust.results import files
from audioclust.runs import weights
from audioclust.runs.label import Label
from audioclust.runs.mixtures import EMBEDDED, Mixtures, listed
from audioclust.runs.recordings import write
from audioclust.runs.texts import TEXT, texts
from params import Params, run
from paths import CHECK, CORPORA, ENCODERS, RATES, RECORDINGS, SCRATCH


def main() -> None:
    params = Params()
    root, recordings = source.found(params)
    Label(**params.part("data", Label)).choose(recordings)  # which refuses what cannot be scored, before any work
    if TEXT in json.loads((CHECK / "inputs.json").read_text(encoding="utf-8")).values():
        texts(recordings)  # likewise
    print(write(recordings, root, RECORDINGS, SCRATCH / "digests.csv"))
    _find_weights(params)
    CORPORA.mkdir(parents=True, exist_ok=True)  # also where nothing is mixed
    for name in params.mixtures():
        embedded = Mixtures(**params.part(name, Mixtures)).corpus in EMBEDDED
        root = None if embedded else mixtures.found(params, name)[2]
        write(listed(root), root, CORPORA / name, SCRATCH / f"digests-{name}.csv")


def _find_weights(params: Params) -> None:
    """Write which encoders run, and the sample rates that they need."""
    known = json.loads((CHECK / "encoders.json").read_text(encoding="utf-8"))
    skipped = weights.choose(known["encoders"], params.kind(), known["must"], params.items("pretexts"))
    for name, why in skipped.items():
        if why:
            print(f"encoder {name} is skipped: {why}")
    weights.write(known["encoders"], skipped, ENCODERS)
    wanted = weights.rates(known["encoders"], skipped, params["logmel"]["sample_rate"])
    files.write_text(RATES, json.dumps(wanted) + "\n")


if __name__ == "__main__":
    run(main)
