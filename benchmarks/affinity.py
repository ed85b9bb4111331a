"""The loss of deep clustering, forward and backward, beside the plain formulation with autograd.

``python benchmarks/affinity.py [--frames 100 400] [--batch 8 32] [--k 40]`` prints a row per batch size and length of
the segments (129 bins per frame): seconds of ours and of the plain formulation, the ratio, and the MiB that each takes
at most beyond the embeddings. The plain formulation weights copies of V and Y, multiplies V'V, V'Y and Y'Y, and leaves
the gradient to autograd, as asteroid's ``deep_clustering_loss`` does; weights are asteroid's too, with two thirds of
the bins active.

Both sides take turns, ``--turns`` of them; seconds are the medians, the ratio that of the turns. Seconds on the CPU
are processor time, on one thread by default. There each row comes twice: with the C library's defaults, which return
large blocks to the system, and with freed memory held, as in trainings; memory is measured in the first.
"""

import argparse
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from tables import Table
from timing import beside, seconds
from torch import Tensor

from audioclust.devices import hold_memory
from audioclust.separation.affinity import affinity, weigh

BINS = 129
SOURCES = 2
CLEAR = Path("/proc/self/clear_refs")  # resets the peak of the resident memory, on Linux


def plain(v: Tensor, targets: Tensor, active: Tensor) -> Tensor:
    mask = active.float()[..., None]
    y = torch.zeros(*targets.shape, SOURCES, device=v.device).scatter_(2, targets[..., None], 1)
    v, y = v * mask, y * mask
    products = v.mT @ v, v.mT @ y, y.mT @ y
    vv, vy, yy = (product.square().sum((1, 2)) for product in products)
    return (vv - 2 * vy + yy) / mask.sum((1, 2))


def ours(v: Tensor, targets: Tensor, active: Tensor) -> Tensor:
    weights, divisor = weigh("active", targets, active, active, SOURCES)
    return affinity(v, targets, weights, SOURCES) / divisor


def step(loss: Callable[..., Tensor], v: Tensor, targets: Tensor, active: Tensor) -> Tensor:
    """Return the gradient of the mean loss."""
    return torch.autograd.grad(loss(v, targets, active).mean(), v)[0]


def resident(key: str) -> float:
    """Return an entry of this process's status in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def peak(work: Callable[[], object], device: str) -> str:
    """Return the cell of the MiB that ``work`` takes at most beyond what there was before it."""
    gc.collect()
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.0f}"
    if not CLEAR.exists():
        return "-"
    ctypes.CDLL(None).malloc_trim(0)
    CLEAR.write_text("5")
    before = resident("VmRSS")
    work()
    return f"{resident('VmHWM') - before:.0f}"


def row(frames: int, batch: int, held: bool, arguments: argparse.Namespace, device: str) -> tuple[str, ...]:
    """Return a row of the table."""
    shape, generator = (batch, frames * BINS), torch.Generator().manual_seed(0)
    v = F.normalize(torch.randn(*shape, arguments.k, generator=generator), dim=-1).to(device).requires_grad_()
    targets = torch.randint(SOURCES, shape, generator=generator).to(device)
    active = (torch.rand(shape, generator=generator) > 1 / 3).to(device)
    sides = [lambda loss=loss: step(loss, v, targets, active) for loss in (ours, plain)]
    one, other = (side() for side in sides)  # loads kernels
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * float(other.abs().max()))
    del one, other
    memory = ["-", "-"] if held and device == "cpu" else [peak(side, device) for side in sides]
    mine, loop, ratio = beside([[seconds(side, device) for side in sides] for _ in range(arguments.turns)])
    sizes = (str(size) for size in (frames, batch, arguments.k))
    return device, "yes" if held else "no", *sizes, f"{mine:.4f}", f"{loop:.4f}", f"{ratio:.2f}", *memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--k", type=int, default=40, help="dimensions of an embedding")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    table = Table(
        arguments.out, "affinity", "device", "held", "frames", "batch", "k", "ours, s", "plain, s", "ratio",
        "ours, MiB", "plain, MiB",
    )  # fmt: skip
    for device in arguments.devices:
        for held in (False, True) if device == "cpu" else (False,):
            if held:
                hold_memory()  # from here on
            for frames in arguments.frames:
                for batch in arguments.batch:
                    table.add(*row(frames, batch, held, arguments, device))


if __name__ == "__main__":
    main()
