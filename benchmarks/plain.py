"""Plain loops of the deep methods, the usual way to write the trainings that ``methods.py`` times.

They do the same work on the same network: for SPICE a Python loop over heads, each with its own E-step, cluster by
cluster, its own shuffle, its own forward pass and its own loss on all clips, by which the best is chosen; for the
others on log-mels a ``DataLoader`` whose workers make the views of each clip by the same ops when the clip is loaded,
and scikit-learn for PCA and k-means; for DEC and IDEC a ``DataLoader`` of the embedding, as in the port to torch
(vlukiyanov/pt-dec). The losses of CC, IDFD, PCL, DEC and IDEC are formulated as in the official code. Made alone, a
clip is mixed with itself by ``mixup``: the work is the same, the view is not. Optimisers are torch's defaults, where
our Adam is fused; learning rates are constant.
"""

import copy
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

from audioclust.devices import autocast
from audioclust.methods.cc import CC
from audioclust.methods.dec import HIDDEN, Codes
from audioclust.methods.deepcluster.deepcluster import CLIPS_PER_DIM, DIMS_PER_CLUSTER, DeepCluster
from audioclust.methods.idec import IDEC
from audioclust.methods.idfd import ALPHA, IDFD
from audioclust.methods.pcl import PASSES, PCL, RESTARTS
from audioclust.methods.scan import JUDGED, SCAN
from audioclust.methods.spice import SPICE
from audioclust.networks.stacked import Stacked
from audioclust.networks.standardise import Standardise
from audioclust.pretext.moco import PARTS
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
    model._begin(clips, None)
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


def two_views(model: CC | PCL, clips: Clips, workers: int) -> DataLoader:
    """Return batches of two strong views of each clip and its number."""
    pairs = PerClip(clips, model.augment.strong_view, torch.arange(clips.n)[:, None])
    return DataLoader(pairs, model.batch, True, drop_last=clips.n >= model.batch, **several(workers, model.device))


def perceptron(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, inside), nn.ReLU(), nn.Linear(inside, outside))


def others(half: int, device: str) -> Tensor:
    """Return which of two halves' items are a row's negatives: all but itself and the same item of the other half."""
    same = torch.eye(half, dtype=torch.bool, device=device)
    return ~torch.cat([torch.cat([same, same]), torch.cat([same, same])], dim=1)


def contrast(similar: Tensor, negatives: Tensor) -> Tensor:
    """Return the cross-entropy of each row's positive, the same item of the other half, against its negatives."""
    count, half = len(similar), len(similar) // 2
    positive = torch.cat([similar.diag(half), similar.diag(-half)])[:, None]
    logits = torch.cat([positive, similar[negatives].reshape(count, -1)], dim=1)
    return F.cross_entropy(logits, torch.zeros(count, dtype=torch.int64, device=similar.device))


def cc_loss(z: list[Tensor], probs: list[Tensor], clips: Tensor, clusters: Tensor, model: CC) -> Tensor:
    """``clips``, ``clusters``: the negatives of either level, which the official code keeps too."""
    z, columns, balance = torch.cat(z), torch.cat([p.T for p in probs]), 0
    for p in probs:
        sizes = p.sum(0) / p.sum()
        balance = balance + math.log(len(sizes)) + (sizes * sizes.log()).sum()
    alike = F.cosine_similarity(columns[:, None], columns[None], dim=2)
    instance = contrast(z @ z.T / model.temperature, clips)
    return instance + contrast(alike / model.cluster_temperature, clusters) + balance


def cc(model: CC, network: nn.Module, clips: Clips, epochs: int, workers: int) -> None:
    """Both views go through the network one after the other."""
    device = model.device
    network = copy.deepcopy(network).to(device).requires_grad_(True)
    instance, cluster = (perceptron(network.d, d).to(device) for d in (model.projection, model.k))
    loader, originals = two_views(model, clips, workers), unchanged(clips, model.augment, workers, device)
    weights = [*network.parameters(), *instance.parameters(), *cluster.parameters()]
    optimiser = torch.optim.Adam(weights, model.lr)
    negatives = others(min(model.batch, clips.n), device), others(model.k, device)
    network.train()
    for _ in range(epochs):
        for *views, _ in loader:
            with autocast(device):
                h = [network(x.to(device, non_blocking=True)) for x in views]
                z, logits = [instance(each) for each in h], [cluster(each) for each in h]
            z = [F.normalize(each.float(), dim=1) for each in z]
            _step(cc_loss(z, [each.float().softmax(1) for each in logits], *negatives, model), optimiser)
    embedded(nn.Sequential(network, cluster), originals, device).softmax(1).argmax(1).cpu()


def kmeans(x: Tensor, k: int, restarts: int, iterations: int) -> KMeans:
    return KMeans(k, n_init=restarts, max_iter=iterations, random_state=0).fit(x.cpu().numpy())


def idfd(model: IDFD, network: nn.Module, clips: Clips, epochs: int, workers: int) -> None:
    """A memory of all clips, and k-means of it and of the clips' vectors at the end, as ours has both rows."""
    device = model.device
    network = copy.deepcopy(network).to(device).requires_grad_(True)
    network = nn.Sequential(network, nn.Linear(network.d, model.projection).to(device)).train()
    bound = (model.projection / 3) ** -0.5
    memory = torch.rand(clips.n, model.projection, device=device) * 2 * bound - bound
    views = PerClip(clips, model.augment.strong_view)
    loader = DataLoader(views, model.batch, True, drop_last=clips.n >= model.batch, **several(workers, device))
    originals = unchanged(clips, model.augment, workers, device)
    optimiser = torch.optim.SGD(network.parameters(), model.lr, 0.9, weight_decay=model.weight_decay)
    for _ in range(epochs):
        for x, rows in loader:
            rows = rows.to(device)
            with autocast(device):
                v = network(x.to(device, non_blocking=True))
            v = F.normalize(v.float(), dim=1)
            columns = F.normalize(v.T, dim=1)
            alike = columns @ columns.T / model.feature_temperature
            feature = F.cross_entropy(alike, torch.arange(len(alike), device=device))
            instance = F.cross_entropy(v @ memory.T / model.temperature, rows)
            _step(instance + ALPHA[model.variant] * feature, optimiser)
            moved = model.memory_momentum * memory[rows] + (1 - model.memory_momentum) * v.detach()
            memory[rows] = moved / moved.norm(dim=1, keepdim=True)
    for vectors in (F.normalize(embedded(network, originals, device), dim=1), memory):
        kmeans(vectors, model.k, model.n_init, 100)


def prototypes(x: Tensor, k: int, model: PCL) -> tuple[Tensor, Tensor, Tensor]:
    """Return centres of length 1, concentrations and clusters, by scikit-learn and cluster by cluster."""
    found, points = kmeans(x, k, RESTARTS, PASSES), x.cpu().numpy()
    distances = np.linalg.norm(points - found.cluster_centers_[found.labels_], axis=1)
    phi = np.zeros(k)
    for c in range(k):
        own = distances[found.labels_ == c]
        phi[c] = own.mean() / np.log(len(own) + model.alpha) if len(own) > 1 else 0
    phi[phi == 0] = phi.max()
    phi = phi.clip(*np.percentile(phi, (10, 90)))
    phi = torch.from_numpy(model.temperature * phi / phi.mean()).to(x)
    centres = torch.from_numpy(found.cluster_centers_).to(x)
    return F.normalize(centres, dim=1), phi, torch.from_numpy(found.labels_).long().to(x.device)


def proto_nce(q: Tensor, own: Tensor, centres: Tensor, phi: Tensor, most: int) -> Tensor:
    """A batch's own prototypes against each other, and against some of the clusters that it has no clip of."""
    absent = sorted(set(range(len(centres))) - set(own.tolist()))
    drawn = torch.tensor(random.sample(absent, min(most, len(absent))), dtype=torch.int64, device=own.device)
    rows = torch.cat([own, drawn])
    return F.cross_entropy(q @ centres[rows].T / phi[rows], torch.arange(len(q), device=q.device))


def shuffled(network: nn.Module, x: Tensor) -> Tensor:
    """Keys through the network in as many parts as ours has, where the official code has a part per GPU."""
    order = torch.randperm(len(x), device=x.device)
    parts = [network(part) for part in x[order].chunk(PARTS)]
    return torch.cat(parts)[order.argsort()]


def pcl(model: PCL, network: nn.Module, clips: Clips, epochs: int, workers: int) -> None:
    """MoCo's queue with a pointer, and prototypes of all clips at the start of each epoch."""
    device, clusters = model.device, [times * model.k for times in (1, 2, 4)]
    network = copy.deepcopy(network).to(device).requires_grad_(True)
    query = nn.Sequential(network, perceptron(network.d, model.projection).to(device))
    key = copy.deepcopy(query).requires_grad_(False)
    size = max(model.batch, min(model.queue, clips.n // 2) // model.batch * model.batch)
    queue, pointer = F.normalize(torch.randn(model.projection, size, device=device), dim=0), 0
    loader, originals = two_views(model, clips, workers), unchanged(clips, model.augment, workers, device)
    optimiser = torch.optim.SGD(query.parameters(), model.lr, 0.9, weight_decay=model.weight_decay)
    for _ in range(epochs):
        x = F.normalize(embedded(key, originals, device), dim=1)
        found = [prototypes(x, k, model) for k in clusters]
        query.train()
        key.train()
        for one, two, rows in loader:
            rows = rows.to(device)
            with torch.no_grad(), autocast(device):
                for mine, its in zip(key.parameters(), query.parameters(), strict=True):
                    mine.data = mine.data * model.momentum + its.data * (1 - model.momentum)
                k = shuffled(key, two.to(device, non_blocking=True))
            with autocast(device):
                q = query(one.to(device, non_blocking=True))
            q, k = (F.normalize(each.float(), dim=1) for each in (q, k))
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone()], dim=1) / model.temperature
            instance = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64, device=device))
            proto = sum(proto_nce(q, labels[rows], centres, phi, model.queue) for centres, phi, labels in found)
            queue[:, pointer : pointer + len(k)] = k.T
            pointer = (pointer + len(k)) % size
            _step(instance + proto / len(found), optimiser)
    kmeans(F.normalize(embedded(query, originals, device), dim=1), model.k, model.n_init, 100)


def student(codes: Tensor, centres: Tensor, alpha: float) -> Tensor:
    squared = ((codes[:, None] - centres) ** 2).sum(2)
    near = (1 / (1 + squared / alpha)) ** ((alpha + 1) / 2)
    return near / near.sum(1, keepdim=True)


def of_vectors(model: Codes, *vectors: Tensor) -> DataLoader:
    """Return shuffled batches; as no view is made, workers would have nothing to do."""
    n, more = len(vectors[0]), several(0, model.device)
    return DataLoader(TensorDataset(*vectors), model.batch, True, drop_last=n >= model.batch, **more)


def passes(network: nn.Module, x: Tensor, model: Codes, epochs: int) -> None:
    """Train an autoencoder to reconstruct vectors that lie on the CPU."""
    optimiser = torch.optim.Adam(network.parameters(), model.autoencoder_lr)
    loader = of_vectors(model, x)
    for _ in range(epochs):
        for (rows,) in loader:
            rows = rows.to(model.device, non_blocking=True)
            _step(F.mse_loss(network(rows), rows), optimiser)


def through(network: nn.Module, x: Tensor, device: str) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(rows.to(device)).cpu() for (rows,) in DataLoader(TensorDataset(x), 256)])


def dec(model: Codes, embedding: Tensor, epochs: int) -> None:
    """DEC or IDEC: each layer, the whole, then the clusters, with the target of all clips in each pass."""
    device, x = model.device, embedding.cpu()
    x = Standardise(x.shape[1]).fit(x)(x)
    network = Stacked([x.shape[1], *HIDDEN, model.d]).to(device)
    h, pairs = x, network.pairs()
    for place, (encode, decode) in enumerate(pairs):
        drop = nn.Dropout(model.corruption)
        inner, outer = (nn.Identity() if linear else nn.ReLU() for linear in (place == len(pairs) - 1, place == 0))
        passes(nn.Sequential(drop, encode, inner, drop, decode, outer), h, model, epochs)
        h = through(nn.Sequential(encode, inner), h, device)
    passes(network, x, model, epochs)
    start = kmeans(through(network.encoder, x, device), model.k, 20, 100).cluster_centers_
    centres = nn.Parameter(torch.from_numpy(start).float().to(device))
    keeps = isinstance(model, IDEC)  # the decoder
    weights = [*(network if keeps else network.encoder).parameters(), centres]
    optimiser = torch.optim.Adam(weights, model.lr) if keeps else torch.optim.SGD(weights, model.lr, 0.9)
    for _ in range(epochs):
        q = student(through(network.encoder, x, device), centres.detach().cpu(), model.alpha)
        squared = q**2 / q.sum(0)
        p = squared / squared.sum(1, keepdim=True)
        for rows, aim in of_vectors(model, x, p):
            rows, aim = rows.to(device, non_blocking=True), aim.to(device, non_blocking=True)
            codes = network.encoder(rows)
            q = student(codes, centres, model.alpha)
            loss = F.kl_div(q.log(), aim, reduction="batchmean")
            _step(F.mse_loss(network.decoder(codes), rows) + model.gamma * loss if keeps else loss, optimiser)
    student(through(network.encoder, x, device), centres.detach().cpu(), model.alpha).argmax(1)


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
