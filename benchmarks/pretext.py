"""What encoders are trained on and how fast: views of a batch beside a DataLoader's, and a training step's parts.

``python benchmarks/pretext.py [--clips 512] [--batch 128] [--sizes 3000] [--epochs 1] [--threads 1]`` prints three
tables, for the CPU and, where there is one, the GPU. First the two strong views of every clip, in clips per second:
ours, made a batch at a time where the clips lie, and the plain way, a ``DataLoader`` whose data set makes the views by
the same ops clip by clip, in this process and in two workers, then copied to the device. Made alone, a clip is mixed
with itself by ``mixup``: the work is the same, the picture is not. Then, for each encoder at its defaults: seconds of a
step, the share of them outside convolutions and matrix products, Python and the optimiser included, and on a GPU the
share in which it is busy. All are differences between fits of few and of many epochs, so that nothing before the first
step counts. Last whole fits of ``--sizes`` clips in ``--epochs`` epochs, beside the same training whose views are made
clip by clip on the CPU, stacked and copied, as by a ``DataLoader`` without workers; Adam is fused on both sides.

Both sides take turns, ``--turns`` in the first table and ``--fit-turns`` in the last, and the ratio is the median of
the turns. On the CPU the seconds are the processor's, but for the first table.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from timing import LONG, SHORT, beside, difference, seconds, shares, spent
from torch.utils.data import DataLoader, Dataset

from audioclust import registry
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import batches, hold_memory


class Plain(Dataset):
    """A clip's two views, made from that clip alone."""

    def __init__(self, clips: Clips, augment: Augment):
        self.clips, self.augment = clips, augment

    def __len__(self) -> int:
        return self.clips.n

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        x, frames = self.clips[slice(row, row + 1)]
        return self.augment.strong(x, frames)[0], self.augment.strong(x, frames)[0]


def ours(clips: Clips, augment: Augment, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for rows in batches(clips.n, batch):
        x, frames = clips[rows]
        yield augment.strong(x, frames), augment.strong(x, frames)


def plain(loader: DataLoader, device: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for one, two in loader:
        yield one.to(device), two.to(device)


def exhaust(views: Iterator) -> None:
    for _ in views:
        pass


def data_path(logmel: np.ndarray, batch: int, turns: int, device: str) -> str:
    """Return the row of the first table."""
    augment = Augment()
    clips, here = Clips(logmel, device=device), Plain(Clips(logmel), augment)
    several = {"batch_size": batch, "shuffle": True, "drop_last": True}
    workers = [DataLoader(here, **several), DataLoader(here, **several, num_workers=2, persistent_workers=True)]
    times = []
    for _ in range(turns + 1):
        # By the clock on the wall: workers are other processes.
        turn = [seconds(lambda: exhaust(ours(clips, augment, batch)), device, time.perf_counter)]
        turn += [seconds(lambda w=loader: exhaust(plain(w, device)), device, time.perf_counter) for loader in workers]
        times.append(turn)
    times = np.array(times[1:])  # the first one starts the workers
    made = len(logmel) // batch * batch
    rate, none, two = made / np.median(times, axis=0)
    against_none, against_two = np.median(times[:, 1:] / times[:, :1], axis=0)
    return (
        f"| {device} | {len(logmel)} | {batch} | {rate:.0f} | {none:.0f} | {against_none:.1f} "
        f"| {two:.0f} | {against_two:.1f} |"
    )


def step(name: str, logmel: np.ndarray, batch: int, device: str) -> str:
    """Return a row of the second table."""
    clips = Clips(logmel, device=device)

    def fit(epochs: int) -> None:
        registry.get("pretext", name)(batch=batch, epochs=epochs, device=device).fit(clips)

    fit(SHORT)  # allocates, chooses algorithms
    steps = (LONG - SHORT) * (len(logmel) // batch)
    whole = difference(seconds, fit, device)
    outside, busy = shares(difference(spent, fit, device), whole, device)
    return f"| {device} | {name} | {batch} | {whole / steps:.4f} | {outside} | {busy} |"


def clip_by_clip(encoder: type) -> type:
    """Return an encoder that is trained on views made one clip after the other."""

    class ClipByClip(encoder):
        def _views(self, clips: Clips, rows: torch.Tensor, ops: list[str]) -> tuple[torch.Tensor, ...]:
            made = super()._views
            pairs = [made(clips, row, ops) for row in rows.split(1)]
            return tuple(torch.cat(side).to(self.device) for side in zip(*pairs, strict=True))

    return ClipByClip


def whole_fit(name: str, logmel: np.ndarray, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the third table."""
    encoder, more = registry.get("pretext", name), {"batch": arguments.batch, "epochs": arguments.epochs}
    clips, here = Clips(logmel, device=device), Clips(logmel)
    sides = (
        lambda: encoder(**more, device=device).fit(clips),
        lambda: clip_by_clip(encoder)(**more, device=device).fit(here),
    )
    ours, loop, ratio = beside([[seconds(side, device) for side in sides] for _ in range(arguments.fit_turns)])
    return f"| {device} | {name} | {len(logmel)} | {arguments.epochs} | {ours:.1f} | {loop:.1f} | {ratio:.2f} |"


def noise(n: int, frames: int) -> np.ndarray:
    """Return log-mels (n, f, t) float16."""
    return np.random.default_rng(0).normal(-6, 4, (n, 64, frames)).astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--clips", type=int, default=512)
    parser.add_argument("--frames", type=int, default=401)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4, help="of an epoch, in the second table")
    parser.add_argument("--turns", type=int, default=3, help="of the first table")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000], help="clips of the third table")
    parser.add_argument("--epochs", type=int, default=1, help="of the third table")
    parser.add_argument("--fit-turns", type=int, default=1, help="of the third table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threadpool_limits(arguments.threads)  # of BLAS
    torch.manual_seed(0)
    hold_memory()
    logmel = noise(arguments.clips, arguments.frames)
    print("| device | clips | batch | ours, clips/s | DataLoader, clips/s | ratio | two workers, clips/s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        print(data_path(logmel, arguments.batch, arguments.turns, device), flush=True)
    print("\n| device | encoder | batch | step, s | outside convolutions and products | busy |")
    print("|---|---|---|---|---|---|")
    for device in arguments.devices:
        for name in registry.names("pretext"):
            print(step(name, logmel[: arguments.steps * arguments.batch], arguments.batch, device), flush=True)
    print("\n| device | encoder | clips | epochs | ours, s | clip by clip, s | ratio |")
    print("|---|---|---|---|---|---|---|")
    for device in arguments.devices:
        for n in arguments.sizes:
            logmel = noise(n, arguments.frames)
            for name in registry.names("pretext"):
                print(whole_fit(name, logmel, arguments, device), flush=True)


if __name__ == "__main__":
    main()
