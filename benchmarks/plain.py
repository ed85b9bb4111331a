"""Plain loops of SPICE, SCAN and DeepCluster, the usual way to write the trainings that ``methods.py`` times.

They do the same work on the same network: for SPICE a Python loop over heads, each with its own E-step, cluster by
cluster, its own shuffle, its own forward pass and its own loss on all clips, by which the best is chosen; for SCAN and
DeepCluster a ``DataLoader`` that makes the views of a clip by the same ops when the clip is asked for, and scikit-learn
for DeepCluster's PCA and k-means. Made alone, a clip is mixed with itself by ``mixup``: the work is the same, the
picture is not. Adam is torch's default, where ours is fused.
"""

import copy
from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from audioclust.methods.deepcluster import CLIPS_A_DIM, DIMS_A_CLUSTER, DeepCluster
from audioclust.methods.scan import JUDGED, SCAN
from audioclust.methods.spice import SPICE
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.training import autocast, batches
from audioclust.nn.views import Frozen, embed


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


def embedded(network: nn.Module, clips: Clips, augment: Augment, device: str) -> Tensor:
    loader = DataLoader(PerClip(clips, augment.original, range(clips.n)), 128)
    network.eval()
    with torch.no_grad(), autocast(device):
        return torch.cat([network(x.to(device)).float() for x, _ in loader])


def e_step(features: Tensor, probs: Tensor) -> tuple[Tensor, Tensor]:
    k, rows = probs.shape[1], []
    each = len(probs) // k
    for c in range(k):
        centre = features[probs[:, c].argsort(descending=True)[: max(each // 2, 1)]].mean(0)
        rows.append((features @ centre).argsort(descending=True)[:each])
    return torch.cat(rows), torch.arange(k, device=probs.device).repeat_interleave(each)


def spice(model: SPICE, views: Frozen, epochs: int) -> None:
    """Stage 2 as a loop over heads; what is embedded is ours, as the encoder stands still."""
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
        best[1](embed(views.encoder, views.clips, views.augment.original)).softmax(1).cpu()


def scan_loss(p: Tensor, q: Tensor, weight: float) -> Tensor:
    mean = p.mean(0)
    return weight * (mean * mean.log()).sum() - (p * q).sum(1).log().mean()


def scan(model: SCAN, network: nn.Module, clips: Clips, embedding: Tensor, epochs: int) -> None:
    """Step 2 with views made clip by clip and loops over heads."""
    network = copy.deepcopy(network).to(model.device).requires_grad_(True).train()
    heads = nn.ModuleList(nn.Linear(embedding.shape[1], model.k) for _ in range(model.heads)).to(model.device)
    near, count, best = F.normalize(embedding, dim=1), min(model.neighbours, clips.n // model.k - 1) + 1, []
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
                loss = loss + scan_loss(p, q, model.entropy)
            _step(loss, optimiser)
        features = embedded(network, clips, model.augment, model.device)
        network.train()
        for head in heads:
            with torch.no_grad():
                p = head(features).softmax(1)
                loss = float(sum(scan_loss(p, p[column], 1.0) for column in mined[:, : 1 + JUDGED].T))
            if not best or loss < best[0]:
                best = [loss, copy.deepcopy(head), copy.deepcopy(network.state_dict())]
    network.load_state_dict(best[2])
    with torch.no_grad():
        best[1](embedded(network, clips, model.augment, model.device)).softmax(1).cpu()


def pseudo_labels(model: DeepCluster, clips: Clips, clusters: int, restarts: int, iterations: int) -> Tensor:
    features = embedded(model.network_, clips, model.augment, model.device).cpu().numpy()
    whitened = PCA(
        max(2, min(model.pca, clips.n // CLIPS_A_DIM, DIMS_A_CLUSTER * clusters if clusters == model.k else model.pca)),
        whiten=True,
    ).fit_transform(features)
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    found = KMeans(clusters, n_init=restarts, max_iter=iterations, random_state=0).fit_predict(whitened)
    return torch.from_numpy(found).long()


def deepcluster(model: DeepCluster, clips: Clips, epochs: int) -> None:
    """Pseudo-labels by scikit-learn, views made clip by clip, a sampler that draws cluster by cluster."""
    model._build(model.backbone, model.d, model.augment.bands(clips.f), model.channels)
    network, clusters, rng = model.network_, model._clusters(clips.n), np.random.default_rng(0)
    optimiser = torch.optim.SGD(network.parameters(), model.lr, model.momentum, weight_decay=model.weight_decay)
    for _ in range(epochs):
        labels = pseudo_labels(model, clips, clusters, 1, 20)
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
    pseudo_labels(model, clips, model.k, model.n_init, 100)


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
