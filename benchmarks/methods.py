"""Deep methods: a training step and a whole fit, beside plain loops of the reference formulation.

``python benchmarks/methods.py [--clips 512] [--batch 128] [--sizes 3000 30000] [--epochs 1] [--workers 2]`` prints two
tables, for the CPU and, if there is one, the GPU. First (``--tables steps``) the seconds of a training step, with its
share of what is done once per epoch; SPICE's step is that of a batch of pseudo-labels for all heads, DEC's and IDEC's
the mean over the passes that train each layer of the autoencoder, the whole of it, and the clusters. Then the share of
those seconds outside convolutions and matrix products, Python and the optimiser included, and on a GPU the share in
which the device is busy, our step in float32 and its ratio to that in bfloat16, and the memory of a fit. SPICE's heads,
DEC and IDEC are in float32 on a GPU too. The loops of a ``DataLoader`` are too many operations for the profiler, and on
a GPU SPICE's is, too. Second (``--tables fits``) whole fits of ``--sizes`` clips in ``--epochs`` epochs, with the start
of the ``DataLoader``'s workers.

The loops are in ``plain.py``. Both sides take turns, ``--turns`` for a step and ``--fit-turns`` for a fit, and the
ratio is the median over the turns. Seconds on the CPU are on one thread by default, and processor time where the loop
has no workers.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import plain
import torch
from tables import Table
from threadpoolctl import threadpool_limits
from timing import LONG, SHORT, beside, difference, in_float32, noise, peak, seconds, shares, spent, whole_fits

from audioclust.devices import hold_memory
from audioclust.methods.cc import CC
from audioclust.methods.dec import DEC, HIDDEN, Codes
from audioclust.methods.deepcluster import DeepCluster
from audioclust.methods.idec import IDEC
from audioclust.methods.idfd import IDFD
from audioclust.methods.pcl import PCL
from audioclust.methods.scan import SCAN
from audioclust.methods.spice import SPICE
from audioclust.pretext.simclr import SimCLR
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Frozen

K = 10
AUGMENT = {"width": 48, "pool": (2, 2)}
CONTRASTIVE = {"cc": CC, "idfd": IDFD, "pcl": PCL}  # with the encoder's network, trained further
AUTOENCODERS = {"dec": DEC, "idec": IDEC}  # of the encoder's embedding
PASSES = len(HIDDEN) + 3  # of an epoch of those: each layer, the code's among them, the whole, and the clusters
METHODS = ["spice", "scan", "deepcluster", *CONTRASTIVE, *AUTOENCODERS]


class Case:
    """Clips, and an encoder with random weights: it is as fast as a trained one."""

    def __init__(self, n: int, arguments: argparse.Namespace, device: str):
        logmel = noise(n, arguments.frames)
        self.arguments, self.device, self.augment = arguments, device, Augment(**AUGMENT)
        self.clips, self.here = Clips(logmel, device=device), Clips(logmel)
        few = Clips(logmel[:4], device=device)
        self.encoder = SimCLR(channels=32, epochs=1, batch=4, augment=self.augment, device=device).fit(few)
        self.encoder.mean_, self.encoder.std_ = self.clips.mean, self.clips.std
        self.embedding = self.encoder.transform(self.clips)

    def model(self, name: str, epochs: int) -> SPICE | SCAN | DeepCluster | CC | IDFD | PCL | Codes:
        batch, more = self.arguments.batch, {"augment": self.augment, "device": self.device}
        if name in AUTOENCODERS:
            each = dict.fromkeys(("layer_epochs", "whole_epochs", "epochs"), epochs)
            return AUTOENCODERS[name](K, **each, tolerance=0.0, batch=batch, device=self.device)
        if name in CONTRASTIVE:
            # Prototypes from the first epoch, so that each is like the others.
            own = {"warmup": 0.0, "momentum": 0.99} if name == "pcl" else {}
            return CONTRASTIVE[name](K, epochs=epochs, batch=batch, **own, **more)
        if name == "spice":
            return SPICE(K, stage="self", heads=self.arguments.heads, epochs=epochs, batch=batch, views=2, **more)
        if name == "scan":
            return SCAN(K, stage="cluster", heads=self.arguments.heads, epochs=epochs, batch=batch, **more)
        return DeepCluster(K, epochs=epochs, reassign=1, batch=batch, pca=256, channels=32, **more)

    def steps(self, name: str) -> int:
        """Return the steps per epoch."""
        batch, n = self.arguments.batch, self.clips.n
        if name != "spice":
            return max(n // batch, 1) * (PASSES if name in AUTOENCODERS else 1)
        model = self.model(name, 1)
        pool = min(n, model.pool)
        return n // pool * model.passes * max(pool // K * K // batch, 1)

    def ours(self, name: str, epochs: int) -> None:
        given = self.embedding if name in AUTOENCODERS else self.clips
        self.model(name, epochs).fit(given, encoder=self.encoder, embedding=self.embedding)

    def plain(self, name: str, epochs: int) -> None:
        model, x = self.model(name, epochs), torch.from_numpy(self.embedding).to(self.device)
        if name == "spice":
            plain.spice(model, Frozen(self.encoder.backbone_, self.clips, self.augment, x, 2), epochs)
        elif name in AUTOENCODERS:
            plain.dec(model, x, epochs)
        elif name in CONTRASTIVE:
            getattr(plain, name)(model, self.encoder.backbone_, self.here, epochs, self.arguments.workers)
        elif name == "scan":
            plain.scan(model, self.encoder.backbone_, self.here, x, epochs, self.arguments.workers)
        else:
            plain.deepcluster(model, self.here, epochs, self.arguments.workers)

    def sides(self, name: str) -> tuple[Callable[[int], None], Callable[[int], None]]:
        return partial(self.ours, name), partial(self.plain, name)

    def clock(self, name: str) -> Callable[[], float] | None:
        """Return the one of the wall where workers, which are other processes, make the loop's views."""
        alone = name == "spice" or name in AUTOENCODERS
        return time.perf_counter if self.arguments.workers and not alone else None


def step(case: Case, name: str) -> tuple[str, ...]:
    """Return the cells of the first table that are measured."""
    device, steps, turns = case.device, (LONG - SHORT) * case.steps(name), case.arguments.turns
    sides, clock = case.sides(name), case.clock(name)
    _, memory = peak(lambda: sides[0](SHORT), device)  # allocates, chooses algorithms
    sides[1](SHORT)
    ours, loop, ratio = beside([[difference(seconds, side, device, clock) for side in sides] for _ in range(turns)])
    # The share is one of processor time, where there is no GPU.
    measured = difference(seconds, sides[0], device) if clock and device == "cpu" else ours
    outside, busy = shares(difference(spent, sides[0], device), measured, device)
    loop_outside = "-"
    if name == "spice" and device == "cpu":
        loop_outside = shares(difference(spent, sides[1], device), loop, device)[0]

    def again() -> float:
        sides[0](SHORT)
        return float(np.median([difference(seconds, sides[0], device) for _ in range(turns)])) / steps

    full = in_float32(again, ours / steps, device)
    return f"{ours / steps:.4f}", f"{loop / steps:.4f}", f"{ratio:.2f}", outside, loop_outside, busy, *full, memory


def steps(arguments: argparse.Namespace) -> None:
    """Print the first table."""
    table = Table(
        arguments.out, "methods_steps", "device", "method", "batch", "ours, s", "loop, s", "ratio", "outside products",
        "the loop's", "busy", "float32, s", "float32 / bf16", "memory, MiB",
    )  # fmt: skip
    for device in arguments.devices:
        case = Case(arguments.clips, arguments, device)
        for name in arguments.methods:
            table.add(device, name, str(arguments.batch), *step(case, name))


def fits(arguments: argparse.Namespace) -> None:
    """Print the second table."""
    columns = "device", "method", "clips", "epochs", "ours, s", "loop, s", "ratio", "memory, MiB"
    table = Table(arguments.out, "methods_fits", *columns)
    for device in arguments.devices:
        few = Case(max(arguments.batch, 10 * K), arguments, device)
        for name in arguments.methods:
            for side in few.sides(name):
                side(1)  # loads kernels
        for n in arguments.sizes:
            case = Case(n, arguments, device)
            for name in arguments.methods:
                sides = [partial(side, arguments.epochs) for side in case.sides(name)]
                cells = whole_fits(sides, arguments.fit_turns, device, case.clock(name))
                table.add(device, name, str(n), str(arguments.epochs), *cells)


TABLES = {"steps": steps, "fits": fits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--clips", type=int, default=512, help="of the first table")
    parser.add_argument("--frames", type=int, default=101)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--heads", type=int, default=10, help="of SPICE and SCAN")
    parser.add_argument("--turns", type=int, default=3, help="of the first table")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 30000], help="clips of the second table")
    parser.add_argument("--epochs", type=int, default=1, help="of the second table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the second table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1), help="processes of a DataLoader")
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--out", type=Path, help="folder for the tables as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)  # of scikit-learn and BLAS
    torch.manual_seed(0)
    hold_memory()
    for name in arguments.tables:
        TABLES[name](arguments)


if __name__ == "__main__":
    main()
