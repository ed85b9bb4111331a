"""Finds data sets, encoders, reducers, clusterers and methods by file name: the file is the registration.

``names("encoders")`` lists the files of ``audioclust/encoders``; ``module("encoders", "byol_a")`` imports one and
``get("encoders", "byol_a")`` returns its class, the one whose name reads like the file's (``byol_a`` -> ``BYOLA``).
"""

import difflib
import importlib
import pkgutil
from types import ModuleType


def names(kind: str) -> list[str]:
    """Return the names registered under ``kind`` ("datasets", "encoders", ...), sorted."""
    package = importlib.import_module(f"audioclust.{kind}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def module(kind: str, name: str) -> ModuleType:
    """Import ``audioclust/<kind>/<name>.py``; ``ValueError`` with the choices where there is none."""
    known = names(kind)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown {kind.removesuffix('s')} {name!r}: choose one of {', '.join(known)}{hint}")
    return importlib.import_module(f"audioclust.{kind}.{name}")


def clusterer_room(name: str) -> str:
    """Return the room of an item of the grid: "clusterers", or "methods" of a method on embeddings."""
    return "clusterers" if name in names("clusterers") else "methods"


def get(kind: str, name: str) -> type:
    """Return the class that ``audioclust/<kind>/<name>.py`` defines under its own name."""
    found = module(kind, name)
    wanted = name.replace("_", "").lower()
    for attribute, value in vars(found).items():
        if (
            isinstance(value, type)
            and attribute.replace("_", "").lower() == wanted
            and value.__module__.startswith(found.__name__)
        ):
            return value
    raise ValueError(f"{found.__name__} defines no class named like its file ({name!r}, case and underscores aside)")
