"""Seconds of k-means on a mixture's embeddings, per minute of audio, beside scikit-learn's for the same bins.

    python benchmarks/masks.py
    python benchmarks/masks.py --device cuda --noise 0.4 0.8 1.2

Embeddings of ``--dimensions`` per bin of a minute at 8 kHz: 7,500 frames of 129 bins, half of them active, of
``--sources`` sources, unit rows with noise. ``global`` is one k-means over the file, ours from the embeddings and the
active bins to the labels. ``segments`` is one per 100 frames: ours all at once, scikit-learn's one by one. The peer
gets the active bins as an array, on the CPU. Both sides make the same number of restarts and take turns; the ratio is
the median over the turns. Agreement is that of the labels, as adjusted Rand index of the file, or the mean of the
segments. Seconds on the CPU are processor time, on one thread by default.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from tables import Table
from threadpoolctl import threadpool_limits
from timing import beside, seconds
from torch import Tensor

from audioclust.separation import clusters
from audioclust.separation.masks import RESTARTS, global_labels, segments

FRAMES, BINS, SEGMENT = 7500, 129, 100  # of a minute, of a frame, frames


def embeddings(sources: int, dimensions: int, noise: float) -> tuple[Tensor, Tensor]:
    """Return embeddings (t, f, k) and which bins are active (t, f); ``noise`` is its length beside that of a centre."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.linalg.qr(torch.randn(dimensions, sources, generator=generator))[0].T
    labels = torch.randint(sources, (FRAMES, BINS), generator=generator)
    spread = torch.randn(FRAMES, BINS, dimensions, generator=generator) * noise / dimensions**0.5
    active = torch.rand(FRAMES, BINS, generator=generator) < 0.5
    return F.normalize(centres[labels] + spread, dim=2), active


def one(v: Tensor, active: Tensor, sources: int) -> list[np.ndarray]:
    """Return our labels of the active bins."""
    return [global_labels(v, active, sources)[active].cpu().numpy()]


def each(v: Tensor, active: Tensor, sources: int) -> list[np.ndarray]:
    """Return our labels of the active bins of each segment."""
    x, weights = segments(v, SEGMENT), segments(active, SEGMENT)
    found = clusters.nearest(x, clusters.centres(x, weights.float(), sources, restarts=RESTARTS))
    return [labels[counted].cpu().numpy() for labels, counted in zip(found, weights, strict=True)]


def peer(points: list[np.ndarray], sources: int) -> list[np.ndarray]:
    """Return scikit-learn's labels of each array of points."""
    return [KMeans(sources, n_init=RESTARTS, random_state=0).fit(x).labels_ for x in points]


def row(name: str, noise: float, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return a row of the table."""
    sources, device = arguments.sources, arguments.device
    v, active = embeddings(sources, arguments.dimensions, noise)
    pieces = zip(v.split(SEGMENT), active.split(SEGMENT), strict=True) if name == "segments" else [(v, active)]
    points = [x[counted].numpy() for x, counted in pieces]
    v, active = v.to(device), active.to(device)
    work = each if name == "segments" else one
    kept: dict[str, list[np.ndarray]] = {}

    def keep(side: str, labels: Callable[[], list[np.ndarray]]) -> Callable[[], None]:
        return lambda: kept.update({side: labels()})

    ours, theirs = keep("ours", lambda: work(v, active, sources)), keep("theirs", lambda: peer(points, sources))
    ours()  # loads kernels
    turns = [(seconds(ours, device), seconds(theirs, "cpu")) for _ in range(arguments.turns)]
    mine, other, ratio = beside(turns)
    agreement = np.mean([adjusted_rand_score(*pair) for pair in zip(kept["ours"], kept["theirs"], strict=True)])
    return device, name, f"{noise:g}", f"{mine:.3f}", f"{other:.3f}", f"{ratio:.1f}", f"{agreement:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--dimensions", type=int, default=40)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--only", nargs="+", choices=("global", "segments"), default=["global", "segments"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    columns = "device", "work", "noise", "ours, s", "scikit-learn, s", "ratio", "agreement"
    table = Table(arguments.out, "masks", *columns)
    with threadpool_limits(arguments.threads):
        for name in arguments.only:
            for noise in arguments.noise:
                table.add(*row(name, noise, arguments))


if __name__ == "__main__":
    main()
