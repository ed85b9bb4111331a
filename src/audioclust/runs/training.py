"""Trainings, one per seed, side by side: what the stages ``pretext`` and ``deep`` share.

A finished model waits in the scratch folder for those of the other seeds, as the checkpoint of its last phase, so that
a killed run resumes where it was.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from audioclust import parallel
from audioclust.devices import hold_memory, pick_device
from audioclust.parameters import Count, NonNegative
from audioclust.results.unfinished import Unfinished
from audioclust.training import ranks
from audioclust.training.loop import Run

DIGITS = 5  # of the figures in a curve


@dataclass
class Train:
    """How models are trained, whatever they are."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: CUDA where there is a device
    threads: Count = 1  # of the CPU per training; pinned, because the last bit of a sum depends on it
    checkpoint_seconds: NonNegative = 30.0  # between two checkpoints
    workers: Count | Literal["auto"] = "auto"  # trainings side by side; auto: all seeds' on CPUs, one on a GPU
    # Command that starts the training of simclr, moco and byol; torchrun --nproc-per-node 4: each of them on four GPUs
    launcher: str = "python"

    def __post_init__(self):
        self.where = pick_device(self.device)

    def seeds(self, one: Callable, name: str, seeds: list[int], scratch: Path, key: str, *more: Any) -> list[Any]:
        """Return ``one(self, seed, run, *more)`` for each seed; ``run`` keeps its checkpoints under ``scratch``.

        Args:
            one: trains the model of one seed; a function of a module, as it runs in another process.
            name: of what is trained.
            seeds: one model each.
            scratch: folder for checkpoints, in which each key has a folder of its own: runs side by side, or one with
                other parameters in between, leave each other's alone; ``finish`` deletes them once no other run of the
                same key needs them.
            key: hash of whatever determines the result, but the seed.
            more: arguments of ``one``.
        """
        ranks.join(self.where)
        self._kept = Unfinished(scratch, key)
        # With its first optimiser torch imports modules for two seconds: here, once for all workers.
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
        tasks = [(one, self, self._run(name, position, seed, key), seed, more) for position, seed in enumerate(seeds)]
        return list(parallel.run(_trained, tasks, workers=self._workers(len(seeds)), threads=self.threads))

    def _workers(self, seeds: int) -> int:
        if ranks.count() > 1:
            return 1  # the processes train one model at a time together
        if self.workers != "auto":
            return self.workers
        return 1 if self.where == "cuda" else parallel.side_by_side(seeds)

    def _run(self, name: str, position: int, seed: int, key: str) -> Run:
        folder = self._kept.path / f"seed-{seed}"
        return Run(folder, f"{key}-{seed}", f"{name} seed {seed}", self.checkpoint_seconds, position)

    def finish(self) -> None:
        """Delete the checkpoints, once all that came of them is written; of several processes the first one does."""
        first = not ranks.rank()
        if not first:
            self._kept.release()
        ranks.leave()
        if first:
            self._kept.finish()


def _trained(one: Callable, train: Train, run: Run, seed: int, more: tuple) -> Any:
    hold_memory()
    torch.set_num_threads(train.threads)
    with threadpool_limits(train.threads):
        return one(train, seed, run, *more)


def curve(run: Run, seed: int) -> pd.DataFrame:
    """Return the curves of one model: seed, phase, epoch (from 1, over all phases) and its metrics, rounded."""
    table = pd.DataFrame(run.curves)
    table.insert(0, "seed", seed)
    table["epoch"] = np.arange(1, len(table) + 1)
    return table.map(lambda value: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value)


def key(train: Train, *inputs: Any) -> str:
    """Return a hash of all inputs, device and threads: what a checkpoint fits."""
    digest = hashlib.blake2b(json.dumps([train.where, train.threads]).encode(), digest_size=16)
    for value in inputs:
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value))
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()
