"""SimCLR (Chen et al., ICML 2020, arXiv 2002.05709) on log-mels: two views of a clip against all others of the batch.

Official: google-research/simclr; the optimiser is that of the usual port to torch (Adam, no LARS), as its batches fit
one device. The embedding for clustering is the backbone's, before the projection.

What else differs from the official code:

- Views are log-mels', not images'; the backbone is BYOL-A's, not ResNet-50.
- The projection has two layers without batch normalisation, as the port's; the official one has it after each layer.
- The loss is the mean over both directions, the port's; the official one is their sum, twice as large.
- The warm-up takes a tenth of the epochs; the official one 10 epochs.
- On few clips the batch is smaller and epochs are more: see ``SimCLR``.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.networks.backbones import Name
from audioclust.networks.heads import mlp
from audioclust.parameters import Count, Natural, NonNegative, Positive, validate
from audioclust.pretext._contrastive import nt_xent
from audioclust.pretext._encoder import Encoder
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.ranks import joint
from audioclust.training.schedules import size_by_steps, warmup_cosine
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips

BATCH, EPOCHS = 256, 200  # of the port


@dataclass(repr=False, eq=False)
class SimCLR(Encoder):
    """Train a backbone by NT-Xent, with Adam and a cosine schedule after a warm-up of a tenth of the epochs.

    Of few clips, and only where they are null, ``batch`` and ``epochs`` are sized by the number of clips
    (``training.schedules``); a value that is given stands.
    """

    ops: tuple[Op, ...] | None = None  # of both views; None: the strong ones of `augment`
    backbone: Name = "audiontt"  # with d and channels, see networks.backbones.build
    d: Annotated[int, Field(ge=8)] = 512  # dimensions of the embedding
    channels: Count = 64  # of the convolutions
    projection: Annotated[int, Field(ge=2)] = 128  # dimensions in which views are compared
    temperature: Positive = 0.5  # of NT-Xent; 0.5 in the paper's runs on small images
    epochs: Count | None = None  # passes over the clips; null: 200 or, if it is more, as many as give 1000 steps
    steps: Count | None = None  # at least so many, by more epochs than are given; null: as many as they give
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 3e-4  # learning rate at its maximum
    weight_decay: NonNegative = 1e-4  # of Adam
    views: Natural = 0  # weak views whose mean is a clip's embedding; 0: the original view
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(self, X: Any, y: Any = None, *, frames: np.ndarray | None = None, run: Run | None = None) -> "SimCLR":
        """Set ``backbone_``, see ``Encoder``; also ``batch_`` and ``epochs_``.

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
            with memory_hint(f"simclr.batch = {self.batch_}"):
                self._train(clips, run)
        self.backbone_.eval()
        return self

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        size_by_steps(self, n, BATCH, EPOCHS)

    def _train(self, clips: Clips, run: Run | None) -> None:
        network = self.backbone_
        head = mlp([network.d, network.d, self.projection]).to(self.device)
        weights = [*network.parameters(), *head.parameters()]
        optimiser = torch.optim.Adam(weights, self.lr, weight_decay=self.weight_decay, fused=True)
        steps = clips.n // self.batch_
        rates = warmup_cosine(self.lr, 0.0, self.epochs_ * steps, self.epochs_ * steps // 10)
        ops = self.augment_.strong if self.ops is None else self.ops
        make, embed = self._maker(clips), joint(network)
        network.train()
        for epoch in epochs(self.epochs_, {"network": network, "head": head, "optimiser": optimiser}, run):
            for step, rows in enumerate(batches(clips.n, self.batch_)):
                views = torch.cat(make(rows, ops, ops))
                with autocast(self.device):
                    h = embed(views)
                    z1, z2 = head(h).chunk(2)
                loss = nt_xent(z1, z2, self.temperature)
                optimise(loss, optimiser, rates[epoch.number * steps + step])
                epoch.add(loss=loss)
            epoch.add(**monitors(z1, z2, h))
