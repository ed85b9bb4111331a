"""What every training loop shares: seeds, shuffled batches, progress, curves, and checkpoints.

A method owns its loop::

    with seeded(random_state, device):
        ...
        for epoch in epochs(100, {"network": network, "optimiser": optimiser}, run):
            for rows in batches(n, 256):
                ...
                epoch.add(loss=loss)

All randomness of a training comes from torch's global generators, whose states are in the checkpoints: a run that was
killed at any point and started again ends, on the CPU, in the same weights and curves bit for bit.
"""

import ctypes
import math
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm

from audioclust.nn import checkpoints


def pick_device(device: Literal["auto", "cpu", "cuda"] = "auto") -> str:
    """Return "cuda" or "cpu"; "auto" takes CUDA where there is a device.

    Raises:
        ValueError: "cuda" where there is none, or another name.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device = {device!r}: choose one of auto, cpu, cuda")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise ValueError("device = 'cuda': torch finds no CUDA device here; choose auto or cpu")
    return "cuda"


def hold_memory() -> None:
    """Keep freed memory in this process instead of giving it back to the system.

    A training step frees and asks for the same large blocks again; glibc maps each anew, and the system's clearing of
    pages takes up to half of a step on the CPU (`python benchmarks/memory.py`). Other C libraries are left alone.
    """
    trim_threshold, mmap_threshold = -1, -3  # of mallopt(3)
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and hasattr(libc, "gnu_get_libc_version"):
        # Some releases take no more than 32 MB for the first; the second alone would freeze it where it is, too low.
        if libc.mallopt(mmap_threshold, 1 << 30) or libc.mallopt(mmap_threshold, 1 << 25):
            libc.mallopt(trim_threshold, (1 << 31) - 1)


@contextmanager
def seeded(random_state: int, device: str) -> Iterator[None]:
    """Seed torch's global generators of the CPU and of ``device``; afterwards the caller's are as they were."""
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(random_state)
        if devices:
            torch.cuda.manual_seed(random_state)
        yield


def autocast(device: str) -> AbstractContextManager:
    """Compute in bfloat16 on a CUDA device that has it; elsewhere change nothing."""
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@contextmanager
def memory_hint(parameter: str) -> Iterator[None]:
    """Tell what to lower where a GPU's memory does not suffice: ``memory_hint(f"simclr.batch = {self.batch}")``."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RuntimeError(f"the GPU's memory does not suffice for {parameter}: lower it") from error


def batches(n: int, size: int, drop_last: bool = True) -> Iterator[Tensor]:
    """Yield int64 CPU rows (size,) of one shuffled pass over ``n``.

    An incomplete last batch is dropped or kept; where it is the only one it is kept.
    """
    order = torch.randperm(n)
    if drop_last and n >= size:
        order = order[: n - n % size]
    yield from order.split(size)


class Epoch:
    """One pass of ``count``; ``number`` counts from 0."""

    def __init__(self, number: int, count: int):
        self.number, self.count = number, count
        self._sums: dict[str, Tensor | float] = {}
        self._times: dict[str, int] = {}

    @property
    def progress(self) -> float:
        """Share of the epochs that are behind, in [0, 1)."""
        return self.number / self.count

    def add(self, **metrics: Tensor | float) -> None:
        """Take scalars of a step into the means of this epoch; tensors wait on their device until its end."""
        for name, value in metrics.items():
            # In float64, as a float is: the mean of many small steps keeps its digits.
            value = value.detach().double() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._times[name] = self._times.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the mean of each metric over the steps that gave it."""
        return {name: float(total) / self._times[name] for name, total in self._sums.items()}


@dataclass
class Run:
    """What one training keeps outside its model: its curves, and the checkpoints a killed process goes on from.

    Args:
        folder: for checkpoints, one file a phase; None: there are none. Its owner deletes it when all is done.
        key: hash of whatever determines the result (parameters, inputs, device, code); checkpoints of another are
            ignored.
        name: shown in progress bars.
        every: seconds between two checkpoints; the last epoch of a phase is written in any case.
    """

    folder: Path | None = None
    key: str = ""
    name: str = ""
    every: float = 30.0
    curves: list[dict[str, Any]] = field(default_factory=list)  # a row an epoch: phase, epoch, and its metrics
    earlier: float = 0.0  # seconds that other processes spent on what was restored
    since: float = field(default_factory=time.monotonic)  # when this process went on from there


def epochs(count: int, state: dict[str, Any], run: Run | None = None, phase: str = "train") -> Iterator[Epoch]:
    """Yield the epochs of a phase that are still to be done; after each, note its metrics and write a checkpoint.

    A phase that a checkpoint shows as finished is restored and yields nothing, so that nothing after the loop may
    depend on variables set in it. Whatever changes from epoch to epoch belongs into ``state``.

    Args:
        count: epochs of the phase.
        state: by name, objects with ``state_dict`` and ``load_state_dict``, and dicts of plain values and tensors.
            Such a dict is restored in place, and so are its tensors where shape and dtype are as before. Its tensors
            must be its own: of weights that training goes on to change it holds clones.
        run: where to keep curves and checkpoints; None: nowhere.
        phase: its name, which no other phase of the run has.

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
    pause = 0.1 if sys.stderr.isatty() else 10  # a log file needs no line an epoch
    with tqdm(total=count, initial=start, desc=label, unit="epoch", mininterval=pause) as bar:
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
    """Replace the checkpoint of a phase by what is needed to go on after ``done`` epochs."""
    if run.folder is None:
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
    """Bring back what the checkpoint of a phase holds, if there is one; return the epochs that are done."""
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
            f"{_path(run, phase)} does not fit what is trained here, as where code was edited: delete it"
        ) from error
    torch.set_rng_state(content["random"])
    if content["random_cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(content["random_cuda"])
    run.curves += content["curves"]
    run.earlier, run.since = content["seconds"], time.monotonic()
    return content["done"]


def _path(run: Run, phase: str) -> Path:
    return run.folder / f"{phase}.ckpt"
