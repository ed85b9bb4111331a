"""How stages find the recordings."""

from pathlib import Path

import pandas as pd

from audioclust import registry
from audioclust.runs.recordings import Source
from params import Params
from paths import PROJECT


def found(params: Params) -> tuple[Path, pd.DataFrame]:
    """Return the folder of the recordings and their list."""
    source = Source(*params.dataset())
    kind = registry.get("datasets", source.dataset)
    return source.find(kind(**params.section(source.dataset, kind)), PROJECT)
