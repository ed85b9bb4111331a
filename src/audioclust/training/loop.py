"""Parts of every training loop: shuffled batches, epochs with progress, curves and checkpoints.

A method owns its loop::

    with seeded(random_state, device):
        ...
        for epoch in epochs(100, {"network": network, "optimiser": optimiser}, run):
            for rows in batches(n, 256):
                ...
                epoch.add(loss=loss)

All random numbers of a training come from torch's global generators, whose states are in the checkpoints. If a run is
killed at any point and started again, its weights and curves are, on the CPU, byte-identical.
"""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from audioclust.training import checkpoints, ranks


def batches(n: int, size: int, drop_last: bool = True) -> Iterator[Tensor]:
    """Yield int64 CPU rows (size,) of one shuffled pass over ``n``.

    An incomplete last batch is dropped, or kept if it is the only one or ``drop_last`` is false.
    """
    order = torch.randperm(n)
    if drop_last and n >= size:
        order = order[: n - n % size]
    yield from order.split(size)


class Epoch:
    """Epoch ``number``, from 0, of ``count``, and the means of its metrics."""

    def __init__(self, number: int, count: int):
        self.number, self.count = number, count
        self._sums: dict[str, Tensor | float] = {}
        self._times: dict[str, int] = {}

    @property
    def progress(self) -> float:
        """Share of the epochs that are done, in [0, 1)."""
        return self.number / self.count

    def add(self, **metrics: Tensor | float) -> None:
        """Add scalars of a step to the means of this epoch; tensors stay on their device until its end."""
        for name, value in metrics.items():
            # In float64, as a float is: the mean of many small steps keeps its digits.
            value = value.detach().double() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._times[name] = self._times.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the steps that added it."""
        return {name: float(total) / self._times[name] for name, total in self._sums.items()}


@dataclass
class Run:
    """Curves and checkpoints of one training."""

    folder: Path | None = None  # of the checkpoints, one file per phase; its owner deletes it; None: no checkpoints
    # Hash of whatever determines the result (parameters, inputs, device, code); checkpoints of another key are ignored
    key: str = ""
    name: str = ""  # shown in progress bars
    every: float = 30.0  # seconds between two checkpoints; the last epoch of a phase is always written
    position: int = 0  # line of the progress bar on a terminal, where several trainings run side by side
    curves: list[dict[str, Any]] = field(default_factory=list)  # one row per epoch: phase, epoch, metrics
    earlier: float = 0.0  # seconds that killed processes spent on what was restored
    since: float = field(default_factory=time.monotonic)  # when this process resumed


def optimise(loss: Tensor, optimiser: torch.optim.Optimizer, lr: float | None = None) -> None:
    """Take one step, at a learning rate of ``lr``; None: the optimiser's."""
    if lr is not None:
        for group in optimiser.param_groups:
            group["lr"] = lr
    optimiser.zero_grad()
    loss.backward()
    ranks.add_gradients(optimiser)
    optimiser.step()


def epochs(count: int, state: dict[str, Any], run: Run | None = None, phase: str = "train") -> Iterator[Epoch]:
    """Yield the remaining epochs of a phase; after each, append its metrics to the curves and write a checkpoint.

    A finished phase is restored from its checkpoint and yields nothing: code after the loop must not depend on
    variables set in it. Whatever changes from epoch to epoch belongs in ``state``.

    Args:
        count: epochs of the phase.
        state: by name, objects with ``state_dict`` and ``load_state_dict``, and dicts of plain values and tensors. A
            dict is restored in place, and so are its tensors if shape and dtype have not changed. It must own its
            tensors: of weights that are trained further it holds clones.
        run: keeps curves and checkpoints; None: they are dropped.
        phase: its name, unique in the run.

    Raises:
        ValueError: a phase of this name has been run, or its checkpoint does not fit ``state``.
        RuntimeError: the mean of the metric ``loss`` is not finite.
    """
    run = Run() if run is None else run
    if any(row["phase"] == phase for row in run.curves):
        raise ValueError(f"the phase {phase!r} has been run: each phase of a run needs a name of its own")
    label = f"{run.name} {phase}".strip()
    start = _resume(run, phase, state)
    written = time.monotonic()
    # A log file needs neither a line per epoch nor the moves of the cursor between several bars.
    shown = {"mininterval": 0.1, "position": run.position} if sys.stderr.isatty() else {"mininterval": 10}
    shown["disable"] = ranks.rank() > 0
    with tqdm(total=count, initial=start, desc=label, unit="epoch", **shown) as bar:
        for number in range(start, count):
            epoch = Epoch(number, count)
            yield epoch
            metrics = epoch.means()
            loss = metrics.get("loss", 0.0)
            if not math.isfinite(loss):
                raise RuntimeError(f"{label}: the mean loss of epoch {number} is {loss}: lower the learning rate")
            run.curves.append({"phase": phase, "epoch": number, **metrics})
            bar.set_postfix_str(f"loss {loss:.4g}" if "loss" in metrics else "", refresh=False)
            bar.update()
            if number + 1 == count or time.monotonic() - written >= run.every:
                _write(run, phase, state, number + 1)
                written = time.monotonic()


def _write(run: Run, phase: str, state: dict[str, Any], done: int) -> None:
    """Replace the checkpoint of a phase by one from which to resume after ``done`` epochs."""
    if run.folder is None or ranks.rank():
        return
    content = {
        "key": run.key,
        "done": done,
        "seconds": run.earlier + time.monotonic() - run.since,
        "curves": [row for row in run.curves if row["phase"] == phase],
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        "state": {name: checkpoints.saved(entry, name) for name, entry in state.items()},
    }
    checkpoints.write(_path(run, phase), content)


def _resume(run: Run, phase: str, state: dict[str, Any]) -> int:
    """Restore the checkpoint of a phase, if there is one; return how many epochs are done."""
    content = None if run.folder is None else checkpoints.read(_path(run, phase))
    if content is None or content["key"] != run.key:
        return 0
    try:
        if content["state"].keys() != state.keys():
            raise ValueError(f"it holds {sorted(content['state'])}, not {sorted(state)}")
        for name, entry in state.items():
            checkpoints.restore(entry, content["state"][name])
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"{_path(run, phase)} does not fit what is trained here, perhaps because code was edited: delete it"
        ) from error
    torch.set_rng_state(content["random"])
    if content["random_cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(content["random_cuda"])
    run.curves += content["curves"]
    run.earlier, run.since = content["seconds"], time.monotonic()
    return content["done"]


def _path(run: Run, phase: str) -> Path:
    return run.folder / f"{phase}.ckpt"
