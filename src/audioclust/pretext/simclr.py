"""SimCLR (Chen et al., ICML 2020, arXiv 2002.05709) on log-mels: two views of a clip against all others of the batch.

Official: google-research/simclr; the optimiser is that of the usual port to torch (Adam, no LARS), as its batches fit
one device. The embedding for clustering is the backbone's, before the projection.
"""

from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from audioclust.nn.augment import Augment, Op
from audioclust.nn.backbones import Name
from audioclust.nn.heads import mlp
from audioclust.nn.losses import nt_xent
from audioclust.nn.monitors import monitors
from audioclust.nn.schedules import warmup_cosine
from audioclust.nn.training import Run, autocast, batches, epochs, memory_hint, seeded
from audioclust.pretext._encoder import Encoder, optimise, parameters


class SimCLR(Encoder):
    """Train a backbone by NT-Xent.

    Args:
        ops: of both views; None takes the strong ones of ``augment``.
        backbone, d, channels: the network, see ``nn.backbones.build``.
        projection: dimensions in which views are compared.
        temperature: 0.5 in the paper's runs on small images.
        epochs, batch, lr, weight_decay: Adam with a cosine, after one epoch of warm-up in ten.
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
        temperature: Annotated[float, Field(gt=0)] = 0.5,
        epochs: Annotated[int, Field(ge=1)] = 200,
        batch: Annotated[int, Field(ge=2)] = 256,
        lr: Annotated[float, Field(gt=0)] = 3e-4,
        weight_decay: Annotated[float, Field(ge=0)] = 1e-4,
        views: Annotated[int, Field(ge=0)] = 0,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.ops, self.backbone, self.d, self.channels, self.projection = ops, backbone, d, channels, projection
        self.temperature, self.epochs, self.batch = temperature, epochs, batch
        self.lr, self.weight_decay = lr, weight_decay
        self.views, self.augment, self.device, self.random_state = views, augment, device, random_state

    def fit(self, x: Any, frames: np.ndarray | None = None, run: Run | None = None) -> "SimCLR":
        """Set ``backbone_`` from log-mels (n, f, t), of which ``frames`` (n,) hold signal."""
        with seeded(self.random_state, self.device), memory_hint(f"simclr.batch = {self.batch}"):
            clips = self._start(x, frames)
            network = self.backbone_
            head = mlp([network.d, network.d, self.projection]).to(self.device)
            optimiser = torch.optim.Adam(parameters(network, head), self.lr, weight_decay=self.weight_decay, fused=True)
            steps = max(1, clips.n // self.batch)
            rates = warmup_cosine(self.lr, 0.0, self.epochs * steps, self.epochs * steps // 10)
            ops = self.augment_.strong_ops if self.ops is None else self.ops
            state = {"network": network, "head": head, "optimiser": optimiser}
            network.train()
            for epoch in epochs(self.epochs, state, run):
                for step, rows in enumerate(batches(clips.n, self.batch)):
                    views = torch.cat(self._views(clips, rows, ops))
                    with autocast(self.device):
                        h = network(views)
                        z1, z2 = head(h).chunk(2)
                    loss = nt_xent(z1, z2, self.temperature)
                    optimise(loss, optimiser, rates[epoch.number * steps + step])
                    epoch.add(loss=loss)
                epoch.add(**monitors(z1, z2, h))
        network.eval()
        return self
