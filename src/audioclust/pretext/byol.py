"""BYOL-A's training (Niizumi et al., IJCNN 2021, arXiv 2103.06695; BYOL: Grill et al., NeurIPS 2020, arXiv 2006.07733).

An online network predicts what a slow copy of it makes of another view of the clip; there are no negatives. Views are
BYOL-A's: log-mixup-exp, random resize crop and, since version 2, a random linear fader, standardised over both views
of the batch. As in the official code the copy stays in training mode, its weights follow at a constant momentum and
its batch statistics are its own.
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
from audioclust.nn.monitors import monitors
from audioclust.nn.training import Run, autocast, batches, epochs, memory_hint, seeded
from audioclust.pretext._encoder import Encoder, optimise, parameters


class BYOL(Encoder):
    """Train a backbone without negatives.

    Args:
        ops: of both views.
        backbone, d, channels: the network, see ``nn.backbones.build``.
        projection, hidden: output and hidden layer of projector and predictor.
        momentum: of the slow network, constant.
        epochs, batch, lr: Adam without schedule.
        views: weak views whose mean is a clip's embedding; 0: it is embedded as it is.
        augment: how views are made; device: "cpu" or "cuda"; random_state: seeds everything.
    """

    def __init__(
        self,
        ops: list[Op] = ["crop", "mixup", "resize_crop", "fader"],  # noqa: B006
        backbone: Name = "audiontt",
        d: Annotated[int, Field(ge=8)] = 2048,
        channels: Annotated[int, Field(ge=1)] = 64,
        projection: Annotated[int, Field(ge=2)] = 256,
        hidden: Annotated[int, Field(ge=2)] = 4096,
        momentum: Annotated[float, Field(ge=0, le=1)] = 0.99,
        epochs: Annotated[int, Field(ge=1)] = 100,
        batch: Annotated[int, Field(ge=2)] = 256,
        lr: Annotated[float, Field(gt=0)] = 3e-4,
        views: Annotated[int, Field(ge=0)] = 0,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.ops, self.backbone, self.d, self.channels, self.projection = ops, backbone, d, channels, projection
        self.hidden, self.momentum, self.epochs, self.batch, self.lr = hidden, momentum, epochs, batch, lr
        self.views, self.augment, self.device, self.random_state = views, augment, device, random_state

    def fit(self, x: Any, frames: np.ndarray | None = None, run: Run | None = None) -> "BYOL":
        """Set ``backbone_``, the online network's, from log-mels (n, f, t), of which ``frames`` (n,) hold signal."""
        with seeded(self.random_state, self.device), memory_hint(f"byol.batch = {self.batch}"):
            clips = self._start(x, frames)
            projector = mlp([self.backbone_.d, self.hidden, self.projection], norm=True).to(self.device)
            online = torch.nn.Sequential(self.backbone_, projector)
            predictor = mlp([self.projection, self.hidden, self.projection], norm=True).to(self.device)
            target = deepcopy(online).requires_grad_(False)
            optimiser = torch.optim.Adam(parameters(online, predictor), self.lr, fused=True)
            state = {"online": online, "predictor": predictor, "target": target, "optimiser": optimiser}
            for part in (online, predictor, target):
                part.train()
            for epoch in epochs(self.epochs, state, run):
                for rows in batches(clips.n, self.batch):
                    views = standardised(torch.cat(self._views(clips, rows, self.ops)))
                    with autocast(self.device):
                        h1, h2 = (self.backbone_(view) for view in views.chunk(2))
                        z1, z2 = projector(h1), projector(h2)
                        loss = byol_loss(predictor(z1), predictor(z2), *targets(target, views))
                    optimise(loss, optimiser, self.lr)
                    ema.update(target, online, self.momentum)
                    epoch.add(loss=loss)
                epoch.add(**monitors(z1, z2, h1))
        self.backbone_.eval()
        return self


@torch.no_grad()
def targets(target: torch.nn.Module, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the slow network's projections of the two views, each with its own batch statistics."""
    one, two = views.chunk(2)
    return target(one), target(two)


def byol_loss(p1: torch.Tensor, p2: torch.Tensor, z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    """Return the mean of 2 - 2 cos(p1, z2) + 2 - 2 cos(p2, z1), in [0, 8]; predictions p, targets z, all (b, d)."""
    return (regression(p1, z2) + regression(p2, z1)).mean()


def regression(p: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return 2 - 2 cos(p, z) of each row (b,) (BYOL, eq. 2)."""
    p, z = (x.float() if x.dtype == torch.bfloat16 else x for x in (p, z))
    return 2 - 2 * (F.normalize(p, dim=-1) * F.normalize(z, dim=-1)).sum(-1)


def standardised(views: torch.Tensor) -> torch.Tensor:
    """Standardise both views of a batch with one mean and one unbiased deviation (BYOL-A's post-normalisation)."""
    return (views - views.mean()) / views.std().clamp_min(1e-6)
