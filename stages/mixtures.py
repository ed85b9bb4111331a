"""The corpora of separation and their test mixtures. Run by ``dvc repro mixtures`` as ``python stages/mixtures.py``."""

from pathlib import Path
from typing import Any

import own_source  # noqa: F401
from audioclust import registry
from audioclust.results import costs
from audioclust.runs.mixtures import Mixtures
from params import CORPORA, Params, run
from paths import COSTS, MIXTURES, PROJECT


def found(params: Params, name: str) -> tuple[Mixtures, Any, Path | None]:
    """Return the settings of a section, its corpus, and the folder of the recordings."""
    settings = Mixtures(**params.part(name, Mixtures))
    kind = registry.get(CORPORA, settings.corpus)
    section = params.section(settings.corpus, kind)
    if "dataset" not in section:
        return settings, kind(**section), settings.find(name, None, PROJECT)
    dataset = registry.get("datasets", section["dataset"])
    source = dataset(**params.section(section["dataset"], dataset))
    return settings, kind(**section, source=source), settings.find(name, (section["dataset"], source), PROJECT)


def main() -> None:
    params = Params()
    MIXTURES.mkdir(parents=True, exist_ok=True)  # also where no model trains on any
    with costs.measured() as cost:
        for name in params.mixtures():
            settings, corpus, root = found(params, name)
            print(settings.run(name, corpus, root, MIXTURES / name))
    costs.write(COSTS, "mixtures", [cost])


if __name__ == "__main__":
    run(main)
