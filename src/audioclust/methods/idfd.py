"""IDFD (Tao, Takagi and Nakata, ICLR 2021, arXiv 2106.00131): instance discrimination with decorrelated features.

Instance discrimination (Wu et al., CVPR 2018) makes each clip a class of its own: its vector must be nearer to its own
entry of a memory than to those of all others. At a temperature of 1, not the published 0.07, similar clips stay near
each other. Features of which none repeats another make k-means' work easier: by softmax (each dimension must be more
like itself than like the others, IDFD) or by orthogonality (IDFO). k-means clusters the vectors at the end.

What differs from the official code (TTN-YKK/Clustering_friendly_representation_learning):

- Views are log-mels', not images'; the backbone is BYOL-A's, not ResNet-18. It may begin with an encoder's weights.
- ``labels_`` are of the vectors of the original views after training; there, of the memory, whose labels are the row
  ``memory`` here.
- IDFO has no official code: columns are scaled to length 1 over the batch, as in IDFD, so that the loss can reach 0.
- On few clips the batch is smaller and epochs are more; an incomplete last batch is dropped.

Shapes: n clips, b of a batch, d dims of a vector, k clusters.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import autocast
from audioclust.methods._either import Either
from audioclust.methods._start import ByKMeans
from audioclust.networks import backbones
from audioclust.parameters import Count, NonNegative, Positive, Probability
from audioclust.points.checks import by_appearance
from audioclust.points.kmeans import kmeans
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.schedules import multistep, size_by_steps
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips
from audioclust.views.maker import Maker

BATCH, EPOCHS = 128, 2000  # published
FALLS = (0.3, 0.475, 0.65, 0.825)  # shares of the training after which the learning rate falls to a tenth
ALPHA = {"id": 0.0, "idfo": 10.0, "idfd": 1.0}  # weight of the features' loss

# The losses


def instance_loss(v: Tensor, memory: Tensor, rows: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean of -log P(i | v_i), Eq. 1 and 2, of vectors (b, d), clips ``rows`` (b,) of a memory (n, d)."""
    return F.cross_entropy(v @ memory.T / temperature, rows)


def columns(v: Tensor) -> Tensor:
    """Return vectors (b, d) with each dimension scaled to length 1 over the batch."""
    return F.normalize(v, dim=0)


def decorrelation(v: Tensor, temperature: float = 2.0) -> Tensor:
    """Return the mean of -log Q(l | f), Eq. 6 and 7: each dimension of (b, d) against all others, by softmax."""
    f = columns(v)
    return F.cross_entropy(f.T @ f / temperature, torch.arange(f.shape[1], device=f.device))


def orthogonality(v: Tensor) -> Tensor:
    """Return ||F'F - I||^2 / d, Eq. 5, of vectors (b, d) whose columns F are of length 1.

    Over d as the loss of instances is a mean, not a sum, over as many clips in the official batch.
    """
    f = columns(v)
    return (f.T @ f - torch.eye(f.shape[1], dtype=f.dtype, device=f.device)).square().sum(1).mean()


def remember(memory: Tensor, rows: Tensor, v: Tensor, momentum: float = 0.5) -> None:
    """Move the entries ``rows`` (b,) of a memory (n, d) towards vectors (b, d), in place; they stay of length 1."""
    memory[rows] = F.normalize(memory[rows].lerp(v.detach(), 1 - momentum), dim=1)


# The method


@dataclass(repr=False, eq=False)
class IDFD(Either, ByKMeans):
    """IDFD on log-mels, from random weights or, where one is given, from an encoder's; the official defaults.

    Of few clips, and only where they are null, ``batch`` and ``epochs`` are sized by the number of clips
    (``training.schedules``); a value that is given stands. ``fit`` also sets ``centres_`` (k, projection) and
    ``more_labels_["memory"]``.
    """

    k: Count  # clusters of the result, found by k-means
    variant: Literal["id", "idfo", "idfd"] = "idfd"  # no loss of features; by orthogonality; by softmax
    # Of instance discrimination: 0.07 is the published one of "id", with which clips part whatever they sound like
    temperature: Positive = 1.0
    feature_temperature: Positive = 2.0  # of variant = idfd
    alpha: NonNegative | None = None  # weight of the features' loss; null: 10 (idfo) or 1 (idfd)
    memory_momentum: Probability = 0.5  # of the memory
    ops: tuple[Op, ...] | None = None  # of the view; null: the strong ones of `augment`; []: no change, a plain cut
    projection: Annotated[int, Field(ge=2)] = 128  # dimensions of a vector
    epochs: Count | None = None  # passes over the clips; null: 2000
    # Clips per step; null: 128 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 0.03  # of SGD with momentum 0.9, a tenth after 0.3, 0.475, 0.65 and 0.825 of the steps
    weight_decay: NonNegative = 5e-4  # of SGD
    n_init: Count = 20  # restarts of k-means
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
        memory = self._train(clips, run)
        self.network_.eval()
        self._cluster(self._vectors(clips))
        labels = kmeans(memory, self.k, restarts=self.n_init, iterations=100).labels
        self.more_labels_ = {"memory": by_appearance(labels.cpu().numpy())}

    def _build(self) -> nn.Sequential:
        """Return a backbone and a linear layer to vectors (b, projection), with random weights."""
        backbone = backbones.build(*self.architecture_)
        return nn.Sequential(backbone, nn.Linear(backbone.d, self.projection))

    def _train(self, clips: Clips, run: Run | None) -> Tensor:
        """Train the network; return the memory (n, projection)."""
        bound = (self.projection / 3) ** -0.5
        memory = torch.empty(clips.n, self.projection, device=self.device).uniform_(-bound, bound)
        optimiser = torch.optim.SGD(self.network_.parameters(), self.lr, momentum=0.9, weight_decay=self.weight_decay)
        steps = clips.n // self.batch_
        rates = multistep(self.lr, FALLS, self.epochs_ * steps)
        ops = self.augment_.strong if self.ops is None else self.ops
        alpha = ALPHA[self.variant] if self.alpha is None else self.alpha
        make = Maker(self.augment_, clips, self.random_state)
        self.network_.train()
        state = {"network": self.network_, "optimiser": optimiser, "memory": {"memory": memory}}
        for epoch in epochs(self.epochs_, state, run):
            for step, rows in enumerate(batches(clips.n, self.batch_)):
                (view,) = make(rows, ops)
                rows = rows.to(memory.device)
                with autocast(self.device):
                    v = self.network_(view)
                v = F.normalize(v.float(), dim=1)
                instance = loss = instance_loss(v, memory, rows, self.temperature)
                if self.variant != "id":
                    feature = (orthogonality if self.variant == "idfo" else self._decorrelation)(v)
                    loss = instance + alpha * feature
                    epoch.add(feature=feature)
                optimise(loss, optimiser, rates[epoch.number * steps + step])
                remember(memory, rows, v, self.memory_momentum)
                epoch.add(loss=loss, instance=instance)
        return memory

    def _decorrelation(self, v: Tensor) -> Tensor:
        return decorrelation(v, self.feature_temperature)
