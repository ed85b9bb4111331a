"""A training step of deep clustering for separation, beside a plain loop of the same work, and what its time goes to.

``python benchmarks/separation.py [--networks small paper] [--batch 2 16] [--workers 0]`` prints two tables, for the CPU
and, if there is one, the GPU. First (``--tables steps``) the training frames per second of ``Separator``, mixing and
optimiser included, those of the loop, the ratio, the seconds of a step of ours, and on a GPU those in float32 and their
ratio to those in bfloat16, and the memory of a fit. All are differences between fits of few and of many epochs, so that
what precedes the first step is left out. Second (``--tables shares``) the parts of a step of ours.

The loop is the usual way to write it: a ``DataLoader`` whose data set mixes each item with numpy and transforms it with
``torch.stft``, in ``--workers`` processes; torch's modules; the three products of the loss, with autograd; Adam that is
not fused. ``small`` is the network of ``params.yaml``, ``paper`` that of Hershey et al. (2016), 2 x 600 units and
40 dimensions. The corpus is noise.

Both sides take turns, ``--turns`` of them; seconds are the medians, the ratio that of the turns. Seconds on the CPU are
processor time where there are no workers, on one thread by default.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from plain import several
from tables import Table
from timing import LONG, SHORT, beside, difference, in_float32, peak, seconds
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from audioclust.devices import autocast, hold_memory
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixer import Mixer
from audioclust.separation.separator import OPTIMISERS, Separator

RATE, SPEAKERS, LENGTH = 8000, 16, 4 * 8000  # Hz, speakers of one utterance each, samples
SOURCES, FRAMES = 2, 100
SIZE, STEP = 256, 64  # of a window and from one to the next, in samples
NETWORKS = {"small": {"k": 10, "layers": 1, "hidden": 64}, "paper": {"k": 40, "layers": 2, "hidden": 600}}


def corpus() -> Corpus:
    """Return noise whose level changes a hundred times per utterance."""
    rng = np.random.default_rng(0)
    levels = np.repeat(rng.uniform(0.0, 1.0, (SPEAKERS, 100)) ** 4, LENGTH // 100, axis=1)
    x = 0.1 * levels * rng.standard_normal((SPEAKERS, LENGTH))
    names = [f"{i:02d}" for i in range(SPEAKERS)]
    utterances = pd.DataFrame(
        {
            "utterance": names, "speaker": names, "gender": "", "piece": "", "start": np.arange(SPEAKERS) * LENGTH,
            "length": LENGTH, "level": np.square(x).mean(1), "part": "train",
        }
    )  # fmt: skip
    return Corpus(RATE, (32768 * x).clip(-32768, 32767).astype(np.int16).ravel(), utterances)


class Mixtures(Dataset):
    """Log magnitudes, the louder source of each bin and the bins that are not silent, of one mixture per item."""

    def __init__(self, corpus: Corpus, items: int):
        self.samples = corpus.samples.reshape(SPEAKERS, LENGTH)
        self.levels, self.items = corpus.utterances["level"].to_numpy(), items
        self.window = torch.hann_window(SIZE).sqrt()

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor, Tensor]:
        rng, n = np.random.default_rng(item), (FRAMES - 1) * STEP + SIZE
        gain, sources = rng.uniform(0, 2.5), []
        for speaker, sign in zip(rng.choice(SPEAKERS, SOURCES, replace=False), (1, -1), strict=True):
            start = rng.integers(LENGTH - n + 1)
            x = self.samples[speaker, start : start + n].astype(np.float32) / 32768
            sources.append(x * 10 ** (sign * gain / 20) / np.sqrt(self.levels[speaker]))
        waves = np.stack([sum(sources), *sources]).astype(np.float32)
        waves *= 0.9 / max(1.0, np.abs(waves).max())
        mixture, *spectra = (self.spectrum(torch.from_numpy(wave)) for wave in waves)
        level = mixture.square().mean().sqrt()
        targets = torch.stack(spectra).argmax(0)
        return (mixture / level + 1e-8).log(), targets.flatten(), (mixture > mixture.max() * 0.01).flatten()

    def spectrum(self, wave: Tensor) -> Tensor:
        """Return the magnitudes (t, f)."""
        return torch.stft(wave, SIZE, STEP, window=self.window, center=False, return_complex=True).abs().T


class Network(nn.Module):
    def __init__(self, k: int, layers: int, hidden: int):
        super().__init__()
        self.k = k
        self.register_buffer("mean", torch.zeros(SIZE // 2 + 1))
        self.register_buffer("std", torch.ones(SIZE // 2 + 1))
        self.blstm = nn.LSTM(SIZE // 2 + 1, hidden, layers, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden, (SIZE // 2 + 1) * k)

    def forward(self, x: Tensor) -> Tensor:
        """Return embeddings (b, n, k)."""
        v = torch.tanh(self.linear(self.blstm((x - self.mean) / self.std)[0]))
        return F.normalize(v.float().reshape(len(x), -1, self.k), dim=2)


def affinity(v: Tensor, targets: Tensor, active: Tensor) -> Tensor:
    """Return the loss, each bin weighted by d^-1/2, d the bins of its source."""
    y = F.one_hot(targets, SOURCES).float() * active[..., None]
    root = (y @ y.sum(1).clamp_min(1).rsqrt()[..., None]).sqrt()
    v, y = v * root, y * root
    vv, vy, yy = (product.square().sum((1, 2)) for product in (v.mT @ v, v.mT @ y, y.mT @ y))
    return (vv - 2 * vy + yy).mean()


def plain(network: nn.Module, steps: int, loader: Iterator, device: str) -> None:
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        x, targets, active = (each.to(device, non_blocking=True) for each in next(loader))
        with autocast(device):
            v = network(x)
        optimiser.zero_grad()
        affinity(v, targets, active).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()


def endless(loader: DataLoader) -> Iterator:
    while True:
        yield from loader


class Training:
    """The training of a network by both sides."""

    def __init__(self, name: str, batch: int, arguments: argparse.Namespace, device: str):
        self.sizes, self.batch, self.device, self.arguments = NETWORKS[name], batch, device, arguments
        self.corpus = corpus()
        self.mixer = Mixer(self.corpus, SOURCES, device=device)

    def model(self, epochs: int) -> Separator:
        more = {"frames": [FRAMES], "batch": self.batch, "lr": 3e-3, "device": self.device}
        return Separator(**self.sizes, **more, epochs=epochs, steps=self.arguments.steps)

    def ours(self, epochs: int) -> None:
        self.model(epochs).fit(self.mixer)

    def loader(self) -> Iterator:
        """Return an iterator whose workers run until it is freed."""
        items = Mixtures(self.corpus, LONG * self.arguments.steps * self.batch)
        return endless(DataLoader(items, self.batch, **several(self.arguments.workers, self.device)))

    def plain(self, epochs: int, loader: Iterator) -> None:
        network = Network(**self.sizes).to(self.device)
        plain(network, epochs * self.arguments.steps, loader, self.device)


def speed(training: Training, turns: int) -> tuple[str, ...]:
    """Return the cells of the first table that are measured."""
    device, arguments = training.device, training.arguments
    clock = time.perf_counter if arguments.workers else None  # workers are other processes
    steps = (LONG - SHORT) * arguments.steps
    _, memory = peak(lambda: training.ours(SHORT), device)  # allocates, chooses algorithms
    loop = partial(training.plain, loader=training.loader())
    loop(SHORT)
    times = [[difference(seconds, side, device, clock) for side in (training.ours, loop)] for _ in range(turns)]
    one, other, ratio = beside(times)

    def again() -> float:
        training.ours(SHORT)
        return float(np.median([difference(seconds, training.ours, device) for _ in range(turns)])) / steps

    frames = training.batch * FRAMES * steps
    full = in_float32(again, one / steps, device)
    return f"{frames / one:.0f}", f"{frames / other:.0f}", f"{ratio:.2f}", f"{one / steps:.4f}", *full, memory


class Laps:
    """The seconds of each part of a step, from one call to the next."""

    def __init__(self, device: str):
        self.device, self.clock = device, time.perf_counter if device == "cuda" else time.process_time
        self.spent: dict[str, list[float]] = defaultdict(list)
        self.last = self.clock()

    def __call__(self, part: str, *_: Any) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
        now = self.clock()
        self.spent[part].append(now - self.last)
        self.last = now


def laps(training: Training) -> dict[str, float]:
    """Return the median seconds of each part of a step of ours, in their order."""
    model = training.model(SHORT).fit(training.mixer)
    network, generator = model.network_.train(), torch.Generator().manual_seed(0)
    weights = list(network.parameters())
    optimiser, lap = OPTIMISERS["adam"](weights, 1e-4), Laps(training.device)
    hooks = [
        network.register_forward_pre_hook(partial(lap, "spectra, targets, weights")),
        network.register_forward_hook(partial(lap, "network")),
    ]
    for _ in range(training.arguments.steps * LONG):
        optimiser.zero_grad(set_to_none=True)
        lap("optimiser")  # with what follows the step before
        drawn = model._draw(training.mixer, model.batch, FRAMES, generator)
        lap("mixing")
        loss = model._loss(*drawn)
        lap("loss")
        loss.backward()
        lap("backward")
        nn.utils.clip_grad_norm_(weights, model.clip)
        optimiser.step()
    for hook in hooks:
        hook.remove()
    return {part: float(np.median(lap.spent[part][1:])) for part in PARTS}


PARTS = ("mixing", "spectra, targets, weights", "network", "loss", "backward", "optimiser")


def trainings(arguments: argparse.Namespace) -> Iterator[tuple[tuple[str, ...], Training]]:
    """Yield the first cells of a row, and the training."""
    for device in arguments.devices:
        for name in arguments.networks:
            for batch in arguments.batch:
                yield (device, name, str(batch)), Training(name, batch, arguments, device)


def steps(arguments: argparse.Namespace) -> None:
    """Print the first table."""
    table = Table(
        arguments.out, "separation_steps", "device", "network", "batch", "workers", "ours, frames/s", "loop, frames/s",
        "ratio", "step, s", "float32, s", "float32 / bf16", "memory, MiB",
    )  # fmt: skip
    for cells, training in trainings(arguments):
        table.add(*cells, str(arguments.workers), *speed(training, arguments.turns))


def shares(arguments: argparse.Namespace) -> None:
    """Print the second table."""
    table = Table(arguments.out, "separation_shares", "device", "network", "batch", "part", "ms", "share")
    for cells, training in trainings(arguments):
        found = laps(training)
        for part, spent in found.items():
            table.add(*cells, part, f"{1000 * spent:.1f}", f"{spent / sum(found.values()):.1%}")


TABLES = {"steps": steps, "shares": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch", type=int, nargs="+", default=[2, 16])
    parser.add_argument("--steps", type=int, default=5, help="of an epoch")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--out", type=Path, help="folder for the tables as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    hold_memory()
    for name in arguments.tables:
        TABLES[name](arguments)


if __name__ == "__main__":
    main()
