"""Where every stage reads and writes, once for all of them."""

import os
from pathlib import Path

CHECK = Path("data/check")
RECORDINGS = Path("data/recordings")
CORPORA = Path("data/corpora")
ENCODERS = Path("data/encoders")
RATES = Path("data/rates.json")
CLIPS = Path("data/clips")
TRUTH = Path("data/truth")
TEXTS = Path("data/texts")
LOGMEL = Path("data/logmel")
EMBEDDINGS = Path("data/embeddings")
REDUCED = Path("data/reduced")
LABELS = Path("data/labels")
CLUSTERS = Path("data/clusters")
EDITS = Path("clusters.yaml")
PAGE = Path("report/index.html")
MODEL = Path("data/model")
MODELS = Path("data/models")
MIXTURES = Path("data/mixtures")
SEPARATORS = Path("data/separators")
SEPARATED = Path("data/separated")
METRICS = Path("metrics")
PLOTS = Path("plots")
CURVES = PLOTS / "training"
FIGURES = Path("docs/reference_deep.csv")  # the sources' own, of deep methods

# A method that starts from nothing depends on this folder: DVC writes YAML's null as None.
NOTHING = EMBEDDINGS / "None"

# The main checkout, also where a queued experiment runs in a temporary copy: recordings are no part of Git.
PROJECT = Path(os.environ.get("DVC_ROOT", "."))
# Unfinished work and kept pieces, outside Git and DVC; a crashed experiment finds its parts again.
SCRATCH = PROJECT / ".scratch"
KEPT = SCRATCH / "kept"
# Seconds and peak memory differ from run to run, so they stay out of every tracked output.
COSTS = Path(".scratch/costs")
