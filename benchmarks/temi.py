"""One training step of TEMI, beside the reference formulation, a plain Python loop over heads, in the same run.

``python benchmarks/temi.py [--heads 16 50] [--k 50] [--n 10000] [--batch 512]`` prints a row for each number of heads
on the CPU and, where there is one, on the GPU: seconds of a step from drawing the neighbours to the new teacher, the
ratio, the share of a step outside matrix products, and on a GPU the share of the time in which it is busy. Both sides
compute in the same precision, take the same clips, and take turns; the ratio is the median of the turns. The CPU
computes on one thread, and its seconds are processor time, so that other work on the machine counts less.
"""

import argparse
import copy

import numpy as np
import torch
import torch.nn.functional as F
from timing import seconds, spent
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from audioclust.methods.temi import TEMI, Distillation
from audioclust.nn.training import autocast, hold_memory


class PlainHead(nn.Module):
    def __init__(self, d: int, hidden: int, bottleneck: int, k: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(d, hidden), nn.GELU(), nn.Linear(hidden, bottleneck))
        self.last = weight_norm(nn.Linear(bottleneck, k, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.normalize(self.mlp(x), dim=-1))


class Plain:
    """The reference formulation: a list of heads, and loops over it, over both sides of a pair, and over parameters."""

    def __init__(self, model: TEMI, training: Distillation):
        self.model, self.x, self.neighbours = model, training.x, training.neighbours
        d, device = self.x.shape[1], self.x.device
        heads = [PlainHead(d, model.hidden, model.bottleneck, model.k) for _ in range(model.heads)]
        self.student = nn.ModuleList(heads).to(device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        wide = [p for p in self.student.parameters() if p.ndim > 1]
        narrow = [p for p in self.student.parameters() if p.ndim == 1]
        self.optimiser = torch.optim.AdamW([{"params": wide}, {"params": narrow, "weight_decay": 0}], weight_decay=1e-4)
        self.q = [torch.full((model.k,), 1 / model.k, device=device) for _ in heads]

    def step(self, clips: Tensor, lr: float) -> None:
        drawn = torch.randint(self.neighbours.shape[1], clips.shape)
        x = self.x[torch.cat([clips, self.neighbours[clips, drawn]]).to(self.x.device)]
        with autocast(x.device.type):
            with torch.no_grad():
                teacher = [(head(x).float() / 0.1).softmax(-1).chunk(2) for head in self.teacher]
            student = [(head(x).float() / 0.1).softmax(-1).chunk(2) for head in self.student]
        loss = self.loss(student, teacher)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                slow.mul_(self.model.momentum).add_((1 - self.model.momentum) * fast)

    def loss(self, student: list[tuple[Tensor, Tensor]], teacher: list[tuple[Tensor, Tensor]]) -> Tensor:
        weight = sum((one * other).sum(-1) for one, other in teacher) / len(teacher)
        losses = []
        for h, (learnt, taught) in enumerate(zip(student, teacher, strict=True)):
            self.q[h] = 0.9 * self.q[h] + 0.1 * torch.cat(taught).mean(0)
            for one, other in ((0, 1), (1, 0)):
                pmi = ((taught[one] * learnt[other]) ** self.model.beta / self.q[h]).sum(-1).log()
                losses.append(-(weight * pmi).mean())
        return sum(losses) / len(losses)


def measure(heads: int, arguments: argparse.Namespace, device: str) -> str:
    """Return the row of a table."""
    model = TEMI(arguments.k, heads, batch=arguments.batch, device=device)
    rng = np.random.default_rng(0)
    x = model.prepare(rng.normal(size=(arguments.n, arguments.d)).astype(np.float32))
    ours = Distillation(model, x)
    plain = Plain(model, ours)
    times = []
    for _ in range(arguments.steps + 2):
        clips = torch.randperm(arguments.n)[: arguments.batch]
        times.append([seconds(lambda s=side, c=clips: s.step(c, 1e-4), device) for side in (ours, plain)])
    times = np.array(times[2:])  # the first ones allocate
    one, loop = np.median(times, axis=0)
    ratio = np.median(times[:, 1] / times[:, 0])
    (products, total), (loop_products, loop_total) = (
        spent(lambda s=side: s.step(clips, 1e-4), device) for side in (ours, plain)
    )
    busy = f"{min(total / one, 1):.0%}" if device == "cuda" else "-"
    return (
        f"| {device} | {heads} | {arguments.k} | {arguments.n} | {arguments.batch} | {one:.4f} | {loop:.4f} "
        f"| {ratio:.2f} | {1 - products / total:.0%} | {1 - loop_products / loop_total:.0%} | {busy} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[16, 50])
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--d", type=int, default=768)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hold_memory()  # as the stages do; it is the larger blocks of all heads at once that need it
    print("| device | heads | k | clips | batch | ours, s | loop, s | ratio | outside products | the loop's | busy |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for heads in arguments.heads:
            print(measure(heads, arguments, device), flush=True)


if __name__ == "__main__":
    main()
