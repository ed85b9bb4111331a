"""MoCo v2 (He et al., CVPR 2020, arXiv 1911.05722; Chen et al., arXiv 2003.04297) on log-mels: SPICE's first stage.

A query network learns to find the key of the other view of its clip among the keys of earlier batches; keys are made by
a moving average of it. Official: facebookresearch/moco. Published batches are shuffled over GPUs, so that batch
statistics do not give a pair away; on one device the keys go through their network in shuffled parts instead.

What else differs from the official code:

- Views are log-mels', not images'; the backbone is BYOL-A's, not ResNet-50.
- The learning rate falls with each step, not with each epoch.
- The queue is at most half of the clips, so that a key's own clip is seldom among its negatives.
- On few clips the batch is smaller, epochs are more and the key network is faster: see ``MoCo``.
"""

from copy import deepcopy
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.networks import ema
from audioclust.networks.backbones import Name
from audioclust.networks.heads import mlp
from audioclust.parameters import Count, Natural, NonNegative, Positive, Unit, validate
from audioclust.pretext._contrastive import info_nce
from audioclust.pretext._encoder import Encoder
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.ranks import joint
from audioclust.training.schedules import cosine, size_by_steps
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips

PARTS = 2  # of a batch of keys, each with batch statistics of its own; one clip alone has none
BATCH, EPOCHS, MOMENTUM = 256, 200, 0.999  # published


@dataclass(repr=False, eq=False)
class MoCo(Encoder):
    """Train a backbone by InfoNCE against a queue, with SGD, momentum 0.9 and a cosine schedule.

    Of few clips, and only where they are null, ``batch``, ``epochs`` and ``momentum`` are sized by the number of clips
    (``training.schedules``); a value that is given stands.
    """

    ops: tuple[Op, ...] | None = None  # of both views; None: the strong ones of `augment`
    backbone: Name = "audiontt"  # with d and channels, see networks.backbones.build
    d: Annotated[int, Field(ge=8)] = 512  # dimensions of the embedding
    channels: Count = 64  # of the convolutions
    projection: Annotated[int, Field(ge=2)] = 128  # dimensions in which views are compared
    temperature: Positive = 0.2  # of InfoNCE
    queue: Count = 65536  # keys kept, in whole batches; at most half of the clips, at least one batch
    # Of the key network's moving average; null: 0.999 or, if it is less, 1 - 10 / steps
    momentum: Unit | None = None
    epochs: Count | None = None  # passes over the clips; null: 200 or, if it is more, as many as give 1000 steps
    steps: Count | None = None  # at least so many, by more epochs than are given; null: as many as they give
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=4)] | None = None
    lr: Positive = 0.03  # learning rate at its maximum
    weight_decay: NonNegative = 1e-4  # of SGD
    views: Natural = 0  # weak views whose mean is a clip's embedding; 0: the original view
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(self, X: Any, y: Any = None, *, frames: np.ndarray | None = None, run: Run | None = None) -> "MoCo":
        """Set ``backbone_``, the query network's, see ``Encoder``; also ``batch_``, ``epochs_`` and ``momentum_``.

        Args:
            X: log-mels (n, mels, t) in nats, or ``Clips``.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer than two clips, or whatever ``Clips`` refuse.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        with seeded(self.random_state, self.device):
            clips = self._start(X, frames)
            self._size(clips.n)
            with memory_hint(f"moco.batch = {self.batch_}"):
                self._train(clips, run)
        self.backbone_.eval()
        return self

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        size_by_steps(self, n, BATCH, EPOCHS, MOMENTUM)

    def _train(self, clips: Clips, run: Run | None) -> None:
        batch, d = self.batch_, self.backbone_.d
        head = mlp([d, d, self.projection]).to(self.device)
        embed = joint(self.backbone_)
        query = torch.nn.Sequential(self.backbone_, head)
        key = deepcopy(query).requires_grad_(False)
        optimiser = torch.optim.SGD(query.parameters(), self.lr, momentum=0.9, weight_decay=self.weight_decay)
        size = max(batch, min(self.queue, clips.n // 2) // batch * batch)
        keys = {"queue": F.normalize(torch.randn(size, self.projection, device=self.device), dim=1)}
        steps = clips.n // batch
        rates = cosine(self.lr, 0.0, self.epochs_ * steps)
        ops = self.augment_.strong if self.ops is None else self.ops
        make = self._maker(clips)
        query.train()
        key.train()
        for epoch in epochs(self.epochs_, {"query": query, "key": key, "optimiser": optimiser, "keys": keys}, run):
            for step, rows in enumerate(batches(clips.n, batch)):
                one, two = make(rows, ops, ops)
                ema.update(key, query, self.momentum_)
                with autocast(self.device):
                    k = F.normalize(shuffled_parts(key, two).float(), dim=1)
                    h = embed(one)
                    q = F.normalize(head(h).float(), dim=1)
                loss = info_nce(q, k, keys["queue"], self.temperature)
                optimise(loss, optimiser, rates[epoch.number * steps + step])
                keys["queue"] = enqueue(keys["queue"], k)
                epoch.add(loss=loss)
            epoch.add(**monitors(q, k, h))


def enqueue(queue: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return the queue (m, d) with the new ``keys`` (b, d) in place of the oldest."""
    return torch.cat([queue[len(keys) :], keys])


@torch.no_grad()
def shuffled_parts(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Send a batch (b, ...) through a network in shuffled parts; return the results (b, ...) in the batch's order."""
    order = torch.randperm(len(x), device=x.device)
    parts = [network(x[rows]) for rows in order.chunk(PARTS if len(x) >= 2 * PARTS else 1)]
    return torch.cat(parts)[order.argsort()]
