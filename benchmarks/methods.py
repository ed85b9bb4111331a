"""SPICE, SCAN and DeepCluster: a training step and a whole fit, beside plain loops of the reference formulation.

``python benchmarks/methods.py [--clips 512] [--batch 128] [--sizes 3000 30000] [--epochs 1]`` prints two tables, for
the CPU and, if there is one, the GPU. First the seconds of a training step, with its share of what is done once per
epoch; SPICE's step is that of a batch of pseudo-labels for all heads. Then the share of those seconds outside
convolutions and matrix products, Python and the optimiser included, and on a GPU the share in which the device is busy.
The loops of a ``DataLoader`` are too many operations for the profiler. Second whole fits of ``--sizes`` clips in
``--epochs`` epochs.

The loops are in ``plain.py``. Both sides take turns, ``--turns`` for a step and ``--fit-turns`` for a fit, and the
ratio is the median over the turns. Seconds on the CPU are processor time, on one thread.
"""

import argparse
from functools import partial

import numpy as np
import plain
import torch
from threadpoolctl import threadpool_limits
from timing import LONG, SHORT, beside, difference, seconds, shares, spent

from audioclust.devices import hold_memory
from audioclust.methods.deepcluster import DeepCluster
from audioclust.methods.scan import SCAN
from audioclust.methods.spice import SPICE
from audioclust.pretext.simclr import SimCLR
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Frozen

K = 10
AUGMENT = {"width": 48, "pool": (2, 2)}


class Case:
    """Clips, and an encoder with random weights: it is as fast as a trained one."""

    def __init__(self, n: int, arguments: argparse.Namespace, device: str):
        rng = np.random.default_rng(0)
        logmel = rng.normal(-6, 4, (n, 64, arguments.frames)).astype(np.float16)
        self.arguments, self.device, self.augment = arguments, device, Augment(**AUGMENT)
        self.clips, self.here = Clips(logmel, device=device), Clips(logmel)
        few = Clips(logmel[:4], device=device)
        self.encoder = SimCLR(channels=32, epochs=1, batch=4, augment=self.augment, device=device).fit(few)
        self.encoder.mean_, self.encoder.std_ = self.clips.mean, self.clips.std
        self.embedding = self.encoder.transform(self.clips)

    def model(self, name: str, epochs: int) -> SPICE | SCAN | DeepCluster:
        batch, more = self.arguments.batch, {"augment": self.augment, "device": self.device}
        if name == "spice":
            return SPICE(K, "self", self.arguments.heads, epochs, batch=batch, views=2, **more)
        if name == "scan":
            return SCAN(K, "cluster", heads=self.arguments.heads, epochs=epochs, batch=batch, **more)
        return DeepCluster(K, epochs=epochs, batch=batch, channels=32, **more)

    def steps(self, name: str) -> int:
        """Return the steps per epoch."""
        batch, n = self.arguments.batch, self.clips.n
        if name != "spice":
            return max(n // batch, 1)
        model = self.model(name, 1)
        pool = min(n, model.pool)
        return n // pool * model.passes * max(pool // K * K // batch, 1)

    def ours(self, name: str, epochs: int) -> None:
        self.model(name, epochs).fit(self.clips, encoder=self.encoder, embedding=self.embedding)

    def plain(self, name: str, epochs: int) -> None:
        model, x = self.model(name, epochs), torch.from_numpy(self.embedding).to(self.device)
        if name == "spice":
            plain.spice(model, Frozen(self.encoder.backbone_, self.clips, self.augment, x, 2), epochs)
        elif name == "scan":
            plain.scan(model, self.encoder.backbone_, self.here, x, epochs)
        else:
            plain.deepcluster(model, self.here, epochs)


def step(name: str, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the first table."""
    case = Case(arguments.clips, arguments, device)
    sides = [partial(side, name) for side in (case.ours, case.plain)]
    for side in sides:
        side(SHORT)  # allocates, chooses algorithms
    ours, loop, ratio = beside([[difference(seconds, side, device) for side in sides] for _ in range(arguments.turns)])
    outside, busy = shares(difference(spent, sides[0], device), ours, device)
    loop_outside = shares(difference(spent, sides[1], device), loop, device)[0] if name == "spice" else "-"
    steps = (LONG - SHORT) * case.steps(name)
    return (
        f"| {device} | {name} | {arguments.batch} | {ours / steps:.4f} | {loop / steps:.4f} | {ratio:.2f} "
        f"| {outside} | {loop_outside} | {busy} |"
    )


def fit(name: str, n: int, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the second table."""
    case = Case(n, arguments, device)
    sides = [partial(side, name, arguments.epochs) for side in (case.ours, case.plain)]
    ours, loop, ratio = beside([[seconds(side, device) for side in sides] for _ in range(arguments.fit_turns)])
    return f"| {device} | {name} | {n} | {arguments.epochs} | {ours:.1f} | {loop:.1f} | {ratio:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--methods", nargs="+", default=["spice", "scan", "deepcluster"])
    parser.add_argument("--clips", type=int, default=512, help="of the first table")
    parser.add_argument("--frames", type=int, default=101)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--heads", type=int, default=10, help="of SPICE and SCAN")
    parser.add_argument("--turns", type=int, default=3, help="of the first table")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 30000], help="clips of the second table")
    parser.add_argument("--epochs", type=int, default=1, help="of the second table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the second table")
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # of scikit-learn and BLAS
    torch.manual_seed(0)
    hold_memory()
    print("| device | method | batch | ours, s | loop, s | ratio | outside products | the loop's | busy |")
    print("|---|---|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for name in arguments.methods:
            print(step(name, arguments, device), flush=True)
    print("\n| device | method | clips | epochs | ours, s | loop, s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for n in arguments.sizes:
            for name in arguments.methods:
                print(fit(name, n, arguments, device), flush=True)


if __name__ == "__main__":
    main()
