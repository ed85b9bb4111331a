"""Training, one model a seed: what the stages ``pretext`` and ``deep`` share around the methods' own loops.

A model that is done waits in ``scratch`` for those of the other seeds, as the checkpoint of its last phase, so that a
killed run goes on where it was.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from audioclust import costs, registry
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import Run, hold_memory, pick_device

DIGITS = 5  # of the figures in a curve
EMBEDDING = "embedding.npy"


class Train:
    """How models are trained, whatever they are.

    Args:
        device: "auto" takes CUDA if it is there.
        threads: of the CPU; pinned, because the last bit of a sum depends on it. One is as good as two where another
            process wants the second core.
        checkpoint_seconds: between two checkpoints.
    """

    def __init__(
        self,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        threads: Annotated[int, Field(ge=1)] = 1,
        checkpoint_seconds: Annotated[float, Field(ge=0)] = 30.0,
    ):
        self.threads, self.checkpoint_seconds = threads, checkpoint_seconds
        self.where = pick_device(device)

    def runs(self, name: str, seeds: list[int], scratch: Path, *inputs: Any) -> Iterator[tuple[int, Run]]:
        """Yield each seed and the ``Run`` of its model, which keeps its checkpoints under ``scratch``.

        They lie in a folder of their own for each set of inputs, so that runs side by side, or one with other
        parameters in between, leave each other's alone; ``finish`` deletes them.
        """
        torch.set_num_threads(self.threads)
        hold_memory()
        key = _hash(*inputs, self.where, self.threads)
        self._kept = scratch / key
        for seed in seeds:
            yield (
                seed,
                Run(self._kept / f"seed-{seed}", f"{key}-{seed}", f"{name} seed {seed}", self.checkpoint_seconds),
            )

    def finish(self) -> None:
        """Delete the checkpoints, once all that came of them is written."""
        shutil.rmtree(self._kept, ignore_errors=True)
        with suppress(OSError):  # others may still be there
            self._kept.parent.rmdir()


def pretext(
    name: str, section: dict[str, Any], views: dict[str, Any], clips: Clips, seeds: list[int], out: Path,
    scratch: Path, train: Train,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:  # fmt: skip
    """Train one encoder a seed and embed all clips with each.

    Args:
        name: a file in ``audioclust/pretext``; section: its parameters; views: those of ``Augment``.
        clips: on the device of ``train``.
        seeds: one encoder each.
        out: folder for ``embedding.npy`` (s, n, d) float32 and ``seed-<seed>/``, what the encoder saves.
        scratch: for checkpoints.
        train: device, threads.

    Returns:
        The curves, a row a seed, phase and epoch, and the costs.
    """
    kind = registry.get("pretext", name)
    curves, spent, embeddings = [], [], []
    for seed, run in train.runs(name, seeds, scratch, kind, section, views, clips.digest):
        with costs.measured(encoder=name, seed=seed) as cost:
            encoder = kind(**section, augment=Augment(**views), device=train.where, random_state=seed)
            embeddings.append(encoder.fit(clips, run=run).transform(clips))
            cost["seconds"] = run.earlier
        encoder.save(out / f"seed-{seed}")
        curves.append(curve(run, seed))
        spent.append(cost)
    np.save(out / EMBEDDING, np.stack(embeddings))
    return pd.concat(curves), spent


def deep(
    name: str, section: dict[str, Any], views: dict[str, Any], clips: Clips, encoder: str, folder: Path,
    seeds: list[int], out: Path, scratch: Path, train: Train,
) -> tuple[list[dict[str, Any]], np.ndarray, pd.DataFrame, list[dict[str, Any]]]:  # fmt: skip
    """Train one model of a method a seed, each from the encoder of its own seed where that was trained here.

    Args:
        name: a file in ``audioclust/methods``; section: its parameters, ``k`` resolved; views: those of ``Augment``.
        clips: on the device of ``train``.
        encoder: what the method starts from; folder: what ``embed`` or ``pretext`` wrote for it.
        seeds: one model each.
        out: folder for ``seed-<seed>/``, what the model saves.
        scratch: for checkpoints.
        train: device, threads.

    Returns:
        cells (one dict a row), labels (cells, n) int32, the curves and the costs.
    """
    kind = registry.get("methods", name)
    embedding = np.load(folder / EMBEDDING, mmap_mode="r")
    cells, labels, curves, spent = [], [], [], []
    for seed, run in train.runs(name, seeds, scratch, kind, section, views, clips.digest, embedding):
        rows = np.array(embedding[seeds.index(seed)] if embedding.ndim == 3 else embedding)
        cell = {"encoder": encoder, "reducer": "none", "clusterer": name, "seed": seed}
        with costs.measured(**cell) as cost:
            if kind.input == "embedding":
                model = kind(**section, device=train.where, random_state=seed).fit(rows, run=run)
            else:
                start = _trained(name, encoder, folder / f"seed-{seed}", train.where)
                model = kind(**section, augment=Augment(**views), device=train.where, random_state=seed)
                model.fit(clips, encoder=start, embedding=rows, run=run)
            cost["seconds"] = run.earlier
        model.save(out / f"seed-{seed}")
        cells.append(cell | {"chosen": {}, "reason": ""})
        labels.append(model.labels_.astype(np.int32))
        curves.append(curve(run, seed))
        spent.append(cost)
    return cells, np.stack(labels), pd.concat(curves), spent


def _trained(name: str, encoder: str, folder: Path, device: str) -> Any:
    """Return the encoder of one seed that was trained here."""
    known = registry.names("pretext")
    if encoder not in known:
        raise ValueError(
            f"methods.{name} = {encoder!r}: {name} goes on with the network of an encoder that is trained here: choose "
            f"one of {', '.join(known)}, and name it in pretexts"
        )
    return registry.get("pretext", encoder).load(folder, device)


def curve(run: Run, seed: int) -> pd.DataFrame:
    """Return the curves of one model: seed, phase, epoch (from 1, over all phases) and its metrics, rounded."""
    table = pd.DataFrame(run.curves)
    table.insert(0, "seed", seed)
    table["epoch"] = np.arange(1, len(table) + 1)
    return table.map(lambda value: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value)


def _hash(*inputs: Any) -> str:
    """Return a hash of all inputs, a class standing for its code, and of ``audioclust/nn``: what a checkpoint fits."""
    digest = hashlib.blake2b(digest_size=16)
    here = Path(__file__).parent
    for file in sorted(here.glob("nn/*.py")):
        digest.update(file.read_bytes())
    for value in inputs:
        if isinstance(value, type):
            file = here / (value.__module__.removeprefix("audioclust.").replace(".", "/") + ".py")
            for each in (file, *sorted(file.parent.glob("_*.py"))):  # and what the files beside it share
                digest.update(each.read_bytes())
        elif isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value))
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()
