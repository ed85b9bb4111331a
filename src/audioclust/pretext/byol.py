"""BYOL-A's training (Niizumi et al., IJCNN 2021, arXiv 2103.06695; BYOL: Grill et al., NeurIPS 2020, arXiv 2006.07733).

An online network predicts the output of a target network, its moving average, for another view of the clip; there are
no negatives. Views are BYOL-A's: log-mixup-exp, random resize crop and, since version 2, a random linear fader,
standardised over both views of the batch. As in the official code the target network stays in training mode, its
momentum is constant and its batch statistics are its own.

What differs from the official code (nttcslab/byol-a):

- Views are cut each by itself; in the paper they are changes of one segment (``segments="one"``).
- Log-mels are standardised by mean and deviation of all clips, as in version 2; version 1 keeps running ones.
- ``mixup`` mixes with a clip of the same batch, not with one of the last 2,048.
- A clip shorter than a view is repeated, not padded with zeros.
- The target follows after each step, as in the paper; there it is one step late.
- An incomplete last batch is dropped; there it is used.
- On few clips the batch is smaller and epochs are more: see ``BYOL``.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.networks import ema
from audioclust.networks.backbones import Name
from audioclust.networks.heads import mlp
from audioclust.parameters import Count, Natural, Positive, Unit, validate
from audioclust.pretext._encoder import Encoder
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.ranks import joint
from audioclust.training.schedules import size_by_steps
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips
from audioclust.views.maker import Maker

BATCH, EPOCHS, MOMENTUM = 256, 100, 0.99  # published
CUT = ("crop", "stretch")  # the ops that choose a segment; all others change it


@dataclass(repr=False, eq=False)
class BYOL(Encoder):
    """Train a backbone without negatives, with Adam and a constant learning rate.

    Of few clips, and only where they are null, ``batch``, ``epochs`` and ``momentum`` are sized by the number of clips
    (``training.schedules``); a value that is given stands.
    """

    ops: tuple[Op, ...] = ("crop", "mixup", "resize_crop", "fader")  # of both views
    # one: both views are changes of one segment of the clip, as in the paper; two: each is cut by itself
    segments: Literal["one", "two"] = "two"
    backbone: Name = "audiontt"  # with d and channels, see networks.backbones.build
    d: Annotated[int, Field(ge=8)] = 2048  # dimensions of the embedding
    channels: Count = 64  # of the convolutions
    projection: Annotated[int, Field(ge=2)] = 256  # dimensions in which views are compared
    hidden: Annotated[int, Field(ge=2)] = 4096  # units of the hidden layer of projector and predictor
    # Of the target network's moving average; null: 0.99 or, if it is less, 1 - 10 / steps
    momentum: Unit | None = None
    epochs: Count | None = None  # passes over the clips; null: 100 or, if it is more, as many as give 1000 steps
    steps: Count | None = None  # at least so many, by more epochs than are given; null: as many as they give
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 3e-4  # learning rate
    views: Natural = 0  # weak views whose mean is a clip's embedding; 0: the original view
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(self, X: Any, y: Any = None, *, frames: np.ndarray | None = None, run: Run | None = None) -> "BYOL":
        """Set ``backbone_``, the online network's, see ``Encoder``; also ``batch_``, ``epochs_`` and ``momentum_``.

        Args:
            X: log-mels (n, mels, t) in nats, or ``Clips``.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, views of one segment from copies, fewer than two clips, or whatever ``Clips``
                refuse.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        with seeded(self.random_state, self.device):
            clips = self._start(X, frames)
            if self.segments == "one" and self.augment_.copies:
                raise ValueError(
                    f"byol.segments = 'one' cuts both views of a clip together, and augment.copies = "
                    f"{self.augment_.copies} draws each by itself: set augment.copies = 0 or byol.segments = 'two'"
                )
            self._size(clips.n)
            with memory_hint(f"byol.batch = {self.batch_}"):
                self._train(clips, run)
        self.backbone_.eval()
        return self

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        size_by_steps(self, n, BATCH, EPOCHS, MOMENTUM)

    def _train(self, clips: Clips, run: Run | None) -> None:
        projector = mlp([self.backbone_.d, self.hidden, self.projection], norm=True).to(self.device)
        online, embed = torch.nn.Sequential(self.backbone_, projector), joint(self.backbone_)
        predictor = mlp([self.projection, self.hidden, self.projection], norm=True).to(self.device)
        target = deepcopy(online).requires_grad_(False)
        optimiser = torch.optim.Adam([*online.parameters(), *predictor.parameters()], self.lr, fused=True)
        state = {"online": online, "predictor": predictor, "target": target, "optimiser": optimiser}
        make = self._maker(clips)
        for part in (online, predictor, target):
            part.train()
        for epoch in epochs(self.epochs_, state, run):
            for rows in batches(clips.n, self.batch_):
                views = standardised(torch.cat(self._views(make, rows)))
                with autocast(self.device):
                    h1, h2 = (embed(view) for view in views.chunk(2))
                    z1, z2 = projector(h1), projector(h2)
                    loss = byol_loss(predictor(z1), predictor(z2), *targets(target, views))
                optimise(loss, optimiser, self.lr)
                ema.update(target, online, self.momentum_)
                epoch.add(loss=loss)
            epoch.add(**monitors(z1, z2, h1))

    def _views(self, make: Maker, rows: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return two views (b, 1, f, width) of each of the clips ``rows`` (b,)."""
        if self.segments == "two":
            return make(rows, self.ops, self.ops)
        return views_of_one_segment(self.augment_, *make.pooled[rows], self.ops)


def views_of_one_segment(
    augment: Augment, x: torch.Tensor, frames: torch.Tensor, ops: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two views (b, 1, f, width) that are cut at the same frames and then changed each by itself.

    Args:
        augment: makes the views.
        x: (b, f, t) standardised log-mels.
        frames: (b,) frames of each that hold signal.
        ops: of both views; ``crop`` and ``stretch`` choose the segment.
    """
    # What a cut does is done once; the mean is subtracted last, as in a view that is cut by itself.
    cut = replace(augment, centre="none")(x, frames, [op for op in ops if op in CUT])[:, 0]
    change = replace(augment, length="crop", trim=0.0, pool=(1, 1), dynamics=0.0)
    whole = torch.full_like(frames, augment.width)
    changes = [op for op in ops if op not in CUT]
    return change(cut, whole, changes), change(cut, whole, changes)


@torch.no_grad()
def targets(target: torch.nn.Module, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the target network's projections (b, d) of two views (2b, 1, f, t), each with its batch statistics."""
    one, two = views.chunk(2)
    return target(one), target(two)


def byol_loss(p1: torch.Tensor, p2: torch.Tensor, z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    """Return the mean of 2 - 2 cos(p1, z2) + 2 - 2 cos(p2, z1), in [0, 8]; predictions p, targets z, all (b, d)."""
    return (regression(p1, z2) + regression(p2, z1)).mean()


def regression(p: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """Return 2 - 2 cos(p, z) of each row, (b, d) -> (b,) (BYOL, eq. 2)."""
    p, z = (x.float() if x.dtype == torch.bfloat16 else x for x in (p, z))
    return 2 - 2 * (F.normalize(p, dim=-1) * F.normalize(z, dim=-1)).sum(-1)


def standardised(views: torch.Tensor) -> torch.Tensor:
    """Standardise both views of a batch with one mean and one unbiased deviation (BYOL-A's post-normalisation)."""
    return (views - views.mean()) / views.std().clamp_min(1e-6)
