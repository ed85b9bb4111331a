"""SPICE, SCAN and DeepCluster: a training step and a whole fit, beside plain loops of the reference formulation.

``python benchmarks/methods.py [--clips 512] [--batch 128] [--sizes 3000 30000] [--epochs 1]`` prints two tables, for
the CPU and, where there is one, the GPU. First a step of each: its seconds, the share of it spent outside convolutions
and matrix products, and on a GPU the share of the time in which the device is busy. SPICE's is the step of a batch of
pseudo-labels for all heads with its part of the E-step. Then whole fits of ``--sizes`` clips in ``--epochs`` epochs.

The plain loops are the usual way to write the same training, and do the same work on the same network: for SPICE a
Python loop over heads, each with its own E-step, cluster by cluster, its own shuffle and its own forward pass; for SCAN
and DeepCluster a ``DataLoader`` that makes the views of a clip by the same ops when the clip is asked for, and
scikit-learn for DeepCluster's PCA and k-means. Both take turns. Seconds on the CPU are the processor's, on one thread.
"""

import argparse
import copy
from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from timing import seconds, spent
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from audioclust.methods.deepcluster import DeepCluster
from audioclust.methods.scan import SCAN
from audioclust.methods.spice import SPICE
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import autocast, batches, hold_memory
from audioclust.nn.views import Frozen
from audioclust.pretext.simclr import SimCLR

K = 10
SHORT, LONG = 1, 3  # epochs of the two fits whose difference is that of steps
AUGMENT = {"width": 48, "pool": (2, 2)}


class PerClip(Dataset):
    """Views of a clip, and of another where ``other`` (n, m) names some for each, made when it is asked for."""

    def __init__(self, clips: Clips, view: Callable, rows: Iterable[int], other: Tensor | None = None):
        self.clips, self.view, self.rows, self.other = clips, view, list(rows), other

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple:
        row = self.rows[place]
        views = [self.view(*self.clips[slice(row, row + 1)])[0]]
        if self.other is not None:
            drawn = int(self.other[row, torch.randint(self.other.shape[1], ())])
            views.append(self.view(*self.clips[slice(drawn, drawn + 1)])[0])
        return (*views, row)


def plain_features(network: nn.Module, clips: Clips, augment: Augment, device: str) -> Tensor:
    loader = DataLoader(PerClip(clips, augment.original, range(clips.n)), 128)
    network.eval()
    with torch.no_grad(), autocast(device):
        return torch.cat([network(x.to(device)).float() for x, _ in loader])


def plain_spice(model: SPICE, views: Frozen, epochs: int) -> None:
    """Stage 2 as a loop over heads; the embedded views are ours, as the encoder stands still."""
    n, d = views.embedding.shape
    heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, K)) for _ in range(model.heads))
    heads.to(views.embedding.device)
    optimiser = torch.optim.Adam(heads.parameters(), model.lr)
    for epoch in range(epochs):
        views.at(epoch)
        for pool in batches(n, model.pool):
            weak, original = views.weak(pool), F.normalize(views.original(pool), dim=1)
            each, chosen = len(pool) // K, []
            for head in heads:
                with torch.no_grad():
                    probs = head(weak).softmax(1)
                rows = []
                for c in range(K):
                    centre = original[probs[:, c].argsort(descending=True)[: max(each // 2, 1)]].mean(0)
                    rows.append((original @ centre).argsort(descending=True)[:each])
                chosen.append((torch.cat(rows), torch.arange(K, device=weak.device).repeat_interleave(each)))
            for _ in range(model.passes):
                orders = [torch.randperm(len(labels)) for _, labels in chosen]
                for start in range(0, max(K * each - model.batch, 0) + 1, model.batch):
                    loss = 0
                    for head, (rows, labels), order in zip(heads, chosen, orders, strict=True):
                        pairs = order[start : start + model.batch].to(weak.device)
                        logits = head(views.strong(pool.to(weak.device)[rows[pairs]]))
                        loss = loss + F.cross_entropy(logits.softmax(1), labels[pairs])
                    _step(loss / len(heads), optimiser)
    for head in heads:
        with torch.no_grad():
            head(views.embedding).argmax(1)


def plain_scan(model: SCAN, network: nn.Module, clips: Clips, embedding: Tensor, epochs: int) -> None:
    """Step 2 with views made clip by clip and a loop over heads."""
    network = copy.deepcopy(network).to(model.device).requires_grad_(True).train()
    heads = nn.ModuleList(nn.Linear(embedding.shape[1], K) for _ in range(model.heads)).to(model.device)
    near = F.normalize(embedding, dim=1)
    mined = torch.cat([(block @ near.T).topk(model.neighbours + 1).indices for block in near.split(2000)]).cpu()
    loader = DataLoader(PerClip(clips, model.augment.strong, range(clips.n), mined), model.batch, True, drop_last=True)
    optimiser = torch.optim.Adam([*network.parameters(), *heads.parameters()], model.lr, weight_decay=1e-4)
    for _ in range(epochs):
        for one, two, _ in loader:
            with autocast(model.device):
                features = network(one.to(model.device)).float(), network(two.to(model.device)).float()
            loss = 0
            for head in heads:
                p, q = (head(x).softmax(1) for x in features)
                mean = p.mean(0)
                loss = loss - (p * q).sum(1).log().mean() + model.entropy * (mean * mean.log()).sum()
            _step(loss, optimiser)
        plain_features(network, clips, model.augment, model.device)
        network.train()


def plain_deepcluster(model: DeepCluster, clips: Clips, epochs: int) -> None:
    """Pseudo-labels by scikit-learn, views made clip by clip, a sampler that draws cluster by cluster."""
    model._build(model.backbone, model.d, model.augment.bands(clips.f), model.channels)
    network, clusters, rng = model.network_, min(10 * K, clips.n // 10), np.random.default_rng(0)
    optimiser = torch.optim.SGD(network.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay)
    for _ in range(epochs):
        features = plain_features(network, clips, model.augment, model.device).cpu().numpy()
        whitened = PCA(max(2, min(model.pca, clips.n // 20)), whiten=True).fit_transform(features)
        whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
        labels = torch.from_numpy(KMeans(clusters, n_init=1, max_iter=20).fit_predict(whitened)).long()
        rows = [np.flatnonzero(labels.numpy() == c) for c in range(clusters)]
        each = clips.n // clusters + 1
        sample = np.concatenate([rng.choice(r, each, len(r) < each) for r in rows])
        loader = DataLoader(
            PerClip(clips, model.augment.strong, sample[: clips.n]), model.batch, shuffle=True, drop_last=True
        )
        top = nn.Linear(model.hidden, clusters).to(model.device)
        last = torch.optim.SGD(top.parameters(), model.lr)
        network.train()
        for x, clip in loader:
            with autocast(model.device):
                logits = top(F.relu(network(x.to(model.device))))
            last.zero_grad()
            _step(F.cross_entropy(logits.float(), labels[clip].to(model.device)), optimiser)
            last.step()
    features = plain_features(network, clips, model.augment, model.device).cpu().numpy()
    KMeans(K, n_init=10).fit(PCA(max(2, min(model.pca, clips.n // 20)), whiten=True).fit_transform(features))


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


class Case:
    """Clips and an encoder with random weights, of which the speed is that of a trained one."""

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

    def ours(self, name: str, epochs: int) -> None:
        self.model(name, epochs).fit(self.clips, encoder=self.encoder, embedding=self.embedding)

    def plain(self, name: str, epochs: int) -> None:
        model, x = self.model(name, epochs), torch.from_numpy(self.embedding).to(self.device)
        if name == "spice":
            plain_spice(model, Frozen(self.encoder.backbone_, self.clips, self.augment, x, 2), epochs)
        elif name == "scan":
            plain_scan(model, self.encoder.backbone_, self.here, x, epochs)
        else:
            plain_deepcluster(model, self.here, epochs)


def step(name: str, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the first table."""
    case = Case(arguments.clips, arguments, device)
    steps = (LONG - SHORT) * (arguments.clips // arguments.batch)
    if name == "spice":
        steps *= case.model(name, 1).passes
    found = []
    for side in (case.ours, case.plain):
        side(name, SHORT)  # allocates, chooses algorithms
        turns = [
            seconds(lambda s=side: s(name, LONG), device) - seconds(lambda s=side: s(name, SHORT), device)
            for _ in range(arguments.turns)
        ]
        products, total = spent(lambda s=side: s(name, LONG), device) - spent(lambda s=side: s(name, SHORT), device)
        found.append((float(np.median(turns)), 1 - products / total, total))
    (whole, outside, total), (loop, loop_outside, _) = found
    busy = f"{min(total / whole, 1):.0%}" if device == "cuda" else "-"
    return (
        f"| {device} | {name} | {arguments.batch} | {whole / steps:.4f} | {loop / steps:.4f} | {loop / whole:.2f} "
        f"| {outside:.0%} | {loop_outside:.0%} | {busy} |"
    )


def fit(name: str, n: int, arguments: argparse.Namespace, device: str) -> str:
    """Return a row of the second table."""
    case = Case(n, arguments, device)
    ours, plain = (seconds(lambda s=side: s(name, arguments.epochs), device) for side in (case.ours, case.plain))
    return f"| {device} | {name} | {n} | {arguments.epochs} | {ours:.1f} | {plain:.1f} | {plain / ours:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--methods", nargs="+", default=["spice", "scan", "deepcluster"])
    parser.add_argument("--clips", type=int, default=512, help="of the first table")
    parser.add_argument("--frames", type=int, default=101)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--heads", type=int, default=10, help="of SPICE and SCAN")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[3000, 30000], help="clips of the second table")
    parser.add_argument("--epochs", type=int, default=1, help="of the second table")
    parser.add_argument("--devices", nargs="+", default=["cpu"] + ["cuda"] * torch.cuda.is_available())
    arguments = parser.parse_args()
    torch.set_num_threads(1)
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
