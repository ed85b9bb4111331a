"""Plain loops of SPICE, SCAN and DeepCluster, the usual way to write the trainings that ``methods.py`` times.

They do the same work on the same network: for SPICE a Python loop over heads, each with its own E-step, cluster by
cluster, its own shuffle, its own forward pass and its own loss on all clips, by which the best is chosen; for SCAN and
DeepCluster a ``DataLoader`` whose workers make the views of each clip by the same ops when the clip is loaded, and
scikit-learn for DeepCluster's PCA and k-means. Made alone, a clip is mixed with itself by ``mixup``: the work is the
same, the view is not. Adam is torch's default, where ours is fused.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from audioclust.devices import autocast
from audioclust.methods.deepcluster.deepcluster import CLIPS_PER_DIM, DIMS_PER_CLUSTER, DeepCluster
from audioclust.methods.scan import JUDGED, SCAN
from audioclust.methods.spice import SPICE
from audioclust.training.loop import batches
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Frozen, embed


def several(workers: int, device: str) -> dict[str, Any]:
    """Return the arguments of a ``DataLoader`` with workers that stay, whose batches are copied without waiting."""
    return {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device == "cuda"}


class PerClip(Dataset):
    """Views of a clip and, if ``other`` (n, m) is given, of one of its ``other``, made when the clip is loaded."""

    def __init__(self, clips: Clips, view: Callable, other: Tensor | None = None):
        self.clips, self.view, self.other = clips, view, other

    def __len__(self) -> int:
        return self.clips.n

    def __getitem__(self, row: int) -> tuple:
        views = [self.view(*self.clips[slice(row, row + 1)])[0]]
        if self.other is not None:
            drawn = int(self.other[row, torch.randint(self.other.shape[1], ())])
            views.append(self.view(*self.clips[slice(drawn, drawn + 1)])[0])
        return (*views, row)


class Drawn(Sampler):
    """The ``rows`` of an epoch, which its loop replaces by others."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows.tolist())


def unchanged(clips: Clips, augment: Augment, workers: int, device: str) -> DataLoader:
    return DataLoader(PerClip(clips, augment.original_view), 128, **several(workers, device))


def embedded(network: nn.Module, originals: DataLoader, device: str) -> Tensor:
    network.eval()
    with torch.no_grad(), autocast(device):
        return torch.cat([network(x.to(device, non_blocking=True)).float() for x, _ in originals])


def e_step(features: Tensor, probs: Tensor) -> tuple[Tensor, Tensor]:
    k, rows = probs.shape[1], []
    each = len(probs) // k
    for c in range(k):
        centre = features[probs[:, c].argsort(descending=True)[: max(each // 2, 1)]].mean(0)
        rows.append((features @ centre).argsort(descending=True)[:each])
    return torch.cat(rows), torch.arange(k, device=probs.device).repeat_interleave(each)


def spice(model: SPICE, views: Frozen, epochs: int) -> None:
    """Stage 2 as a loop over heads; the embedded views are ours, as the encoder is frozen."""
    n, d = views.embedding.shape
    heads = nn.ModuleList(nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, model.k)) for _ in range(model.heads))
    heads.to(views.embedding.device)
    optimiser, near, best = torch.optim.Adam(heads.parameters(), model.lr), F.normalize(views.embedding, dim=1), []
    for epoch in range(epochs):
        views.at(epoch)
        for pool in batches(n, model.pool):
            weak, original = views.weak(pool), F.normalize(views.original(pool), dim=1)
            with torch.no_grad():
                chosen = [e_step(original, head(weak).softmax(1)) for head in heads]
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
                rows, labels = e_step(near, probs)
                loss = float(F.cross_entropy(probs[rows], labels))
            if not best or loss < best[0]:
                best = [loss, copy.deepcopy(head)]
    with torch.no_grad():
        best[1](embed(views.encoder, views.clips, views.augment.original_view)).softmax(1).cpu()


def scan_loss(p: Tensor, q: Tensor, weight: float) -> Tensor:
    mean = p.mean(0)
    return weight * (mean * mean.log()).sum() - (p * q).sum(1).log().mean()


def scan(model: SCAN, network: nn.Module, clips: Clips, embedding: Tensor, epochs: int, workers: int) -> None:
    """Step 2 with views made clip by clip and loops over heads."""
    device = model.device
    network = copy.deepcopy(network).to(device).requires_grad_(True).train()
    heads = nn.ModuleList(nn.Linear(embedding.shape[1], model.k) for _ in range(model.heads)).to(device)
    near, count, best = F.normalize(embedding, dim=1), min(model.neighbours, clips.n // model.k - 1) + 1, []
    mined = torch.cat([(block @ near.T).topk(count).indices for block in near.split(2000)]).cpu()
    pairs = PerClip(clips, model.augment.strong_view, mined)
    loader = DataLoader(pairs, model.batch, True, drop_last=clips.n >= model.batch, **several(workers, device))
    originals = unchanged(clips, model.augment, workers, device)
    optimiser = torch.optim.Adam([*network.parameters(), *heads.parameters()], model.lr, weight_decay=1e-4)
    for _ in range(epochs):
        for one, two, _ in loader:
            with autocast(device):
                features = [network(x.to(device, non_blocking=True)).float() for x in (one, two)]
            loss = 0
            for head in heads:
                p, q = (head(x).softmax(1) for x in features)
                loss = loss + scan_loss(p, q, model.entropy)
            _step(loss, optimiser)
        features = embedded(network, originals, device)
        network.train()
        for head in heads:
            with torch.no_grad():
                p = head(features).softmax(1)
                loss = float(sum(scan_loss(p, p[column], 1.0) for column in mined[:, : 1 + JUDGED].T))
            if not best or loss < best[0]:
                best = [loss, copy.deepcopy(head), copy.deepcopy(network.state_dict())]
    network.load_state_dict(best[2])
    with torch.no_grad():
        best[1](embedded(network, originals, device)).softmax(1).cpu()


def pseudo_labels(model: DeepCluster, clips: DataLoader, clusters: int, restarts: int, iterations: int) -> Tensor:
    features = embedded(model.network_, clips, model.device).cpu().numpy()
    most = min(model.pca, DIMS_PER_CLUSTER * clusters) if clusters == model.k else model.pca
    whitened = PCA(max(2, min(most, len(features) // CLIPS_PER_DIM)), whiten=True).fit_transform(features)
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    found = KMeans(clusters, n_init=restarts, max_iter=iterations, random_state=0).fit_predict(whitened)
    return torch.from_numpy(found).long()


def deepcluster(model: DeepCluster, clips: Clips, epochs: int, workers: int) -> None:
    """Pseudo-labels by scikit-learn, views made clip by clip, a sampler that draws cluster by cluster."""
    model._untrained(clips)
    model.network_ = network = model._fresh()
    clusters, rng = model._pseudo_labels(clips.n), np.random.default_rng(0)
    optimiser = torch.optim.SGD(network.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay)
    originals, drawn = unchanged(clips, model.augment, workers, model.device), Drawn(np.arange(clips.n))
    loader = DataLoader(
        PerClip(clips, model.augment.strong_view), model.batch, sampler=drawn, drop_last=clips.n >= model.batch,
        **several(workers, model.device),
    )  # fmt: skip
    for _ in range(epochs):
        labels = pseudo_labels(model, originals, clusters, 1, 20)
        rows = [np.flatnonzero(labels.numpy() == c) for c in range(clusters)]
        each = clips.n // clusters + 1
        drawn.rows = rng.permutation(np.concatenate([rng.choice(r, each, len(r) < each) for r in rows]))[: clips.n]
        top = nn.Linear(model.hidden, clusters).to(model.device)
        last = torch.optim.SGD(top.parameters(), model.lr, weight_decay=model.weight_decay)
        network.train()
        for x, clip in loader:
            with autocast(model.device):
                logits = top(F.relu(network(x.to(model.device, non_blocking=True))))
            last.zero_grad()
            _step(F.cross_entropy(logits.float(), labels[clip].to(model.device)), optimiser)
            last.step()
    pseudo_labels(model, originals, model.k, model.n_init, 100)


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
