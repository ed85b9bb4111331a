"""Contrastive Clustering (Li et al., AAAI 2021, arXiv 2009.09687) on log-mels: contrast on rows and on columns.

Of a batch of clips, two views each, one head projects to vectors in which the views of a clip attract each other and
repel all others (instance level, SimCLR's loss on rows). The other head gives cluster probabilities: each *column* of
that matrix describes a cluster by the clips that it holds, and the two columns of a cluster attract each other and
repel all others (cluster level); the entropy of the clusters' sizes prevents a collapse into few. Both heads and the
network are trained at once.

What differs from the official code (Yunfan-Li/Contrastive-Clustering):

- Views are log-mels', not images'; the backbone is BYOL-A's, not ResNet-34. It may begin with an encoder's weights.
- The parts of the loss have weights (all 1 there), and an empty cluster has the entropy 0 (NaN there).
- With ``heads = "instance"`` clusters come from k-means on the backbone's embedding, as in the paper's ablation.
- The result is that of the whole clips' original views; on few clips the batch is smaller and epochs are more.

Shapes: n clips, b of a batch, d dims, k clusters.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import autocast
from audioclust.methods._either import Either
from audioclust.networks import backbones
from audioclust.networks.heads import mlp
from audioclust.parameters import Count, NonNegative, Positive
from audioclust.points.kmeans import kmeans
from audioclust.pretext._contrastive import nt_xent
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.schedules import size_by_steps
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed_views
from audioclust.views.maker import Maker

BATCH, EPOCHS = 256, 1000  # published

# The loss


def cluster_loss(one: Tensor, other: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the contrastive loss of columns, Eq. 5 and 6, of the two views' probabilities (b, k)."""
    return nt_xent(one.T, other.T, temperature)


def imbalance(*views: Tensor) -> Tensor:
    """Return log k minus the entropy of the clusters' sizes, summed over the views' probabilities (b, k): 0 at best."""
    sizes = torch.stack([probs.mean(0) for probs in views])
    return (math.log(sizes.shape[1]) - torch.special.entr(sizes).sum(1)).sum()


# The method


@dataclass(repr=False, eq=False)
class CC(Either):
    """Contrastive Clustering on log-mels, from random weights or, where one is given, from an encoder's.

    Of few clips, and only where they are null, ``batch`` and ``epochs`` are sized by the number of clips
    (``training.schedules``); a value that is given stands. ``fit`` also sets ``proba_`` (n, k) float32, whose largest
    columns are the labels.
    """

    k: Annotated[int, Field(ge=2)]  # clusters
    heads: Literal["both", "instance", "cluster"] = "both"  # which are trained; instance: k-means gives the clusters
    transformed: Annotated[int, Field(ge=0, le=2)] = 2  # of the two views, those with ops; the others are plain cuts
    ops: tuple[Op, ...] | None = None  # of a transformed view; null: the strong ones of `augment`
    projection: Annotated[int, Field(ge=2)] = 128  # dimensions in which views are compared
    temperature: Positive = 0.5  # of the instance level
    cluster_temperature: Positive = 1.0  # of the cluster level
    weight: NonNegative = 1.0  # of the cluster level and its entropy, that of the instance level being 1
    entropy: NonNegative = 1.0  # of the entropy within the cluster level; lower it where clusters are of unequal size
    epochs: Count | None = None  # passes over the clips; null: 1000
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n. Columns need many more clips than k
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 3e-4  # of Adam
    weight_decay: NonNegative = 0.0  # of Adam
    n_init: Count = 10  # of heads = instance: restarts of k-means
    # The network, where no encoder is given: see networks.backbones.build
    backbone: backbones.Name = "audiontt"
    d: Annotated[int, Field(ge=8)] = 512  # dimensions of the backbone's output
    channels: Count = 64  # of the convolutions
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the encoder's, or the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def _size(self, n: int) -> None:
        size_by_steps(self, n, BATCH, EPOCHS)

    def _learn(self, clips: Clips, run: Run | None) -> None:
        self._train(clips, run)
        self.network_.eval()
        if self.heads == "instance":
            self._by_kmeans(clips)
        self.proba_ = self._logits(clips).softmax(1).cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)

    def _build(self) -> nn.Sequential:
        """Return a backbone and what gives the clusters' logits of its output (b, d), with random weights."""
        backbone = backbones.build(*self.architecture_)
        d = backbone.d
        return nn.Sequential(backbone, nn.Linear(d, self.k) if self.heads == "instance" else mlp([d, d, self.k]))

    def _train(self, clips: Clips, run: Run | None) -> None:
        backbone, cluster = self.network_
        instance = mlp([backbone.d, backbone.d, self.projection]).to(self.device)
        weights = [*self.network_.parameters(), *instance.parameters()]
        optimiser = torch.optim.Adam(weights, self.lr, weight_decay=self.weight_decay, fused=True)
        ops = self.augment_.strong if self.ops is None else self.ops
        each = [ops] * self.transformed + [()] * (2 - self.transformed)
        make = Maker(self.augment_, clips, self.random_state)
        self.network_.train()
        state = {"network": self.network_, "instance": instance, "optimiser": optimiser}
        for epoch in epochs(self.epochs_, state, run):
            for rows in batches(clips.n, self.batch_):
                made = torch.cat(make(rows, *each))
                with autocast(self.device):
                    h = backbone(made)
                    z, logits = instance(h), cluster(h).float()
                losses = {}
                if self.heads != "cluster":
                    losses["instance"] = nt_xent(*z.chunk(2), self.temperature)
                if self.heads != "instance":
                    probs = logits.softmax(1).chunk(2)
                    losses["cluster"] = self.weight * cluster_loss(*probs, self.cluster_temperature)
                    losses["imbalance"] = self.weight * self.entropy * imbalance(*probs)
                loss = sum(losses.values())
                optimise(loss, optimiser, self.lr)
                epoch.add(loss=loss, **losses)
            epoch.add(**monitors(*z.chunk(2), h))

    def _by_kmeans(self, clips: Clips) -> None:
        """Set the last layer so that it is largest for the nearest of the centres of the backbone's embedding."""
        x = embed_views(self.network_[0], clips, self.augment_, self.encoder_views_)
        centres = kmeans(x, self.k, restarts=self.n_init, iterations=100).centres
        with torch.no_grad():  # of -|x - c|^2 / 2 what depends on the centre
            self.network_[1].weight.copy_(centres)
            self.network_[1].bias.copy_(-0.5 * centres.square().sum(1))

    def _logits(self, clips: Clips) -> Tensor:
        """Return (n, k), the mean over the encoder's number of weak views where that is not 0."""
        return embed_views(self.network_, clips, self.augment_, self.encoder_views_)

    def _clusters(self, clips: Clips) -> np.ndarray:
        """Return the most probable clusters (n,) int32."""
        return self._logits(clips).argmax(1).cpu().numpy().astype(np.int32)
