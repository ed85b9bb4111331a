"""Where every stage reads and writes, once for all of them."""

import os
from pathlib import Path

CHECK = Path("data/check")
CLIPS = Path("data/clips")
TRUTH = Path("data/truth")
LOGMEL = Path("data/logmel")
EMBEDDINGS = Path("data/embeddings")
REDUCED = Path("data/reduced")
LABELS = Path("data/labels")
MODELS = Path("data/models")
METRICS = Path("metrics")
PLOTS = Path("plots")
CURVES = PLOTS / "training"

# A method that starts from nothing depends on this folder: DVC writes YAML's null as None.
NOTHING = EMBEDDINGS / "None"

# Unfinished work and kept pieces, outside Git and DVC. DVC_ROOT is the main checkout, also where a queued experiment
# runs in a temporary copy, so that a crashed one finds its parts again.
SCRATCH = Path(os.environ.get("DVC_ROOT", ".")) / ".scratch"
# Seconds and peak memory differ from run to run, so they stay out of every tracked output.
COSTS = Path(".scratch/costs")
