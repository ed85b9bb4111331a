"""audioclust: cluster recordings without labels.

    import audioclust
    found = audioclust.cluster("recordings/", k=8)
    found.clips

``cluster`` runs encoders and clusterers on recordings and takes the clustering that can be trusted most; ``load`` opens
a model that ``found.save(folder)`` or the pipeline has written. The rest of the library is what the pipeline in
``dvc.yaml`` runs; it knows neither DVC nor ``params.yaml``.
"""

import importlib
from typing import Any

# Imported when they are first used: they take seconds.
_PUBLIC = {
    "cluster": "audioclust.runs.cluster",
    "Result": "audioclust.runs.cluster",
    "load": "audioclust.runs.predict.saved",
    "Model": "audioclust.runs.predict.model",
}
__all__ = ["Model", "Result", "cluster", "load"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
