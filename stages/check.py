"""Check all of ``params.yaml``, find the encoders' weights, and write down what other stages depend on.

Run by ``dvc repro check``. Into ``data/check`` go the fingerprint of each stage's code, the data set with its
parameters, what each encoder takes and which views it embeds, what the kind of sound sets, the sections of the grid's
reducers and clusterers with their defaults, and every ``k`` that is asked for.
"""

import gc
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fingerprints
import own_source  # noqa: F401
from audioclust import registry
from audioclust.parameters import values
from audioclust.results import files
from audioclust.runs import weights
from audioclust.training.saving import WEIGHTS
from audioclust.views.waves import Waves
from params import CORPORA, ITEMS, Params, check_all, run
from paths import CHECK, MODELS, NOTHING, SEPARATORS

GRID = ("reducers", "clusterers")


def main() -> None:
    params = Params()
    check_all(params)
    must = _asked(params)
    _find_weights(params, must)
    with _no_garbage():
        for stage, items in _code(params).items():
            files.write_text(CHECK / "code" / stage, fingerprints.stage(stage.partition("/")[0], *items))
    for name in params.separators():
        _add_start(CHECK / "code/separator" / name, params.separator(name).get("start"))
    _write_json(CHECK / "dataset.json", _dataset(params))
    kinds = {name: registry.get("encoders", name) for name in params.items("encoders")}
    _write_json(CHECK / "inputs.json", {name: kind.input for name, kind in kinds.items()})
    described = {name: weights.describe(kind) for name, kind in kinds.items()}
    _write_json(CHECK / "encoders.json", {"must": sorted(must), "encoders": described})
    for name in ("augment", *params.items("pretexts"), *params.methods()):
        said = params.content.get(name) or {}
        found = {key: value for key, value in params.by_kind(name).items() if said.get(key) == "auto"}
        _write_json(CHECK / "kind" / f"{name}.json", found)
    for name in kinds:
        _write_json(CHECK / "views" / f"{name}.json", _views(params, name))
    grid = {kind: {name: _complete(params, kind, name) for name in params.items(kind)} for kind in GRID}
    _write_json(CHECK / "clusters.json", _clusters(params, grid["clusterers"]))
    for kind, sections in grid.items():
        for name, section in sections.items():
            section.pop("k", None)  # the grid takes it from stage label, so that it runs again for another number alone
            room = _room(kind, name)
            code = fingerprints.item_in_grid(room, name)
            sections[name] = {"room": room, "parameters": section, "code": code}
    _write_json(CHECK / "grid.json", grid)
    files.write_text(NOTHING / "README", "Methods that start from nothing depend on this file, which never changes.\n")
    for folder, what in ((SEPARATORS, "separators"), (MODELS, "methods")):
        files.write_text(folder / NOTHING.name / "README", f"For a params.yaml without {what}.\n")


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Do not look for garbage: syntax trees are many objects, and all are kept."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _add_start(path: Path, start: str | None) -> None:
    """Add to the fingerprint of a separator what it starts from."""
    if start is None:
        return
    weights = Path(start) / WEIGHTS
    if not weights.is_file():
        raise FileNotFoundError(f"separator.start = {start}: no {WEIGHTS} in it; name the folder of a saved separator")
    digest = hashlib.blake2b(weights.read_bytes(), digest_size=12).hexdigest()
    files.write_text(path, path.read_text(encoding="utf-8") + f"{WEIGHTS} {digest}\n")


def _asked(params: Params) -> set[str]:
    """Return the encoders that must run."""
    used = [*params.methods().values(), *(name for pair in params.pairs().values() for name in pair)]
    return weights.asked(params.items("encoders"), [name for name in used if name])


def _find_weights(params: Params, must: set[str]) -> None:
    """Find and load every encoder's weights, so that absent ones stop the run before any work.

    Those of encoders that may be skipped are stage ``recordings``' to find.
    """
    for name in params.items("encoders"):
        kind = registry.get("encoders", name)
        if name in must or not getattr(kind, "by_default", False):
            kind(**params.section(name, kind), device="cpu").prepare()


def _code(params: Params) -> dict[str, list[tuple[str, str]]]:
    """Return the stages, as ``stage`` or ``stage/item``, and the items, room and name, that each runs."""
    dataset = [("datasets", params.dataset()[0])]
    found = {"recordings": dataset, "prepare": dataset, "label": [], "texts": [], "logmel": []}
    found |= {"evaluate": [], "separate": []}
    corpora = {params[name]["corpus"] for name in params.mixtures()}
    read = {params[corpus]["dataset"] for corpus in corpora if "dataset" in (params[corpus] or {})}
    found["mixtures"] = [(CORPORA, name) for name in sorted(corpora)] + [("datasets", name) for name in sorted(read)]
    found |= {f"separator/{name}": [] for name in params.separators()}
    found |= {f"embed/{name}": [("encoders", name)] for name in params.items("encoders")}
    found |= {f"pretext/{name}": [("pretext", name)] for name in params.items("pretexts")}
    found["grid"] = [(_room(kind, name), name) for kind in GRID for name in params.items(kind)]
    for name, encoder in params.methods().items():
        trained = [("pretext", encoder)] if encoder in params.items("pretexts") else []
        found[f"deep/{name}"] = [("methods", name), *trained]
    found |= {f"pair/{name}": [("methods", name)] for name in params.pairs()}
    found["report"] = [("report.exports", name) for name in registry.names("report.exports")]
    found["report"] += [("encoders", name) for name in params.items("encoders")]
    found["report"] += [("methods", name) for name in dict.fromkeys([*params.methods(), *params.pairs()])]
    return found


def _dataset(params: Params) -> dict[str, Any]:
    """Return the name and the section of the data set; not where it lies: a folder that is moved runs nothing again."""
    name = params.dataset()[0]
    kind = registry.get("datasets", name)
    section = values(kind(**params.section(name, kind)))
    return {"name": name, "parameters": {key: value for key, value in section.items() if key != "path"}}


def _views(params: Params, encoder: str) -> dict[str, Any]:
    """Return what views of the clips' sound an encoder embeds, those that methods on log-mels draw from; {}: none."""
    counts: dict[str, int] = {}
    for name, start in params.methods().items():
        kind = registry.get("methods", name)
        if start == encoder and kind.input == "logmel":
            views = _complete(params, "methods", name)["views"]
            counts |= {each: max(views, counts.get(each, 0)) for each in kind.on_embedded}
    return {"counts": counts, "waves": values(Waves(**params.section("waves", Waves)))} if counts else {}


def _complete(params: Params, kind: str, name: str) -> dict[str, Any]:
    """Return the section of an item with its defaults; its ``k`` is what it asks for, or what the whole file does."""
    item = registry.get(_room(kind, name), name)
    return values(item(**params.section(name, item)))


def _room(kind: str, name: str) -> str:
    """Return the room of an item of a list."""
    return registry.clusterer_room(name) if kind == "clusterers" else ITEMS[kind]


def _clusters(params: Params, clusterers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return, by method and for the grid, each section with a ``k`` and what it asks for."""
    methods = [*params.methods(), *params.pairs()]
    found = {"grid": clusterers} | {name: {name: _complete(params, "methods", name)} for name in methods}
    return {
        stage: {name: section["k"] for name, section in sections.items() if "k" in section}
        for stage, sections in found.items()
    }


def _write_json(path: Path, content: Any) -> None:
    files.write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    run(main)
