"""Encoders trained without labels: views of a batch beside a DataLoader's, a training step, and a whole fit.

``python benchmarks/pretext.py [--clips 512] [--batch 128] [--sizes 3000] [--epochs 1] [--workers 2]`` prints three
tables, for the CPU and, if there is one, the GPU. First (``--tables views``) the two strong views of every clip, in
clips per second: ours, made per batch on the device, and those of a ``DataLoader`` whose data set makes the views by
the same ops per clip in ``--workers`` processes, then copied to the device. Made alone, a clip is mixed with itself by
``mixup``: the work is the same, the view is not. Second (``--tables steps``), for each encoder at its defaults: seconds
of a step, those of the same step with the ``DataLoader``'s views, the ratio, our share outside convolutions and matrix
products, Python and the optimiser included, and on a GPU the share in which the device is busy, our step in float32 and
its ratio to that in bfloat16, and the memory of a fit. All are differences between fits of few and of many epochs, so
that what precedes the first step is left out. Third (``--tables fits``) whole fits of ``--sizes`` clips in ``--epochs``
epochs, beside the same training with the ``DataLoader``'s views, start and end of its workers included; Adam is fused
on both sides.

Both sides take turns, ``--turns``, ``--step-turns`` and ``--fit-turns`` for the three tables, and the ratio is the
median over the turns. Seconds on the CPU are on one thread by default, and processor time where there are no
workers.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from plain import several
from tables import Table
from threadpoolctl import threadpool_limits
from timing import LONG, SHORT, beside, difference, in_float32, noise, peak, seconds, shares, spent, whole_fits
from torch.utils.data import DataLoader, Dataset

from audioclust import registry
from audioclust.devices import hold_memory
from audioclust.training.loop import batches
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips


class Plain(Dataset):
    """A clip's two views, made from that clip alone."""

    def __init__(self, clips: Clips, view: Callable):
        self.clips, self.view = clips, view

    def __len__(self) -> int:
        return self.clips.n

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, frames = self.clips[slice(row, row + 1)]
        return self.view(x, frames)[0], self.view(x, frames)[0]


def loader(clips: Clips, view: Callable, batch: int, workers: int, device: str) -> DataLoader:
    return DataLoader(Plain(clips, view), batch, True, drop_last=clips.n >= batch, **several(workers, device))


def ours(clips: Clips, augment: Augment, batch: int) -> None:
    for rows in batches(clips.n, batch):
        x, frames = clips[rows]
        augment.strong_view(x, frames), augment.strong_view(x, frames)


def plain(loader: DataLoader, device: str) -> None:
    for one, two in loader:
        one.to(device, non_blocking=True), two.to(device, non_blocking=True)


def data_path(logmel: np.ndarray, workers: int, arguments: argparse.Namespace, device: str) -> tuple[str, ...]:
    """Return a row of the first table."""
    augment, batch = Augment(), arguments.batch
    clips, here = Clips(logmel, device=device), Clips(logmel)
    theirs = loader(here, augment.strong_view, batch, workers, device)
    sides = partial(ours, clips, augment, batch), partial(plain, theirs, device)
    # Wall-clock time: workers are other processes. The first turn starts them.
    turns = [[seconds(side, device, time.perf_counter) for side in sides] for _ in range(arguments.turns + 1)][1:]
    one, other, ratio = beside(turns)
    made = clips.n // batch * batch or clips.n
    return device, str(clips.n), str(batch), str(workers), f"{made / one:.0f}", f"{made / other:.0f}", f"{ratio:.1f}"


class Training:
    """The training of an encoder on the same clips by both sides."""

    def __init__(self, name: str, clips: Clips, here: Clips, arguments: argparse.Namespace, device: str):
        self.name, self.encoder, self.device = name, registry.get("pretext", name), device
        self.by_loader = by_loader(self.encoder)
        self.clips, self.here, self.batch, self.workers = clips, here, arguments.batch, arguments.workers[-1]
        self.clock = time.perf_counter if self.workers else None  # workers are other processes

    def ours(self, epochs: int) -> None:
        self.encoder(batch=self.batch, epochs=epochs, device=self.device).fit(self.clips)

    def loader(self) -> DataLoader:
        augment = Augment()
        view = partial(augment, ops=self.encoder().ops or augment.strong)
        return loader(self.here, view, self.batch, self.workers, self.device)

    def plain(self, epochs: int, loader: DataLoader | None = None) -> None:
        """``loader``: one whose workers run already; None: they are started."""
        model = self.by_loader(batch=self.batch, epochs=epochs, device=self.device)
        model.made = endless(loader or self.loader())
        model.fit(self.here)


def by_loader(encoder: type) -> type:
    """Return an encoder that is trained on the views of its iterator ``made``.

    The model has it, not the class: a class is freed late, and only then would the workers end.
    """

    class ByLoader(encoder):
        def _maker(self, clips: Clips) -> Callable[..., list[torch.Tensor]]:
            return lambda rows, *kinds: [next(self.made).to(self.device, non_blocking=True) for _ in kinds]

    return ByLoader


def endless(loader: DataLoader) -> Iterator[torch.Tensor]:
    """Yield one view of each clip of a batch after another; the loader makes two at a time."""
    while True:
        for views in loader:
            yield from views


def step(training: Training, turns: int) -> tuple[str, ...]:
    """Return the cells of the second table that are measured."""
    device, steps = training.device, (LONG - SHORT) * max(training.clips.n // training.batch, 1)
    _, memory = peak(lambda: training.ours(SHORT), device)  # allocates, chooses algorithms
    loader = training.loader()
    training.plain(SHORT, loader)
    sides = training.ours, partial(training.plain, loader=loader)
    times = [[difference(seconds, side, device, training.clock) for side in sides] for _ in range(turns)]
    one, other, ratio = beside(times)
    # The share is one of processor time, where there is no GPU.
    measured = one if device == "cuda" else difference(seconds, training.ours, device)
    outside, busy = shares(difference(spent, training.ours, device), measured, device)

    def again() -> float:
        training.ours(SHORT)
        return float(np.median([difference(seconds, training.ours, device) for _ in range(turns)])) / steps

    full = in_float32(again, one / steps, device)
    return f"{one / steps:.4f}", f"{other / steps:.4f}", f"{ratio:.2f}", outside, busy, *full, memory


def trainings(n: int, arguments: argparse.Namespace, device: str) -> Iterator[Training]:
    """Yield the training of each encoder on ``n`` clips."""
    logmel = noise(n, arguments.frames)
    clips, here = Clips(logmel, device=device), Clips(logmel)
    for name in arguments.encoders:
        yield Training(name, clips, here, arguments, device)


def views(arguments: argparse.Namespace) -> None:
    """Print the first table."""
    table = Table(
        arguments.out, "pretext_views", "device", "clips", "batch", "workers", "ours, clips/s", "DataLoader, clips/s",
        "ratio",
    )  # fmt: skip
    logmel = noise(arguments.clips, arguments.frames)
    for device in arguments.devices:
        for workers in arguments.workers:
            table.add(*data_path(logmel, workers, arguments, device))


def steps(arguments: argparse.Namespace) -> None:
    """Print the second table."""
    table = Table(
        arguments.out, "pretext_steps", "device", "encoder", "batch", "workers", "step, s", "loop, s", "ratio",
        "outside convolutions and products", "busy", "float32, s", "float32 / bf16", "memory, MiB",
    )  # fmt: skip
    for device in arguments.devices:
        for training in trainings(arguments.steps * arguments.batch, arguments, device):
            sizes = str(training.batch), str(training.workers)
            table.add(device, training.name, *sizes, *step(training, arguments.step_turns))


def fits(arguments: argparse.Namespace) -> None:
    """Print the third table."""
    table = Table(
        arguments.out, "pretext_fits", "device", "encoder", "clips", "epochs", "workers", "ours, s", "loop, s", "ratio",
        "memory, MiB",
    )  # fmt: skip
    for device in arguments.devices:
        for training in trainings(arguments.batch, arguments, device):  # loads kernels
            training.ours(1)
            training.plain(1)
        for n in arguments.sizes:
            for training in trainings(n, arguments, device):
                sides = [partial(side, arguments.epochs) for side in (training.ours, training.plain)]
                cells = whole_fits(sides, arguments.fit_turns, device, training.clock)
                table.add(device, training.name, str(n), str(arguments.epochs), str(training.workers), *cells)


TABLES = {"views": views, "steps": steps, "fits": fits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--encoders", nargs="+", default=registry.names("pretext"))
    parser.add_argument("--clips", type=int, default=512, help="of the first table")
    parser.add_argument("--frames", type=int, default=401)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4, help="of an epoch, in the second table")
    parser.add_argument("--turns", type=int, default=3, help="of the first table")
    parser.add_argument("--step-turns", type=int, default=1, help="of the second table")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000], help="clips of the third table")
    parser.add_argument("--epochs", type=int, default=1, help="of the third table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the third table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0, min(8, os.cpu_count() or 1)],
        help="processes of a DataLoader; the second and the third table take the last number",
    )  # fmt: skip
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--out", type=Path, help="folder for the tables as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)  # of BLAS
    torch.manual_seed(0)
    hold_memory()
    for name in arguments.tables:
        TABLES[name](arguments)


if __name__ == "__main__":
    main()
