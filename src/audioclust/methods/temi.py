"""TEMI (Adaloglou, Michels, Kalisch and Kollmann, BMVC 2023, arXiv 2303.17896): many cluster heads on an embedding.

A clip and one of its nearest neighbours should be in the same cluster. Student heads learn the clusters that teacher
heads, their moving average, give the neighbour, by pointwise mutual information: dividing by the marginal q(c) prevents
a collapse into one cluster. Each head has its own clusters; their agreement weighs a pair.

Shapes: n clips, b pairs of a batch, d dims, h heads, k clusters. Of 2b rows the first b are the clips, the others their
neighbours, in the same order.

What differs from the official code (HHU-MMBS/TEMI-official-BMVC2023):

- On few clips the batch is smaller, epochs are more, neighbours fewer and the teacher faster: see ``TEMI``. There, with
  fewer clips than a batch, nothing is trained.
- Embeddings are scaled before neighbours are found, not for the heads alone, and by the deviation of the clips
  themselves, not the unbiased one; ``standardise`` and ``l2`` exclude each other.
- No clip is its own neighbour; there, above 80,000 clips, it is.
- The result is that of the last epoch; there, of the checkpoint with the best accuracy against true labels.
- On a GPU the heads run in bfloat16; there in float32.
"""

import copy
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.networks import ema
from audioclust.networks.heads import Linears, select
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, Natural, NonNegative, Positive, Probability, validate
from audioclust.points.checks import points
from audioclust.points.cosine import cosine_neighbours
from audioclust.training import saving
from audioclust.training.loop import Run, batches, epochs
from audioclust.training.schedules import size_by_steps, warmup_cosine

TEMPERATURE = 0.1  # of student and teacher
MARGINAL_MOMENTUM = 0.9  # of q(c)
LR_BATCH = 256  # pairs per step that the learning rate is meant for
BATCH, EPOCHS, MOMENTUM, NEIGHBOURS = 1024, 100, 0.996, 50  # published, for 50,000 clips
BLOCK = 4096  # clips per forward pass without gradient

# The loss


def log_probs(logits: Tensor) -> Tensor:
    """Return log p(c | x) (h, 2b, k) of logits (h, 2b, k)."""
    return F.log_softmax(logits / TEMPERATURE, dim=-1)


def marginal(q: Tensor, probs: Tensor) -> Tensor:
    """Return the moving average q(c) (h, k) after a step with the teachers' ``probs`` (h, 2b, k)."""
    return q.lerp(probs.mean(1), 1 - MARGINAL_MOMENTUM)


def pair_weights(probs: Tensor) -> Tensor:
    """Return the teachers' probability (b,) that both sides of a pair are in one cluster, the mean over heads."""
    one, other = probs.unflatten(1, (2, -1)).unbind(1)
    return (one * other).sum(-1).mean(0)


def pmi_beta(one: Tensor, other: Tensor, q: Tensor, beta: float, positive: bool = False) -> Tensor:
    """Return log sum_c (p(c | one) p(c | other))^beta / q(c), (h, ...).

    At beta = 1 it is the pointwise mutual information, with which clusters may become empty; at 1/2 nothing would
    favour sure assignments.

    Args:
        one, other: log-probabilities (h, ..., k).
        q: (h, k).
        beta: in (1/2, 1].
        positive: replace negative values by 0.
    """
    # A cluster that has been empty for long must not make the sum infinite.
    log_q = q.clamp_min(torch.finfo(q.dtype).tiny).log()
    log_q = log_q.view(len(q), *[1] * (one.ndim - 2), -1)
    pmi = (beta * (one + other) - log_q).logsumexp(-1)
    return pmi.clamp_min(0) if positive else pmi


def temi_loss(
    student: Tensor, teacher: Tensor, q: Tensor, weights: Tensor, beta: float, positive_pmi: bool = False
) -> Tensor:
    """Return the loss of each head (h,): the teacher on one side with the student on the other, in both directions.

    Args:
        student, teacher: logits (h, 2b, k).
        q: (h, k), updated with this batch.
        weights: (b,) of the pairs.
        beta, positive_pmi: see ``pmi_beta``.
    """
    taught = log_probs(teacher).unflatten(1, (2, -1))  # (h, 2, b, k)
    learnt = log_probs(student).unflatten(1, (2, -1)).flip(1)
    return -(weights * pmi_beta(taught, learnt, q, beta, positive_pmi)).mean((1, 2))


def gradients(
    student: nn.Module,
    teacher: nn.Module,
    x: Tensor,
    place: Tensor,
    q: Tensor,
    beta: float,
    positive_pmi: bool = False,
) -> tuple[Tensor, Tensor]:
    """Add the gradients of the mean loss to the student; return the losses (h,) and the pairs' weights (b,).

    Args:
        student, teacher: heads, (u, d) -> (h, u, k).
        x: (u, d) the distinct clips of a batch, each of which goes through the heads once.
        place: (2b,) rows of ``x``: the b clips, then their neighbours.
        q: (h, k), updated in place.
        beta, positive_pmi: see ``pmi_beta``.
    """
    with autocast(x.device.type):
        with torch.no_grad():
            taught = teacher(x)
        learnt = student(x)
    taught, learnt = (logits[:, place].to(q.dtype) for logits in (taught, learnt))
    probs = log_probs(taught).exp()
    q.copy_(marginal(q, probs))
    weights = pair_weights(probs)
    losses = temi_loss(learnt, taught, q, weights, beta, positive_pmi)
    losses.mean().backward()
    return losses.detach(), weights


# The heads


class TEMIHeads(nn.Module):
    """h independent heads, (b, d) -> logits (h, b, k), the cosine of feature and weight times a gain ``g``."""

    def __init__(self, h: int, d: int, hidden: int, bottleneck: int, k: int):
        super().__init__()
        self.mlp = nn.Sequential(Linears(h, d, hidden), nn.GELU(), Linears(h, hidden, bottleneck))
        for layer in (self.mlp[0], self.mlp[2]):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        self.v = nn.Parameter(torch.empty(h, k, bottleneck).uniform_(-(bottleneck**-0.5), bottleneck**-0.5))
        self.g = nn.Parameter(torch.ones(h, k, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.mlp(x), dim=-1) @ (self.g * F.normalize(self.v, dim=-1)).mT

    def train_last(self, on: bool) -> None:
        """Train the last layer, or freeze it."""
        self.v.requires_grad_(on)
        self.g.requires_grad_(on)


def decayed(heads: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return parameter groups for an optimiser: no weight decay of biases, here (h, out), but of all others."""
    both = {True: [], False: []}
    for parameter in heads.parameters():
        both[parameter.ndim > 2].append(parameter)
    return [{"params": both[True], "weight_decay": decay}, {"params": both[False], "weight_decay": 0.0}]


# Training


class Distillation:
    """Student, teacher, optimiser and marginal of a TEMI in training.

    Args:
        model: has the parameters.
        x: (n, d), the result of its ``prepare``.
    """

    def __init__(self, model: "TEMI", x: Tensor):
        self.model, self.x = model, x
        # On the CPU, like the rows of a batch.
        self.neighbours = cosine_neighbours(x, model.neighbours_).cpu()
        heads = TEMIHeads(model.heads, x.shape[1], model.hidden, model.bottleneck, model.k)
        self.student = heads.to(x.device)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(decayed(self.student, model.weight_decay), model.lr, fused=True)
        self.q = torch.full((model.heads, model.k), 1 / model.k, device=x.device)
        self.state = {"student": self.student, "teacher": self.teacher, "optimiser": self.optimiser,
                      "marginal": {"q": self.q}}  # fmt: skip

    def step(self, clips: Tensor, lr: float) -> tuple[Tensor, Tensor]:
        """Draw a neighbour of each of ``clips`` (b,) and train on the pairs; return losses (h,) and weights (b,)."""
        drawn = torch.randint(self.neighbours.shape[1], clips.shape)
        rows, place = torch.cat([clips, self.neighbours[clips, drawn]]).unique(return_inverse=True)
        # Copied without waiting for the GPU.
        x = self.x[rows.to(self.x.device, non_blocking=True)]
        if self.model.noise:
            x = x + self.model.noise * torch.randn_like(x)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.zero_grad()
        losses, weights = gradients(
            self.student, self.teacher, x, place.to(x.device, non_blocking=True), self.q, self.model.beta,
            self.model.positive_pmi,
        )  # fmt: skip
        self.optimiser.step()
        ema.update(self.teacher, self.student, self.model.momentum_)
        return losses, weights


def used(q: Tensor) -> Tensor:
    """Return the number of clusters in use, the mean of the perplexities of q(c) (h, k)."""
    return torch.special.entr(q).sum(1).exp().mean()


# The method


@dataclass(repr=False, eq=False)
class TEMI(ClusterMixin, BaseEstimator):
    """Cluster an embedding by TEMI; the defaults are the published command for CIFAR.

    Of few clips, and only where they are null, ``batch``, ``epochs``, ``momentum`` and ``neighbours`` are sized by the
    number of clips (``training.schedules``); a value that is given stands.
    """

    k: Count  # clusters
    heads: Count = 16  # trained side by side; the one with the smallest loss in the last epoch gives the clusters
    # Per clip, by cosine similarity; one of them is drawn in each epoch. null: 50 or, if it is less, n / (2 k), as they
    # should be fewer than the clips of a cluster. At most n - 1 (`neighbours_`)
    neighbours: Count | None = None
    beta: Annotated[float, Field(gt=0.5, le=1)] = 0.6  # smaller: clusters of more equal size; larger: surer ones
    positive_pmi: bool = False  # replace a negative mutual information of a pair by 0
    # Pairs per step; null: 1024 or, if it is less, n / 8 (at least 32). At most n (`batch_`). An incomplete last batch
    # is dropped
    batch: Count | None = None
    epochs: Count | None = None  # passes over the clips; null: 100 or, if it is more, as many as give 1000 steps
    # Learning rate after the warm-up, for 256 pairs; it grows with `batch` (null: 1024), and so does `min_lr`
    lr: Positive = 1e-4
    min_lr: NonNegative = 1e-4  # learning rate at the end
    warmup_epochs: Natural = 20  # in which the learning rate rises from 0
    weight_decay: NonNegative = 1e-4  # of all parameters but biases
    # Of the teacher's moving average; null: 0.996 or, if it is less, 1 - 10 / steps (`momentum_`)
    momentum: Probability | None = None
    hidden: Count = 512  # units of a head's first layer
    bottleneck: Count = 256  # units of its second, before the last
    # Of the embedding: standardise each dimension, or l2, rows of length 1. The official code standardises for the
    # heads only; here the neighbours are found after it too
    scale: Literal["none", "standardise", "l2"] = "none"
    noise: NonNegative = 0.0  # deviation of Gaussian noise on the embedding, after `scale`
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    input = "embedding"

    def fit(
        self,
        X: np.ndarray,
        y: Any = None,
        *,
        frames: Any = None,
        encoder: Any = None,
        embedding: Any = None,
        run: Run | None = None,
    ) -> "TEMI":
        """Set ``proba_`` (n, k) float32 and ``labels_`` (n,) int32, its largest columns.

        Also ``losses_`` (h,), of all heads in the last epoch, ``head_``, the one that is kept, and ``n_features_in_``.

        Args:
            X: embedding (n, d).
            y, frames, encoder, embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than ``k`` or than 2, one that is not finite, or a warm-up longer
                than all epochs.
        """
        self.check()
        x = self.prepare(X)
        with seeded(self.random_state, self.device), memory_hint(f"temi.batch = {self.batch_}"):
            teacher, losses = self._train(x, run)
        self.losses_, self.head_ = losses.cpu().numpy(), int(losses.argmin())
        self.teacher_ = select(teacher, self.head_)
        self.proba_ = self._proba(x)
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def check(self) -> None:
        """Check the parameters, each for itself and the warm-up against the epochs that are given.

        Raises:
            ValueError: a wrong one.
        """
        validate(self)
        if self.epochs is not None and self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} should be <= epochs={self.epochs}")

    def prepare(self, X: np.ndarray) -> Tensor:
        """Check an embedding (n, d), set what depends on it, and return it scaled, on the device."""
        x = points(X, self.k, self)
        if len(x) < 2:
            raise ValueError(f"n_samples={len(x)}: at least 2 clips are needed")
        self._size(len(x))
        if self.warmup_epochs > self.epochs_:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} should be <= epochs={self.epochs_}")
        x = self._tensor(x)
        self.standardise_ = Standardise(x.shape[1]).to(self.device)
        if self.scale == "standardise":
            self.standardise_.fit(x)
        return self._scaled(x)

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        size_by_steps(self, n, BATCH, EPOCHS, MOMENTUM)
        self.neighbours_ = min(self.neighbours or max(min(NEIGHBOURS, n // (2 * self.k)), 1), n - 1)

    def _train(self, x: Tensor, run: Run | None) -> tuple[TEMIHeads, Tensor]:
        """Return the teacher and the mean losses (h,) of the last epoch."""
        training = Distillation(self, x)
        steps = len(x) // self.batch_
        # Not by `batch_`: AdamW's steps do not become larger where a batch is smaller because clips are few.
        lr, min_lr = (rate * (self.batch or BATCH) / LR_BATCH for rate in (self.lr, self.min_lr))
        rates = warmup_cosine(lr, min_lr, self.epochs_ * steps, self.warmup_epochs * steps)
        mean = torch.zeros(self.heads, device=x.device)
        for epoch in epochs(self.epochs_, training.state | {"losses": {"mean": mean}}, run):
            training.student.train_last(epoch.number > 0)
            total = torch.zeros_like(mean)
            for step, clips in enumerate(batches(len(x), self.batch_), epoch.number * steps):
                losses, weights = training.step(clips, rates[step])
                total += losses
                epoch.add(loss=losses.mean(), weight=weights.mean())
            mean.copy_(total / steps)
            epoch.add(clusters=used(training.q))
        return training.teacher, mean

    def _tensor(self, x: np.ndarray) -> Tensor:
        """Return an array (n, d) as float32, on the device."""
        return torch.tensor(x, dtype=torch.float32).to(self.device)

    def _scaled(self, x: Tensor) -> Tensor:
        x = self.standardise_(x)
        return F.normalize(x) if self.scale == "l2" else x

    @torch.no_grad()
    def _proba(self, x: Tensor) -> np.ndarray:
        """Return the probabilities (n, k) of scaled clips (n, d)."""
        blocks = [log_probs(self.teacher_(block))[0].exp().cpu() for block in x.split(BLOCK)]
        return torch.cat(blocks).numpy()

    def predict(self, X: np.ndarray, *, frames: Any = None, front_end: Any = None) -> np.ndarray:
        """Return the clusters (n,) int32 of an embedding (n, d); ``frames`` and ``front_end`` are ignored.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: another number of dimensions, or a row that is not finite.
        """
        check_is_fitted(self, "teacher_")
        x = points(validate_data(self, X, reset=False, ensure_all_finite=False))
        return self._proba(self._scaled(self._tensor(x))).argmax(1).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "teacher_")
        saving.save(folder, self, {**self.teacher_.state_dict(prefix="teacher."), **self.standardise_.state_dict()})

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "TEMI":
        """Return a saved model, ready for ``predict``."""
        model, tensors, _ = saving.load(folder, cls, device)
        model.n_features_in_ = len(tensors["mean"])
        model.standardise_ = Standardise(model.n_features_in_).to(device)
        model.standardise_.load_state_dict({name: tensors.pop(name) for name in ("mean", "std")})
        weights = {name.removeprefix("teacher."): value for name, value in tensors.items()}
        with torch.device("meta"):  # no random weights are drawn
            model.teacher_ = TEMIHeads(1, model.n_features_in_, model.hidden, model.bottleneck, model.k)
        model.teacher_.load_state_dict(weights, assign=True)
        return model
