"""PCL (Li, Zhou, Xiong and Hoi, ICLR 2021, arXiv 2005.04966) on log-mels: MoCo with prototypes of clusters.

In each epoch after a warm-up, k-means groups the key network's vectors of all clips, several times into different
numbers of clusters. Their centres are prototypes: a query must be nearer to that of its clip's cluster than to all
others, at a temperature of its own, the cluster's concentration. To this ProtoNCE MoCo's loss is added, so that a
query also finds the key of the other view of its clip.

What differs from the official code (salesforce/PCL):

- Views are log-mels', not images'; the backbone is BYOL-A's, not ResNet-50. It may begin with an encoder's weights.
- Numbers of clusters, queue and momentum are sized by the number of clips: see ``PCL``.
- All other prototypes are negatives; there, 16,384 drawn from those of clusters that are not in the batch, so that two
  clips of one cluster are each other's negative with one and the same prototype.
- The clusters of the result are those of k-means on the vectors of the original views; there, none are reported.

Shapes: n clips, b of a batch, d dims of a vector, k clusters, m keys.
"""

from copy import deepcopy
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import autocast
from audioclust.methods._either import Either
from audioclust.methods._start import ByKMeans
from audioclust.networks import backbones, ema
from audioclust.networks.heads import mlp
from audioclust.parameters import Count, NonNegative, Positive, Probability, Unit
from audioclust.points.kmeans import kmeans, sums
from audioclust.pretext._contrastive import info_nce
from audioclust.pretext.moco import enqueue, shuffled_parts
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.schedules import cosine, size_by_steps
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed
from audioclust.views.maker import Maker

BATCH, EPOCHS, MOMENTUM = 256, 200, 0.999  # published
MULTIPLES = (1, 2, 4)  # of k: numbers of clusters, as 25,000, 50,000 and 100,000 in the paper
WARMUP = 0.1  # of the epochs; 20 of 200 published
RESTARTS, PASSES = 5, 20  # of k-means in each epoch, published

# The loss


class Prototypes(NamedTuple):
    """Of one clustering: the centres (k, d) of length 1, their concentrations (k,), and each clip's cluster (n,)."""

    centres: Tensor
    concentrations: Tensor
    labels: Tensor


def concentrations(x: Tensor, labels: Tensor, centres: Tensor, temperature: float = 0.2, alpha: float = 10.0) -> Tensor:
    """Return phi (k,), Eq. 12: mean distance of a cluster's vectors to its centre over log(size + alpha).

    A cluster of one vector takes the largest of the others; then all are clipped to their 10th and 90th percentiles
    and scaled to a mean of ``temperature``, as the official code does.

    Args:
        x: (n, d).
        labels: (n,) of clusters.
        centres: (k, d), not scaled to length 1.
        temperature: the mean of all.
        alpha: keeps small clusters from being over-concentrated.
    """
    distances = sums((x - centres[labels]).norm(dim=1, keepdim=True), labels, len(centres))[:, 0]
    sizes = torch.bincount(labels, minlength=len(centres)).to(x.dtype)
    phi = distances / sizes.clamp_min(1) / (sizes + alpha).log()
    phi = torch.where(sizes > 1, phi, phi.max())
    low, high = torch.quantile(phi, torch.tensor([0.1, 0.9], dtype=x.dtype, device=x.device))
    phi = phi.clamp(low, high)
    mean = phi.mean()
    return temperature * phi / mean if mean > 0 else torch.full_like(phi, temperature)


def proto_nce(q: Tensor, centres: Tensor, phi: Tensor, own: Tensor) -> Tensor:
    """Return the mean of -log softmax of a query's own prototype, Eq. 11.

    Args:
        q: queries (b, d) of length 1.
        centres: prototypes (k, d) of length 1.
        phi: their concentrations (k,).
        own: (b,) each query's.
    """
    return F.cross_entropy(q @ centres.T / phi, own)


# The method


@dataclass(repr=False, eq=False)
class PCL(Either, ByKMeans):
    """PCL on log-mels, from random weights or, where one is given, from an encoder's.

    Of few clips, and only where they are null, ``batch``, ``epochs`` and ``momentum`` are sized by the number of clips
    (``training.schedules``); a value that is given stands. ``fit`` also sets ``centres_`` (k, projection) and
    ``clusters_``; ``network_`` is the query network.
    """

    k: Count  # clusters of the result, found by k-means
    # Numbers of clusters whose centres are prototypes, each at most half of the clips; null: k, 2 k and 4 k
    clusters: Annotated[list[Count], Field(min_length=1)] | None = None
    warmup: Probability = WARMUP  # share of the epochs before there are prototypes
    alpha: Positive = 10.0  # of the concentration
    ops: tuple[Op, ...] | None = None  # of both views; null: the strong ones of `augment`
    projection: Annotated[int, Field(ge=2)] = 128  # dimensions of a vector
    temperature: Positive = 0.2  # of InfoNCE, and the mean concentration
    queue: Count = 16384  # keys kept, in whole batches; at most half of the clips, at least one batch
    # Of the key network's moving average; null: 0.999 or, if it is less, 1 - 10 / steps
    momentum: Unit | None = None
    epochs: Count | None = None  # passes over the clips; null: 200 or, if it is more, as many as give 1000 steps
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=4)] | None = None
    lr: Positive = 0.03  # of SGD with momentum 0.9, at its maximum; it falls on a cosine
    weight_decay: NonNegative = 1e-4  # of SGD
    n_init: Count = 10  # restarts of the final k-means
    # The network, where no encoder is given: see networks.backbones.build
    backbone: backbones.Name = "audiontt"
    d: Annotated[int, Field(ge=8)] = 512  # dimensions of the backbone's output
    channels: Count = 64  # of the convolutions
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the encoder's, or the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    least = 4  # two clips for each part of a batch of keys

    def _size(self, n: int) -> None:
        size_by_steps(self, n, BATCH, EPOCHS, MOMENTUM)
        wanted = self.clusters or [times * self.k for times in MULTIPLES]
        self.clusters_ = sorted({max(2, min(count, n // 2)) for count in wanted})

    def _learn(self, clips: Clips, run: Run | None) -> None:
        self._train(clips, run)
        self.network_.eval()
        self._cluster(self._vectors(clips))

    def _build(self) -> nn.Sequential:
        """Return a backbone and a head to vectors (b, projection), with random weights."""
        backbone = backbones.build(*self.architecture_)
        return nn.Sequential(backbone, mlp([backbone.d, backbone.d, self.projection]))

    def _train(self, clips: Clips, run: Run | None) -> None:
        query, batch = self.network_, self.batch_
        key = deepcopy(query).requires_grad_(False)
        optimiser = torch.optim.SGD(query.parameters(), self.lr, momentum=0.9, weight_decay=self.weight_decay)
        size = max(batch, min(self.queue, clips.n // 2) // batch * batch)
        keys = {"queue": F.normalize(torch.randn(size, self.projection, device=self.device), dim=1)}
        steps = clips.n // batch
        rates = cosine(self.lr, 0.0, self.epochs_ * steps)
        ops = self.augment_.strong if self.ops is None else self.ops
        make = Maker(self.augment_, clips, self.random_state)
        state = {"query": query, "key": key, "optimiser": optimiser, "keys": keys}
        for epoch in epochs(self.epochs_, state, run):
            prototypes = self._prototypes(clips, key) if epoch.progress >= self.warmup else []
            query.train()
            key.train()
            for step, rows in enumerate(batches(clips.n, batch)):
                one, two = make(rows, ops, ops)
                ema.update(key, query, self.momentum_)
                with autocast(self.device):
                    k = F.normalize(shuffled_parts(key, two).float(), dim=1)
                    h = query[0](one)
                    q = F.normalize(query[1](h).float(), dim=1)
                instance = loss = info_nce(q, k, keys["queue"], self.temperature)
                if prototypes:
                    at = rows.to(q.device)
                    proto = sum(proto_nce(q, c, phi, labels[at]) for c, phi, labels in prototypes) / len(prototypes)
                    loss = instance + proto
                    epoch.add(proto=proto)
                optimise(loss, optimiser, rates[epoch.number * steps + step])
                keys["queue"] = enqueue(keys["queue"], k)
                epoch.add(loss=loss, instance=instance)
            epoch.add(**monitors(q, k, h))

    @torch.no_grad()
    def _prototypes(self, clips: Clips, key: nn.Module) -> list[Prototypes]:
        """Return a clustering of the key network's vectors for each number of clusters."""
        key.eval()
        x = F.normalize(embed(key, clips.pooled(self.augment_), self.augment_.original_view), dim=1)
        made = []
        for count in self.clusters_:
            labels, centres, _ = kmeans(x, count, restarts=RESTARTS, iterations=PASSES)
            phi = concentrations(x, labels, centres, self.temperature, self.alpha)
            made.append(Prototypes(F.normalize(centres, dim=1), phi, labels))
        return made
