"""TEMI's step and whole fits, beside the reference formulation, a plain Python loop over heads, in the same run.

``python benchmarks/temi.py [--heads 16 50] [--k 50] [--n 10000] [--sizes 3000 30000] [--epochs 1]`` prints two tables,
for the CPU and, where there is one, the GPU. First a row for each number of heads: seconds of a step from drawing the
neighbours to the new teacher, the ratio, the share of a step outside matrix products, Python and the optimiser
included, and on a GPU the share of the time in which it is busy. Then whole fits of ``--sizes`` embeddings in
``--epochs`` epochs with the first of ``--heads``, the search for neighbours and the probabilities of all clips
included.

Both sides compute in the same precision, do as many steps (the first table's on the same clips), and take turns,
``--steps`` and ``--fit-turns`` of them; the ratio is the median of the turns. AdamW of ours is fused, that of the loop
is torch's default. The CPU computes on one thread, and its seconds are processor time, so that other work on the
machine counts less.
"""

import argparse
import copy

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from timing import beside, seconds, shares, spent
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from audioclust.methods.temi import TEMI, Distillation
from audioclust.nn.training import autocast, batches, hold_memory


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
                slow.mul_(self.model.momentum).add_((1 - self.model.momentum) * fast)
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


def step(heads: int, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the first table."""
    model = TEMI(arguments.k, heads, batch=arguments.batch, device=device)
    rng = np.random.default_rng(0)
    x = model.prepare(rng.normal(size=(arguments.n, arguments.d)).astype(np.float32))
    ours = Distillation(model, x)
    sides = ours, Plain(model, x, ours.neighbours)
    drawn = [torch.randperm(arguments.n)[: arguments.batch] for _ in range(arguments.steps + 2)]
    turns = [[seconds(lambda s=side, c=clips: s.step(c, 1e-4), device) for side in sides] for clips in drawn]
    turns, drawn = turns[2:], drawn[2:]  # the first ones allocate
    one, loop, ratio = beside(turns)
    found = [spent(lambda s=side: [s.step(clips, 1e-4) for clips in drawn], device) for side in sides]
    (outside, busy), (loop_outside, _) = (shares(*each, device) for each in zip(found, np.sum(turns, 0), strict=True))
    return (
        f"| {device} | {heads} | {arguments.k} | {arguments.n} | {arguments.batch} | {one:.4f} | {loop:.4f} "
        f"| {ratio:.2f} | {outside} | {loop_outside} | {busy} |"
    )


def fit(n: int, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the second table."""
    heads, epochs = arguments.heads[0], arguments.epochs
    model = TEMI(arguments.k, heads, batch=arguments.batch, epochs=epochs, warmup_epochs=0, device=device)
    x = np.random.default_rng(0).normal(size=(n, arguments.d)).astype(np.float32)
    sides = (lambda: model.fit(x)), (lambda: plain_fit(model, x))
    ours, loop, ratio = beside([[seconds(side, device) for side in sides] for _ in range(arguments.fit_turns)])
    return f"| {device} | {heads} | {arguments.k} | {n} | {epochs} | {ours:.2f} | {loop:.2f} | {ratio:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[16, 50])
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--d", type=int, default=768)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10, help="of the first table")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 30000], help="embeddings of the second table")
    parser.add_argument("--epochs", type=int, default=1, help="of the second table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the second table")
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    threadpool_limits(1)  # of BLAS
    torch.manual_seed(0)
    hold_memory()  # as the stages do; it is the larger blocks of all heads at once that need it
    print("| device | heads | k | clips | batch | ours, s | loop, s | ratio | outside products | the loop's | busy |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for heads in arguments.heads:
            print(step(heads, arguments, device), flush=True)
    print("\n| device | heads | k | clips | epochs | ours, s | loop, s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for n in arguments.sizes:
            print(fit(n, arguments, device), flush=True)


if __name__ == "__main__":
    main()
