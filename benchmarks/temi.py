"""TEMI: a training step and a whole fit, beside the reference formulation, a plain Python loop over heads.

``python benchmarks/temi.py [--heads 16 50] [--k 50] [--n 10000] [--sizes 3000 30000] [--epochs 1]`` prints two tables,
for the CPU and, if there is one, the GPU. First (``--tables steps``) a row per number of heads: seconds of a step, from
drawing the neighbours to updating the teacher, the ratio, the share of a step outside matrix products, Python and the
optimiser included, and on a GPU the share in which the device is busy, our step in float32 and its ratio to that in
bfloat16, and its memory. Second (``--tables fits``) whole fits of ``--sizes`` embeddings in ``--epochs`` epochs with
the first of ``--heads``, including the search for neighbours and the probabilities of all clips.

Both sides compute in the same precision, make as many steps (in the first table on the same clips), and take turns,
``--steps`` and ``--fit-turns`` of them; the ratio is the median over the turns. Our AdamW is fused, that of the loop is
torch's default. Seconds on the CPU are processor time, on one thread by default.
"""

import argparse
import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tables import Table
from threadpoolctl import threadpool_limits
from timing import beside, in_float32, peak, seconds, shares, spent, whole_fits
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from audioclust.devices import autocast, hold_memory
from audioclust.methods.temi import TEMI, Distillation
from audioclust.training.loop import batches

WARM = 2  # steps that allocate, and choose algorithms


class PlainHead(nn.Module):
    def __init__(self, d: int, hidden: int, bottleneck: int, k: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(d, hidden), nn.GELU(), nn.Linear(hidden, bottleneck))
        self.last = weight_norm(nn.Linear(bottleneck, k, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.normalize(self.mlp(x), dim=-1))


class Plain:
    """The reference formulation: a list of heads, and loops over it, over both sides of a pair, and over parameters."""

    def __init__(self, model: TEMI, x: Tensor, neighbours: Tensor):
        self.model, self.x, self.neighbours = model, x, neighbours
        d, device = x.shape[1], x.device
        heads = [PlainHead(d, model.hidden, model.bottleneck, model.k) for _ in range(model.heads)]
        self.student = nn.ModuleList(heads).to(device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        wide = [p for p in self.student.parameters() if p.ndim > 1]
        narrow = [p for p in self.student.parameters() if p.ndim == 1]
        self.optimiser = torch.optim.AdamW([{"params": wide}, {"params": narrow, "weight_decay": 0}], weight_decay=1e-4)
        self.q = [torch.full((model.k,), 1 / model.k, device=device) for _ in heads]

    def step(self, clips: Tensor, lr: float) -> Tensor:
        drawn = torch.randint(self.neighbours.shape[1], clips.shape)
        x = self.x[torch.cat([clips, self.neighbours[clips, drawn]]).to(self.x.device)]
        with autocast(x.device.type):
            with torch.no_grad():
                teacher = [(head(x).float() / 0.1).softmax(-1).chunk(2) for head in self.teacher]
            student = [(head(x).float() / 0.1).softmax(-1).chunk(2) for head in self.student]
        losses = self.losses(student, teacher)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.zero_grad()
        losses.mean().backward()
        self.optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                slow.mul_(self.model.momentum_).add_((1 - self.model.momentum_) * fast)
        return losses.detach()

    def losses(self, student: list[tuple[Tensor, Tensor]], teacher: list[tuple[Tensor, Tensor]]) -> Tensor:
        weight = sum((one * other).sum(-1) for one, other in teacher) / len(teacher)
        losses = []
        for h, (learnt, taught) in enumerate(zip(student, teacher, strict=True)):
            self.q[h] = 0.9 * self.q[h] + 0.1 * torch.cat(taught).mean(0)
            loss = 0
            for one, other in ((0, 1), (1, 0)):
                pmi = ((taught[one] * learnt[other]) ** self.model.beta / self.q[h]).sum(-1).log()
                loss = loss - (weight * pmi).mean() / 2
            losses.append(loss)
        return torch.stack(losses)


def plain_fit(model: TEMI, x: np.ndarray) -> None:
    x = model.prepare(x)
    near = F.normalize(x, dim=1)
    mined = [(block @ near.T).topk(model.neighbours_ + 1).indices[:, 1:] for block in near.split(2000)]
    plain = Plain(model, x, torch.cat(mined).cpu())
    for epoch in range(model.epochs):
        total = 0
        for head in plain.student:
            head.last.requires_grad_(epoch > 0)
        for clips in batches(len(x), model.batch_):
            total = total + plain.step(clips, model.lr)
    with torch.no_grad():
        (plain.teacher[int(total.argmin())](x) / 0.1).softmax(1).cpu()


def step(heads: int, arguments: argparse.Namespace, device: str) -> tuple[str, ...]:
    """Return a row of the first table."""
    model = TEMI(arguments.k, heads, batch=arguments.batch, device=device)
    rng = np.random.default_rng(0)
    x = model.prepare(rng.normal(size=(arguments.n, arguments.d)).astype(np.float32))
    ours = Distillation(model, x)
    drawn = [torch.randperm(arguments.n)[: arguments.batch] for _ in range(arguments.steps + WARM)]
    _, memory = peak(lambda: ours.step(drawn[0], 1e-4), device)  # before the loop's heads are there
    sides = ours, Plain(model, x, ours.neighbours)
    turns = [[seconds(lambda s=side, c=clips: s.step(c, 1e-4), device) for side in sides] for clips in drawn][WARM:]
    one, loop, ratio = beside(turns)
    last = slice(-arguments.profiled, None)
    few = [spent(lambda s=side: [s.step(clips, 1e-4) for clips in drawn[last]], device) for side in sides]
    measured = np.sum(turns[last], 0)
    (outside, busy), (loop_outside, _) = (shares(*each, device) for each in zip(few, measured, strict=True))

    def again() -> float:
        times = [seconds(lambda c=clips: ours.step(c, 1e-4), device) for clips in drawn]
        return float(np.median(times[WARM:]))

    full = in_float32(again, one, device)
    sizes = (str(size) for size in (heads, arguments.k, arguments.n, arguments.batch))
    return device, *sizes, f"{one:.4f}", f"{loop:.4f}", f"{ratio:.2f}", outside, loop_outside, busy, *full, memory


def fit(n: int, arguments: argparse.Namespace, device: str) -> list[Callable[[], object]]:
    """Return our side of a whole fit and the loop's."""
    model = TEMI(
        arguments.k, arguments.heads[0], batch=arguments.batch, epochs=arguments.epochs, warmup_epochs=0, device=device
    )
    x = np.random.default_rng(0).normal(size=(n, arguments.d)).astype(np.float32)
    return [lambda: model.fit(x), lambda: plain_fit(model, x)]


def steps(arguments: argparse.Namespace) -> None:
    """Print the first table."""
    table = Table(
        arguments.out, "temi_steps", "device", "heads", "k", "clips", "batch", "ours, s", "loop, s", "ratio",
        "outside products", "the loop's", "busy", "float32, s", "float32 / bf16", "memory, MiB",
    )  # fmt: skip
    for device in arguments.devices:
        for heads in arguments.heads:
            table.add(*step(heads, arguments, device))


def fits(arguments: argparse.Namespace) -> None:
    """Print the second table."""
    columns = "device", "heads", "k", "clips", "epochs", "ours, s", "loop, s", "ratio", "memory, MiB"
    table, turns = Table(arguments.out, "temi_fits", *columns), arguments.fit_turns
    heads, k = str(arguments.heads[0]), str(arguments.k)
    for device in arguments.devices:
        for side in fit(max(arguments.batch, 2 * arguments.k), arguments, device):
            side()  # loads kernels
        for n in arguments.sizes:
            cells = whole_fits(fit(n, arguments, device), turns, device)
            table.add(device, heads, k, str(n), str(arguments.epochs), *cells)


TABLES = {"steps": steps, "fits": fits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[16, 50])
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--d", type=int, default=768)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10, help="of the first table")
    # A loop over 50 heads is thousands of operations per step.
    parser.add_argument("--profiled", type=int, default=3, help="of these steps")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 30000], help="embeddings of the second table")
    parser.add_argument("--epochs", type=int, default=1, help="of the second table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the second table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--out", type=Path, help="folder for the tables as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)  # of BLAS
    torch.manual_seed(0)
    hold_memory()  # as in the stages; it matters for the large blocks of all heads at once
    for name in arguments.tables:
        TABLES[name](arguments)


if __name__ == "__main__":
    main()
