"""A model in a folder that works without the recordings and the project, also on another machine.

``model.json`` says what the cell is and how its clips are made and heard; ``arrays.npz`` and ``points.npy`` hold the
fitted clips; ``encoder/<name>/`` and ``method/`` what was trained here. Frozen encoders' weights are found or fetched
as anywhere. The same model has the same bytes, and no file of it can run code.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from audioclust import registry
from audioclust.parameters import values
from audioclust.points.scale import Scaling
from audioclust.points.vote import Voters, Votes
from audioclust.results import archive, files
from audioclust.runs.embed import Embed
from audioclust.runs.predict.hearing import Encoder, Hearing
from audioclust.runs.predict.model import Model
from audioclust.runs.predict.rules import Centroids, Fitted, Rule
from audioclust.runs.prepare import Prepare

FORMAT = 2
MODEL, ARRAYS, POINTS = "model.json", "arrays.npz", "points.npy"
ENCODER, METHOD = "encoder", "method"
PLACES = ("model", "data/model")
ELSEWHERE = ("workers", "max_rejected")  # parameters of ``Prepare`` that no clip depends on
EMBED = ("batch", "seed")
LIBRARIES = ("numpy", "scikit-learn", "torch")  # whose releases may change the last digits


def save(model: Model, out: Path) -> None:
    """Write a model to the folder ``out``, whole or not at all; an older model there is replaced.

    Raises:
        ValueError: ``out`` holds something else.
    """
    if out.exists() and not (out / MODEL).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: is there and holds no model: choose another folder, or move it away")
    with files.whole_folder(out) as folder:
        _write(model, folder)


def _write(model: Model, out: Path) -> None:
    for encoder in model.hearing.encoders:
        if encoder.folder:
            shutil.copytree(encoder.folder, out / ENCODER / encoder.name, copy_function=shutil.copyfile)
    if isinstance(model.rule, Fitted):
        shutil.copytree(model.rule.folder, out / METHOD, copy_function=shutil.copyfile)
    files.write_array(out / POINTS, model.voters.x)
    archive.save(out / ARRAYS, **_arrays(model))
    files.write_text(out / MODEL, json.dumps(_said(model), indent=1, sort_keys=True, allow_nan=False) + "\n")


def _arrays(model: Model) -> dict[str, np.ndarray]:
    voters = model.voters
    found = {"labels": voters.labels, "found": model.found, "digests": model.digests, "ids": model.ids}
    found |= {"rows": voters.rows, "nearest": voters.nearest, "spread": voters.spread}
    found |= {"confidence": voters.own.confidence, "distance": voters.own.distance}
    for place, scaling in enumerate(model.scalings):
        found |= {f"mean_{place}": scaling.mean, f"deviation_{place}": scaling.deviation}
    if isinstance(model.rule, Centroids):
        found |= {"centres": model.rule.centres, "clusters": model.rule.clusters, "centre": model.rule.mean}
        found |= {} if model.rule.axes is None else {"axes": model.rule.axes}
    return found


def _said(model: Model) -> dict[str, Any]:
    voters, rule = model.voters, model.rule
    said = {
        "format": FORMAT,
        "cell": model.cell,
        "k": len({*voters.labels.tolist()} - {-1}),
        "names": {str(cluster): name for cluster, name in sorted(model.names.items())},
        "limit": model.limit,
        "clips": {name: value for name, value in values(model.prepare).items() if name not in ELSEWHERE},
        "logmel": model.hearing.stats,
        "encoders": [
            {"name": each.name, "parameters": each.parameters, "trained_here": each.folder is not None}
            for each in model.hearing.encoders
        ],
        "embed": {name: getattr(model.hearing.embed, name) for name in EMBED},
        "scale": [scaling.how for scaling in model.scalings],
        "rule": None if rule is None else rule.name,
        "usual": {"far": voters.far, "spread": voters.usual, "unit": voters.unit,
                  "long": [float(long) if np.isfinite(long) else None for long in voters.long]},
        "versions": {name: version(name).partition("+")[0] for name in LIBRARIES},
    }  # fmt: skip
    return said | ({"method": {"name": rule.method, "sees": rule.sees}} if isinstance(rule, Fitted) else {})


def load(folder: str | Path) -> Model:
    """Return the model in a folder, in its ``model`` (of a result) or its ``data/model`` (of a project).

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or of another release's format.
    """
    places = [Path(folder), *(Path(folder) / place for place in PLACES)]
    place = next((each for each in places if (each / MODEL).is_file()), None)
    if place is None:
        raise FileNotFoundError(
            f"{folder}: no {MODEL} in it, nor in its {' or '.join(PLACES)}; `dvc repro report` writes data/model"
        )
    try:
        said = json.loads((place / MODEL).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise ValueError(f"its format is {said['format']}, and this release of audioclust reads {FORMAT}")
        with np.load(place / ARRAYS) as arrays:
            return _read(place, said, dict(arrays))
    except (KeyError, TypeError, ValueError, EOFError, OSError, BadZipFile) as error:
        raise ValueError(f"{place}: is no whole model of audioclust ({error}): export it again") from error


def _read(folder: Path, said: dict[str, Any], arrays: dict[str, np.ndarray]) -> Model:
    encoders = [
        Encoder(each["name"], each["parameters"], folder / ENCODER / each["name"] if each["trained_here"] else None)
        for each in said["encoders"]
    ]
    for each in encoders:
        registry.module("pretext" if each.folder else "encoders", each.name)  # no path that leads elsewhere
    rule = _rule(folder, said, arrays)
    usual, own = said["usual"], Votes(arrays["labels"], arrays["confidence"], arrays["distance"])
    long = np.array([np.inf if each is None else each for each in usual["long"]])
    return Model(
        cell=said["cell"],
        prepare=Prepare(**said["clips"]),
        hearing=Hearing(encoders, Embed(**said["embed"]), said["logmel"], isinstance(rule, Fitted) and rule.on_logmels),
        scalings=[
            Scaling(how, arrays[f"mean_{place}"], arrays[f"deviation_{place}"])
            for place, how in enumerate(said["scale"])
        ],
        voters=Voters(
            x=np.load(folder / POINTS),
            rows=arrays["rows"],
            labels=own.labels,
            nearest=arrays["nearest"],
            spread=arrays["spread"],
            usual=usual["spread"],
            far=usual["far"],
            long=long,
            unit=usual["unit"],
            own=own,
        ),
        found=arrays["found"],
        digests=arrays["digests"],
        ids=arrays["ids"],
        rule=rule,
        names={int(cluster): name for cluster, name in said["names"].items()},
        limit=said["limit"],
    )


def _rule(folder: Path, said: dict[str, Any], arrays: dict[str, np.ndarray]) -> Rule | None:
    if said["rule"] == Fitted.name:
        registry.module("methods", said["method"]["name"])
        return Fitted(said["method"]["name"], folder / METHOD, said["method"]["sees"])
    if said["rule"] == Centroids.name:
        return Centroids(arrays["centres"], arrays["clusters"], arrays["centre"], arrays.get("axes"))
    return None
