"""MoCo v2 (He et al., CVPR 2020, arXiv 1911.05722; Chen et al., arXiv 2003.04297) on log-mels: SPICE's first stage.

A query network is trained to find the key of the other view of its clip among the keys of earlier batches, which a
slow copy of it has made. Official: facebookresearch/moco. Published batches are shuffled over GPUs, so that batch
statistics do not give a pair away; on one device the keys go through their network in shuffled parts instead.
"""

from copy import deepcopy
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from audioclust.nn import ema
from audioclust.nn.augment import Augment, Op
from audioclust.nn.backbones import Name
from audioclust.nn.heads import mlp
from audioclust.nn.losses import info_nce
from audioclust.nn.monitors import monitors
from audioclust.nn.schedules import cosine
from audioclust.nn.training import Run, autocast, batches, epochs, memory_hint, seeded
from audioclust.pretext._encoder import Encoder, optimise, parameters

PARTS = 2  # of a batch of keys, each with batch statistics of its own; one clip alone has none


class MoCo(Encoder):
    """Train a backbone by InfoNCE against a queue.

    Args:
        ops: of both views; None takes the strong ones of ``augment``.
        backbone, d, channels: the network, see ``nn.backbones.build``.
        projection: dimensions in which views are compared.
        temperature: of InfoNCE.
        queue: keys kept; at most as many whole batches as fit in half of the clips, or one.
        momentum: of the slow network.
        epochs, batch, lr, weight_decay: SGD with momentum 0.9 and a cosine.
        views: weak views whose mean is a clip's embedding; 0: it is embedded as it is.
        augment: how views are made; device: "cpu" or "cuda"; random_state: seeds everything.
    """

    def __init__(
        self,
        ops: list[Op] | None = None,
        backbone: Name = "audiontt",
        d: Annotated[int, Field(ge=8)] = 512,
        channels: Annotated[int, Field(ge=1)] = 64,
        projection: Annotated[int, Field(ge=2)] = 128,
        temperature: Annotated[float, Field(gt=0)] = 0.2,
        queue: Annotated[int, Field(ge=1)] = 65536,
        momentum: Annotated[float, Field(ge=0, le=1)] = 0.999,
        epochs: Annotated[int, Field(ge=1)] = 200,
        batch: Annotated[int, Field(ge=4)] = 256,
        lr: Annotated[float, Field(gt=0)] = 0.03,
        weight_decay: Annotated[float, Field(ge=0)] = 1e-4,
        views: Annotated[int, Field(ge=0)] = 0,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.ops, self.backbone, self.d, self.channels, self.projection = ops, backbone, d, channels, projection
        self.temperature, self.queue, self.momentum = temperature, queue, momentum
        self.epochs, self.batch, self.lr, self.weight_decay = epochs, batch, lr, weight_decay
        self.views, self.augment, self.device, self.random_state = views, augment, device, random_state

    def fit(self, x: Any, frames: np.ndarray | None = None, run: Run | None = None) -> "MoCo":
        """Set ``backbone_``, the query's, from log-mels (n, f, t), of which ``frames`` (n,) hold signal."""
        with seeded(self.random_state, self.device), memory_hint(f"moco.batch = {self.batch}"):
            clips = self._start(x, frames)
            d = self.backbone_.d
            head = mlp([d, d, self.projection]).to(self.device)
            query = torch.nn.Sequential(self.backbone_, head)
            key = deepcopy(query).requires_grad_(False)
            optimiser = torch.optim.SGD(parameters(query), self.lr, momentum=0.9, weight_decay=self.weight_decay)
            batch = min(self.batch, clips.n)
            size = max(batch, min(self.queue, clips.n // 2) // batch * batch)
            keys = {"queue": F.normalize(torch.randn(size, self.projection, device=self.device), dim=1)}
            steps = clips.n // batch
            rates = cosine(self.lr, 0.0, self.epochs * steps)
            ops = self.augment_.strong_ops if self.ops is None else self.ops
            query.train()
            key.train()
            for epoch in epochs(self.epochs, {"query": query, "key": key, "optimiser": optimiser, "keys": keys}, run):
                for step, rows in enumerate(batches(clips.n, batch)):
                    one, two = self._views(clips, rows, ops)
                    ema.update(key, query, self.momentum)
                    with autocast(self.device):
                        k = F.normalize(shuffled_parts(key, two).float(), dim=1)
                        h = self.backbone_(one)
                        q = F.normalize(head(h).float(), dim=1)
                    loss = info_nce(q, k, keys["queue"], self.temperature)
                    optimise(loss, optimiser, rates[epoch.number * steps + step])
                    keys["queue"] = enqueue(keys["queue"], k)
                    epoch.add(loss=loss)
                epoch.add(**monitors(q, k, h))
        self.backbone_.eval()
        return self


def enqueue(queue: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return the queue (m, d) with the newest ``keys`` (b, d) in place of the oldest; first in, first out."""
    return torch.cat([queue[len(keys) :], keys])


@torch.no_grad()
def shuffled_parts(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Send a batch through a network in shuffled parts, and return the results in the batch's order."""
    order = torch.randperm(len(x), device=x.device)
    parts = [network(x[rows]) for rows in order.chunk(PARTS if len(x) >= 2 * PARTS else 1)]
    return torch.cat(parts)[order.argsort()]
