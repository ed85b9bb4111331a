"""One clusterer in all spaces of one embedding. Run by ``dvc repro baseline@byol_a-kmeans`` as
``python stages/baseline.py byol_a kmeans``."""

import json
import sys

from audioclust import costs, labels, registry, spaces
from audioclust.baseline import baseline
from params import BASELINE_SUPPLIED, Params, run
from paths import CLIPS, COSTS, LABELS, REDUCED, SCRATCH


def main() -> None:
    encoder, clusterer = sys.argv[1:]
    params = Params()
    classes = json.loads((CLIPS / "info.json").read_text())["classes"]
    section = params.section(clusterer, registry.get("clusterers", clusterer), k=classes)
    settings = params.section("baseline", baseline, supplied=BASELINE_SUPPLIED)
    reduced = {reducer: spaces.load(REDUCED / encoder, reducer) for reducer in params.items("reducers")}
    scratch = SCRATCH / "baseline" / f"{encoder}-{clusterer}"
    cells, found, spent = baseline(reduced, clusterer, section, params.items("seeds"), scratch, **settings)
    cells = [{"encoder": encoder, **cell} for cell in cells]
    labels.save(LABELS / "baseline" / encoder / f"{clusterer}.npz", cells, found)
    costs.write(COSTS, f"baseline-{encoder}-{clusterer}", [{"encoder": encoder, **cost} for cost in spent])


if __name__ == "__main__":
    run(main)
