"""TEMI (Adaloglou, Michels, Kalisch and Kollmann, BMVC 2023, arXiv 2303.17896): many cluster heads on an embedding.

A clip and one of its nearest neighbours should fall into the same cluster. Student heads learn what slow teacher heads
say of the neighbour, by pointwise mutual information: dividing by the marginal q(c) keeps all clips out of one cluster.
Each head has its own clusters; all of them together say how far a pair can be trusted.

Shapes: n clips, b pairs of a batch, d dims, h heads, k clusters. Of 2b rows the first b are the clips, the others their
neighbours, in the same order.
"""

import copy
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.base import BaseEstimator, ClusterMixin
from torch import Tensor, nn

from audioclust.checks import points
from audioclust.nn import ema, saving
from audioclust.nn.heads import Linears, select
from audioclust.nn.neighbours import cosine_neighbours
from audioclust.nn.schedules import warmup_cosine
from audioclust.nn.standardise import Standardise
from audioclust.nn.training import Run, autocast, batches, epochs, memory_hint, seeded

TEMPERATURE = 0.1  # of student and teacher
MARGINAL_MOMENTUM = 0.9  # of q(c)
LR_BATCH = 256  # pairs that the learning rate is given for; it grows with the batch
BLOCK = 4096  # clips that are assigned at once

# The loss


def log_probs(logits: Tensor) -> Tensor:
    """Return log p(c | x) (h, 2b, k) of logits (h, 2b, k)."""
    return F.log_softmax(logits / TEMPERATURE, dim=-1)


def marginal(q: Tensor, probs: Tensor) -> Tensor:
    """Return the moving average q(c) (h, k) after a step in which the teachers gave ``probs`` (h, 2b, k)."""
    return q.lerp(probs.mean(1), 1 - MARGINAL_MOMENTUM)


def pair_weights(probs: Tensor) -> Tensor:
    """Return (b,) how likely the teachers put both sides of a pair into one cluster, the mean over heads."""
    one, other = probs.unflatten(1, (2, -1)).unbind(1)
    return (one * other).sum(-1).mean(0)


def pmi_beta(one: Tensor, other: Tensor, q: Tensor, beta: float, positive: bool = False) -> Tensor:
    """Return log sum_c (p(c | one) p(c | other))^beta / q(c), (h, ...).

    At beta = 1 it is the pointwise mutual information, which lets clusters die out; at 1/2 nothing would be gained by
    being sure.

    Args:
        one, other: log-probabilities (h, ..., k).
        q: (h, k).
        beta: in (1/2, 1].
        positive: cut what is below 0.
    """
    # A cluster that no clip was in for very long must not make the sum infinite.
    log_q = q.clamp_min(torch.finfo(q.dtype).tiny).log()
    log_q = log_q.view(len(q), *[1] * (one.ndim - 2), -1)
    pmi = (beta * (one + other) - log_q).logsumexp(-1)
    return pmi.clamp_min(0) if positive else pmi


def temi_loss(
    student: Tensor, teacher: Tensor, q: Tensor, weights: Tensor, beta: float, positive_pmi: bool = False
) -> Tensor:
    """Return the loss of each head (h,): the teacher's view of one side with the student's of the other, both ways.

    Args:
        student, teacher: logits (h, 2b, k).
        q: (h, k), in which this batch counts already.
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
        x: (u, d) the different clips of a batch, each of which goes through the heads once.
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
    """h heads of their own parameters (h, ...), (b, d) -> logits (h, b, k), none of them larger than its gain ``g``."""

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
        """Train the last layer, or leave it as it is."""
        self.v.requires_grad_(on)
        self.g.requires_grad_(on)


def decayed(heads: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return groups of parameters for an optimiser: biases, which are (h, out) here, do not decay; gains do."""
    both = {True: [], False: []}
    for parameter in heads.parameters():
        both[parameter.ndim > 2].append(parameter)
    return [{"params": both[True], "weight_decay": decay}, {"params": both[False], "weight_decay": 0.0}]


# Training


class Distillation:
    """The student and the teacher of a TEMI in training, and what changes with them; ``step`` is one step.

    Args:
        model: the parameters.
        x: (n, d) of its ``prepare``.
    """

    def __init__(self, model: "TEMI", x: Tensor):
        self.model, self.x = model, x
        # On the CPU, where the clips of a batch are drawn too.
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
        # The CPU goes on to the next step without waiting.
        x = self.x[rows.to(self.x.device, non_blocking=True)]
        if self.model.noise:
            x = x + self.model.noise * torch.randn_like(x)  # the sides of a pair are two clips: each has its own
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.zero_grad()
        losses, weights = gradients(
            self.student, self.teacher, x, place.to(x.device, non_blocking=True), self.q, self.model.beta,
            self.model.positive_pmi,
        )  # fmt: skip
        self.optimiser.step()
        ema.update(self.teacher, self.student, self.model.momentum)
        return losses, weights


def used(q: Tensor) -> Tensor:
    """Return how many clusters the heads fill, the mean of the perplexities of q(c) (h, k)."""
    return torch.special.entr(q).sum(1).exp().mean()


# The method


class TEMI(ClusterMixin, BaseEstimator):
    """Cluster an embedding by TEMI; the defaults are the published command for CIFAR.

    Args:
        k: clusters.
        heads: trained side by side; the one with the smallest loss in the last epoch gives the clusters.
        neighbours: of a clip by cosine similarity, one of which is drawn in each epoch; at most n - 1
            (``neighbours_``). They should be fewer than a cluster's clips: n / (2 k) is a good number.
        beta: smaller spreads the clips more evenly, larger makes surer.
        positive_pmi: cut the mutual information of a pair below 0.
        batch: pairs of a step; at most n (``batch_``). An incomplete last batch is dropped.
        epochs: passes over the clips.
        lr, min_lr: the learning rate after the warm-up and at the end, for 256 pairs; they grow with the batch.
        warmup_epochs: in which the learning rate rises from 0.
        weight_decay: of all but biases.
        momentum: of the teacher.
        hidden, bottleneck: units of a head's two layers before the last.
        scale: of the embedding: "standardise" each dimension or "l2", rows of length 1. The official code standardises
            for the heads only; here the neighbours follow it too.
        noise: deviation of Gaussian noise on the embedding, after ``scale``.
    """

    input = "embedding"

    def __init__(
        self,
        k: Annotated[int, Field(ge=1)],
        heads: Annotated[int, Field(ge=1)] = 16,
        neighbours: Annotated[int, Field(ge=1)] = 50,
        beta: Annotated[float, Field(gt=0.5, le=1)] = 0.6,
        positive_pmi: bool = False,
        batch: Annotated[int, Field(ge=1)] = 1024,
        epochs: Annotated[int, Field(ge=1)] = 100,
        lr: Annotated[float, Field(gt=0)] = 1e-4,
        min_lr: Annotated[float, Field(ge=0)] = 1e-4,
        warmup_epochs: Annotated[int, Field(ge=0)] = 20,
        weight_decay: Annotated[float, Field(ge=0)] = 1e-4,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.996,
        hidden: Annotated[int, Field(ge=1)] = 512,
        bottleneck: Annotated[int, Field(ge=1)] = 256,
        scale: Literal["none", "standardise", "l2"] = "none",
        noise: Annotated[float, Field(ge=0)] = 0.0,
        *,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.k, self.heads, self.neighbours, self.beta, self.positive_pmi = k, heads, neighbours, beta, positive_pmi
        self.batch, self.epochs, self.lr, self.min_lr, self.warmup_epochs = batch, epochs, lr, min_lr, warmup_epochs
        self.weight_decay, self.momentum, self.hidden, self.bottleneck = weight_decay, momentum, hidden, bottleneck
        self.scale, self.noise, self.device, self.random_state = scale, noise, device, random_state

    def fit(
        self,
        x: np.ndarray,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "TEMI":
        """Set ``proba_`` (n, k) float32 and ``labels_`` (n,) int32, their columns, for an embedding ``x`` (n, d).

        Also ``losses_`` (h,), of all heads in the last epoch, and ``head_``, the one that was taken. ``frames``,
        ``encoder`` and ``embedding`` are for methods on log-mels; ``run`` keeps curves and checkpoints.

        Raises:
            ValueError: fewer clips than ``k`` or than 2, one that is not finite, or a warm-up longer than all epochs.
        """
        x = self.prepare(x)
        with seeded(self.random_state, self.device), memory_hint(f"temi.batch = {self.batch}"):
            teacher, losses = self._train(x, run)
        self.losses_, self.head_ = losses.cpu().numpy(), int(losses.argmin())
        self.teacher_ = select(teacher, self.head_)
        self.proba_ = self._proba(x)
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def prepare(self, x: np.ndarray) -> Tensor:
        """Check an embedding (n, d), set what follows from it, and return it scaled, on the device."""
        x = points(x, self.k)
        if len(x) < 2:
            raise ValueError(f"n_samples={len(x)}: at least 2 clips are needed")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} should be <= epochs={self.epochs}")
        x = torch.from_numpy(x).float().to(self.device)
        self.batch_, self.neighbours_ = min(self.batch, len(x)), min(self.neighbours, len(x) - 1)
        self.standardise_ = Standardise(x.shape[1]).to(self.device)
        if self.scale == "standardise":
            self.standardise_.fit(x)
        return self._scaled(x)

    def _train(self, x: Tensor, run: Run | None) -> tuple[TEMIHeads, Tensor]:
        """Return the teacher and the mean losses (h,) of the last epoch."""
        training = Distillation(self, x)
        steps = len(x) // self.batch_
        lr, min_lr = (rate * self.batch_ / LR_BATCH for rate in (self.lr, self.min_lr))
        rates = warmup_cosine(lr, min_lr, self.epochs * steps, self.warmup_epochs * steps)
        mean = torch.zeros(self.heads, device=x.device)
        for epoch in epochs(self.epochs, training.state | {"losses": {"mean": mean}}, run):
            training.student.train_last(epoch.number > 0)
            total = torch.zeros_like(mean)
            for step, clips in enumerate(batches(len(x), self.batch_), epoch.number * steps):
                losses, weights = training.step(clips, rates[step])
                total += losses
                epoch.add(loss=losses.mean(), weight=weights.mean())
            mean.copy_(total / steps)
            epoch.add(clusters=used(training.q))
        return training.teacher, mean

    def _scaled(self, x: Tensor) -> Tensor:
        x = self.standardise_(x)
        return F.normalize(x) if self.scale == "l2" else x

    @torch.no_grad()
    def _proba(self, x: Tensor) -> np.ndarray:
        blocks = [log_probs(self.teacher_(block))[0].exp().cpu() for block in x.split(BLOCK)]
        return torch.cat(blocks).numpy()

    def predict(self, x: np.ndarray, frames: np.ndarray | None = None) -> np.ndarray:
        """Return the cluster (n,) int32 of the rows of an embedding (n, d)."""
        x = points(x)
        d = self.teacher_.mlp[0].weight.shape[2]
        if x.shape[1] != d:
            raise ValueError(f"an embedding of {x.shape[1]} dims: TEMI was fitted to {d}")
        return self._proba(self._scaled(torch.from_numpy(x).float().to(self.device))).argmax(1).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``config.json``, which are what ``load`` and ``predict`` need."""
        saving.save(folder, self, {**self.teacher_.state_dict(prefix="teacher."), **self.standardise_.state_dict()})

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "TEMI":
        """Return a saved one, ready for ``predict``."""
        model, tensors, _ = saving.load(folder, cls, device)
        model.standardise_ = Standardise(len(tensors["mean"])).to(device)
        model.standardise_.load_state_dict({name: tensors.pop(name) for name in ("mean", "std")})
        weights = {name.removeprefix("teacher."): value for name, value in tensors.items()}
        with torch.device("meta"):  # nothing is drawn
            model.teacher_ = TEMIHeads(1, weights["mlp.0.weight"].shape[2], model.hidden, model.bottleneck, model.k)
        model.teacher_.load_state_dict(weights, assign=True)
        return model
