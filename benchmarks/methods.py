"""SPICE, SCAN and DeepCluster: a training step and a whole fit, beside plain loops of the reference formulation.

``python benchmarks/methods.py [--clips 512] [--batch 128] [--sizes 3000 30000] [--epochs 1]`` prints two tables, for
the CPU and, where there is one, the GPU. First a step of each, with its part of what an epoch does once: SPICE's is
that of a batch of pseudo-labels for all heads. Beside its seconds stand the share of them outside convolutions and
matrix products, Python and the optimiser included, and on a GPU that in which the device is busy. The loops of a
``DataLoader`` are too many operations for the profiler. Then whole fits of ``--sizes`` clips in ``--epochs`` epochs.

The plain loops are the usual way to write the same training, and do the same work on the same network: for SPICE a
Python loop over heads, each with its own E-step, cluster by cluster, its own shuffle, its own forward pass and its own
loss on all clips, by which the best is chosen; for SCAN and DeepCluster a ``DataLoader`` that makes the views of a clip
by the same ops when the clip is asked for, and scikit-learn for DeepCluster's PCA and k-means. Made alone, a clip is
mixed with itself by ``mixup``: the work is the same, the picture is not. Adam of ours is fused, that of the loops is
torch's default. Both sides take turns, ``--turns`` for a step and ``--fit-turns`` for a fit, and the ratio is the
median of the turns. Seconds on the CPU are the processor's, on one thread.
"""

import argparse
import copy
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from timing import LONG, SHORT, beside, difference, seconds, shares, spent
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from audioclust.methods.deepcluster import CLIPS_A_DIM, DeepCluster
from audioclust.methods.scan import JUDGED, SCAN
from audioclust.methods.spice import SPICE
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import autocast, batches, hold_memory
from audioclust.nn.views import Frozen, embed
from audioclust.pretext.simclr import SimCLR

K = 10
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


def plain_e_step(features: Tensor, probs: Tensor) -> tuple[Tensor, Tensor]:
    each, rows = len(probs) // K, []
    for c in range(K):
        centre = features[probs[:, c].argsort(descending=True)[: max(each // 2, 1)]].mean(0)
        rows.append((features @ centre).argsort(descending=True)[:each])
    return torch.cat(rows), torch.arange(K, device=probs.device).repeat_interleave(each)


def plain_spice(model: SPICE, views: Frozen, epochs: int) -> None:
    """Stage 2 as a loop over heads; what is embedded is ours, as the encoder stands still."""
    n, d = views.embedding.shape
    heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, K)) for _ in range(model.heads))
    heads.to(views.embedding.device)
    optimiser, near, best = torch.optim.Adam(heads.parameters(), model.lr), F.normalize(views.embedding, dim=1), []
    for epoch in range(epochs):
        views.at(epoch)
        for pool in batches(n, model.pool):
            weak, original = views.weak(pool), F.normalize(views.original(pool), dim=1)
            with torch.no_grad():
                chosen = [plain_e_step(original, head(weak).softmax(1)) for head in heads]
            for _ in range(model.passes):
                orders = [torch.randperm(len(labels)) for _, labels in chosen]
                for start in range(0, max(len(orders[0]) - model.batch, 0) + 1, model.batch):
                    loss = 0
                    for head, (rows, labels), order in zip(heads, chosen, orders, strict=True):
                        pairs = order[start : start + model.batch].to(weak.device)
                        logits = head(views.strong(pool.to(weak.device)[rows[pairs]]))
                        loss = loss + F.cross_entropy(logits.softmax(1), labels[pairs])
                    _step(loss / len(heads), optimiser)
        for head in heads:
            with torch.no_grad():
                probs = head(views.embedding).softmax(1)
                rows, labels = plain_e_step(near, probs)
                loss = float(F.cross_entropy(probs[rows], labels))
            if not best or loss < best[0]:
                best = [loss, copy.deepcopy(head)]
    with torch.no_grad():
        best[1](embed(views.encoder, views.clips, views.augment.original)).softmax(1).cpu()


def plain_scan_loss(p: Tensor, q: Tensor, weight: float) -> Tensor:
    mean = p.mean(0)
    return weight * (mean * mean.log()).sum() - (p * q).sum(1).log().mean()


def plain_scan(model: SCAN, network: nn.Module, clips: Clips, embedding: Tensor, epochs: int) -> None:
    """Step 2 with views made clip by clip and loops over heads."""
    network = copy.deepcopy(network).to(model.device).requires_grad_(True).train()
    heads = nn.ModuleList(nn.Linear(embedding.shape[1], K) for _ in range(model.heads)).to(model.device)
    near, count, best = F.normalize(embedding, dim=1), min(model.neighbours, clips.n // K - 1) + 1, []
    mined = torch.cat([(block @ near.T).topk(count).indices for block in near.split(2000)]).cpu()
    loader = DataLoader(PerClip(clips, model.augment.strong, range(clips.n), mined), model.batch, True, drop_last=True)
    optimiser = torch.optim.Adam([*network.parameters(), *heads.parameters()], model.lr, weight_decay=1e-4)
    for _ in range(epochs):
        for one, two, _ in loader:
            with autocast(model.device):
                features = network(one.to(model.device)).float(), network(two.to(model.device)).float()
            loss = 0
            for head in heads:
                p, q = (head(x).softmax(1) for x in features)
                loss = loss + plain_scan_loss(p, q, model.entropy)
            _step(loss, optimiser)
        features = plain_features(network, clips, model.augment, model.device)
        network.train()
        for head in heads:
            with torch.no_grad():
                p = head(features).softmax(1)
                loss = float(sum(plain_scan_loss(p, p[column], 1.0) for column in mined[:, : 1 + JUDGED].T))
            if not best or loss < best[0]:
                best = [loss, copy.deepcopy(head), copy.deepcopy(network.state_dict())]
    network.load_state_dict(best[2])
    with torch.no_grad():
        best[1](plain_features(network, clips, model.augment, model.device)).softmax(1).cpu()


def plain_kmeans(model: DeepCluster, clips: Clips, clusters: int, restarts: int, iterations: int) -> Tensor:
    features = plain_features(model.network_, clips, model.augment, model.device).cpu().numpy()
    whitened = PCA(max(2, min(model.pca, clips.n // CLIPS_A_DIM)), whiten=True).fit_transform(features)
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    found = KMeans(clusters, n_init=restarts, max_iter=iterations, random_state=0).fit_predict(whitened)
    return torch.from_numpy(found).long()


def plain_deepcluster(model: DeepCluster, clips: Clips, epochs: int) -> None:
    """Pseudo-labels by scikit-learn, views made clip by clip, a sampler that draws cluster by cluster."""
    model._build(model.backbone, model.d, model.augment.bands(clips.f), model.channels)
    network, clusters, rng = model.network_, model._clusters(clips.n), np.random.default_rng(0)
    optimiser = torch.optim.SGD(network.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay)
    for _ in range(epochs):
        labels = plain_kmeans(model, clips, clusters, 1, 20)
        rows = [np.flatnonzero(labels.numpy() == c) for c in range(clusters)]
        each = clips.n // clusters + 1
        sample = rng.permutation(np.concatenate([rng.choice(r, each, len(r) < each) for r in rows]))
        loader = DataLoader(
            PerClip(clips, model.augment.strong, sample[: clips.n]), model.batch, shuffle=True, drop_last=True
        )
        top = nn.Linear(model.hidden, clusters).to(model.device)
        last = torch.optim.SGD(top.parameters(), model.lr, weight_decay=model.weight_decay)
        network.train()
        for x, clip in loader:
            with autocast(model.device):
                logits = top(F.relu(network(x.to(model.device))))
            last.zero_grad()
            _step(F.cross_entropy(logits.float(), labels[clip].to(model.device)), optimiser)
            last.step()
    plain_kmeans(model, clips, K, model.n_init, 100)


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

    def steps(self, name: str) -> int:
        """Return the steps of an epoch."""
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
            plain_spice(model, Frozen(self.encoder.backbone_, self.clips, self.augment, x, 2), epochs)
        elif name == "scan":
            plain_scan(model, self.encoder.backbone_, self.here, x, epochs)
        else:
            plain_deepcluster(model, self.here, epochs)


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
