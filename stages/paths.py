"""Where every stage reads and writes, once for all of them."""

import os
from pathlib import Path

CLIPS = Path("data/clips")
LOGMEL = Path("data/logmel")
EMBEDDINGS = Path("data/embeddings")
REDUCED = Path("data/reduced")
LABELS = Path("data/labels")
MODELS = Path("data/models")
METRICS = Path("metrics")
PLOTS = Path("plots")
CURVES = PLOTS / "training"

# Unfinished work of a killed run: outside Git and DVC. DVC_ROOT is the main checkout also where a queued experiment
# runs in a temporary copy, so that a crashed one finds its parts again.
SCRATCH = Path(os.environ.get("DVC_ROOT", ".")) / ".scratch"
# Seconds and peak memory differ from run to run, so they stay out of every tracked output.
COSTS = Path(".scratch/costs")
