"""Deep clustering methods, one model per seed, each from the encoder of its own seed where that was trained here."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audioclust import registry
from audioclust.results import costs
from audioclust.results.embeddings import EMBEDDING, views_file
from audioclust.runs.training import Train, curve, key
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Embedded

UNTRAINED = "scratch"  # the encoder of a method that starts from none, in the table


def deep(
    name: str, section: dict[str, Any], views: dict[str, Any], clips: Clips | None, folders: dict[str, Path],
    seeds: list[int], out: Path, scratch: Path, train: Train, code: str = "",
) -> tuple[list[dict[str, Any]], np.ndarray, pd.DataFrame, list[dict[str, Any]]]:  # fmt: skip
    """Train one model of a method per seed.

    Args:
        name: a file or folder in ``audioclust/methods``.
        section: its parameters, ``k`` resolved.
        views: those of ``Augment``.
        clips: on the device of ``train``; None for a method on embeddings alone, or that starts from a frozen encoder.
        folders: what ``embed`` or ``pretext`` wrote for the encoder that the method starts from, by its name; none: it
            starts from nothing. A method on two views has the clips and one of them, or two.
        seeds: one model each.
        out: folder for ``seed-<seed>/``, what the model saves.
        scratch: for checkpoints.
        train: device, threads, workers.
        code: fingerprint of the code, which checkpoints must fit too.

    Returns:
        cells (one dict per row), labels (cells, n) int32, the curves and the costs. A method's own labels are the row
        ``name``, other ones that it has (``more_labels_``) are ``name/...``; ``chosen`` is its ``chosen_``, if any.

    Raises:
        ValueError: a method on log-mels is to start from an encoder that was not trained here, and cannot.
    """
    encoder, kind = "+".join(folders) or None, registry.get("methods", name)
    frozen = on_frozen(kind, folders)
    if frozen and not getattr(kind, "on_embedded", ()):
        raise ValueError(
            f"methods.{name} = {encoder!r}: {name} trains the network of an encoder further: choose one of "
            f"{', '.join(registry.names('pretext'))}, and name it in pretexts; or null, to start from none"
        )
    embeddings = [np.load(folder / EMBEDDING, mmap_mode="r") for folder in folders.values()]
    if frozen:
        embeddings += [np.load(views_file(folders[encoder], each), mmap_mode="r") for each in kind.on_embedded]
    inputs = key(train, name, section, views, clips.digest if clips else None, encoder, *embeddings, code)
    more = name, section, views, clips, folders, seeds, out
    results = train.seeds(_model, name, seeds, scratch, inputs, *more)
    found, chosen, curves, spent = zip(*results, strict=True)
    cell = {"encoder": encoder or UNTRAINED, "reducer": "none", "reason": ""}
    rows = [(row, place) for row in found[0] for place in range(len(seeds))]
    cells = [cell | {"clusterer": row, "seed": seeds[place], "chosen": chosen[place]} for row, place in rows]
    return cells, np.stack([found[place][row] for row, place in rows]), pd.concat(curves), list(spent)


def on_frozen(kind: type, encoders: Iterable[str]) -> bool:
    """Tell whether a method on log-mels starts from an encoder that was not trained here: it then sees embeddings."""
    return kind.input == "logmel" and not {*encoders} <= {*registry.names("pretext")}


def _model(
    train: Train, seed: int, run: Run, name: str, section: dict, views: dict, clips: Clips | None,
    folders: dict[str, Path], seeds: list[int], out: Path,
) -> tuple[dict[str, np.ndarray], dict[str, Any], pd.DataFrame, dict[str, Any]]:  # fmt: skip
    """Train and save the model of one seed; return its labels (n,) int32 by row, what it chose, its curve and cost."""
    kind = registry.get("methods", name)
    more = {"augment": Augment(**views)} if kind.input == "logmel" else {}
    model = kind(**section, **more, device=train.where, random_state=seed)
    with costs.measured(encoder="+".join(folders) or UNTRAINED, reducer="none", clusterer=name, seed=seed) as cost:
        embeddings = [_rows(folder, seeds.index(seed)) for folder in folders.values()]
        if kind.input == "embedding":
            model.fit(embeddings if len(embeddings) > 1 else embeddings[0], run=run)
        elif kind.input == "views":
            model.fit(([] if clips is None else [clips]) + embeddings, run=run)
        elif on_frozen(kind, folders):
            (folder,) = folders.values()
            model.fit(_embedded(folder, kind.on_embedded, model.views, train.where), run=run)
        else:
            start = {}
            for encoder, folder in folders.items():
                trained = registry.get("pretext", encoder).load(folder / f"seed-{seed}", train.where)
                start = {"encoder": trained, "embedding": embeddings[0]}
            model.fit(clips, **start, run=run)
        cost["seconds"] = run.earlier
    model.save(out / f"seed-{seed}")
    more = {f"{name}/{row}": labels for row, labels in getattr(model, "more_labels_", {}).items()}
    return {name: model.labels_} | more, getattr(model, "chosen_", {}), curve(run, seed), cost


def _embedded(folder: Path, kinds: tuple[str, ...], count: int, device: str) -> Embedded:
    """Return the clips and ``count`` views of each kind, as a frozen encoder has embedded them."""
    views = {kind: np.load(views_file(folder, kind), mmap_mode="c")[:count] for kind in kinds}
    return Embedded(np.load(folder / EMBEDDING), **views, device=device)


def _rows(folder: Path, position: int) -> np.ndarray:
    """Return the embedding (n, d) of the encoder of one seed, or of the one frozen encoder."""
    embedding = np.load(folder / EMBEDDING, mmap_mode="r")
    return np.array(embedding[position] if embedding.ndim == 3 else embedding)
