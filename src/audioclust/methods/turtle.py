"""TURTLE (Gadetsky, Jiang and Brbić, ICML 2024, arXiv 2406.07236): the labelling that linear classifiers learn best.

A task encoder, one linear layer on a frozen embedding, labels the clips. Linear classifiers are trained on these labels
for a few steps; then the task encoder takes one step towards what they predict, and so towards a labelling that they
learn easily and surely. The entropy of the mean prediction keeps clusters in use. Of several embeddings each has a task
encoder and a classifier, and the labelling is the mean of the task encoders' probabilities.

Several runs, from different random weights, are trained side by side. The labels are those of the run whose clusters a
ridge classifier finds again best (``points.ridge``: leave-one-out, Cohen's kappa); it needs no true labels.

Shapes: n clips, b of a batch, d dims of an embedding, k clusters, r runs (of all gammas), m inner steps. Clusters come
first, (k, r, b): on a CPU a softmax over the first axis takes a fifth of the time of one over the last.

What differs from the official code (mlbio-epfl/turtle, ``run_turtle.py``):

- Rows are centred and scaled, classifiers keep their weights from step to step, the learning rates are ten times as
  high and the steps a fortieth: of embeddings of length 1 the official defaults learn next to nothing. These are
  ``scale="none", warm=False, lr=1e-3, epochs=6000, runs=1``.
- Runs and gammas are trained side by side and one run is chosen; there each is a command.
- The task encoders may start from clusters of k-means or Ward.
- Where all clips are one batch they keep their order; there they are permuted.
- In its score (``generalisation_score``) scikit-learn's logistic regression replaces cuML's.
"""

from dataclasses import KW_ONLY, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import fastcluster
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from scipy.cluster.hierarchy import fcluster
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audioclust.devices import memory_hint, seeded
from audioclust.methods._spaces import same_dimensions
from audioclust.methods._spaces import spaces as spaces_of
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, NonNegative, Positive, validate
from audioclust.points.kmeans import kmeans
from audioclust.points.ridge import kappa, loo_predictions
from audioclust.training import saving
from audioclust.training.loop import Run, epochs, optimise

LENGTH = 32**0.5  # of scaled rows: Adam's steps are as large for small inputs, which makes it a learning rate
START_STEPS = 50  # in which task encoders learn the clusters that they start from, not so well that they stay there
WARD = 3000  # clips that Ward's method clusters for a start, at most: it takes n^2 d operations
BLOCK = 4096  # clips per forward pass without gradient

# The losses


def logits(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return (k, r, b) of clips (b, d) by linear layers (k, r, d) and (k, r): one product for all runs."""
    return torch.addmm(bias.reshape(-1, 1), weight.flatten(0, 1), z.T).unflatten(0, bias.shape)


def cross_entropy(target: Tensor, log_p: Tensor) -> Tensor:
    """Return the mean cross-entropy (r,) of log-probabilities (k, r, b) from target probabilities (k, r, b)."""
    return -(target * log_p).sum(0).mean(1)


def entropy(p: Tensor) -> Tensor:
    """Return the entropy (r,) of the mean of probabilities (k, r, b): log k where clusters are of equal size."""
    mean = p.mean(2)
    # A cluster that has become empty must not make the gradient infinite.
    return -(mean * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()).sum(0)


def turtle_loss(p: list[Tensor], log_q: list[Tensor], gamma: Tensor) -> Tensor:
    """Return the loss of each run's task encoders (r,): their labelling's cross-entropies less gamma times entropies.

    Args:
        p: probabilities (k, r, b) of the task encoders, one for each space; the labelling is their mean.
        log_q: log-probabilities (k, r, b) of the classifiers, one for each space, without gradient.
        gamma: (r,).
    """
    labelling = sum(p) / len(p)
    return sum(cross_entropy(labelling, each) for each in log_q) - gamma * sum(entropy(each) for each in p)


def generalisation_score(
    spaces: list[np.ndarray], labels: np.ndarray, folds: int = 10, c: float = 1.0, random_state: int = 42
) -> float:
    """Return the official score: the accuracy with which logistic regression finds labels again, by cross-validation.

    It is not adjusted for chance: few or unequal clusters score higher, one cluster 1.

    Args:
        spaces: embeddings (n, d), over which the accuracy is averaged as it is over folds.
        labels: clusters (n,).
        folds: parts of a random permutation of the clips.
        c: inverse of the penalty.
        random_state: seeds the permutation.
    """
    parts = np.array_split(check_random_state(random_state).permutation(len(labels)), folds)
    splits = [(np.concatenate(parts[:i] + parts[i + 1 :]), part) for i, part in enumerate(parts)]
    return float(np.mean([_accuracy(x, labels, *split, c) for x in spaces for split in splits]))


def _accuracy(x: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray, c: float) -> float:
    """Return the accuracy on the clips ``test`` of a classifier of the clips ``train``."""
    if len(np.unique(labels[train])) == 1:  # scikit-learn refuses to learn one class
        return float(np.mean(labels[test] == labels[train[0]]))
    return LogisticRegression(C=c, max_iter=1000).fit(x[train], labels[train]).score(x[test], labels[test])


# What is trained


def uniform(k: int, r: int, d: int, copies: int) -> tuple[Tensor, Tensor]:
    """Return weights (k, copies * r, d) and biases (k, copies * r) of random linear layers, drawn as torch's are."""
    weight, bias = (torch.empty(shape).uniform_(-(d**-0.5), d**-0.5) for shape in ((k, r, d), (k, r)))
    return weight.repeat(1, copies, 1), bias.repeat(1, copies)


class TaskEncoders(nn.Module):
    """The task encoders of all runs in one space, clips (b, d) -> logits (k, r, b): linear, with normalised weights.

    Length ``g`` and direction ``v`` of a cluster's weights are trained apart.
    """

    def __init__(self, *shape: int):
        super().__init__()
        v, bias = uniform(*shape)
        self.v, self.g, self.bias = nn.Parameter(v), nn.Parameter(v.norm(dim=2, keepdim=True)), nn.Parameter(bias)

    @property
    def weight(self) -> Tensor:
        """Return the weights (k, r, d)."""
        return self.g * self.v / self.v.norm(dim=2, keepdim=True)

    def forward(self, z: Tensor) -> Tensor:
        return logits(z, self.weight, self.bias)


class Classifiers(nn.Module):
    """The inner classifiers of all runs in one space, clips (b, d) -> logits (k, r, b): linear."""

    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape
        self.weight, self.bias = (nn.Parameter(each) for each in uniform(*shape))

    def reset(self) -> None:
        """Draw new weights."""
        for parameter, drawn in zip((self.weight, self.bias), uniform(*self.shape), strict=True):
            parameter.data.copy_(drawn)

    def forward(self, z: Tensor) -> Tensor:
        return logits(z, self.weight, self.bias)

    @torch.no_grad()
    def gradients(self, z: Tensor, target: Tensor) -> Tensor:
        """Set the gradients of ``cross_entropy``, in closed form; return it (r,).

        Args:
            z: clips (b, d).
            target: probabilities (k, r, b).
        """
        log_p = self(z).log_softmax(0)
        loss = cross_entropy(target, log_p)
        error = log_p.exp_().sub_(target).div_(len(z))
        self.weight.grad = (error.flatten(0, 1) @ z).view_as(self.weight)
        self.bias.grad = error.sum(2)
        return loss


class Bilevel:
    """Task encoders and classifiers of all runs in training.

    Args:
        x: one scaled embedding (n, d) for each space.
        model: has the parameters.
    """

    def __init__(self, x: list[Tensor], model: "TURTLE"):
        self.x, self.model = x, model
        device, gammas = x[0].device, model.gammas
        self.gamma = torch.tensor(gammas, dtype=x[0].dtype, device=device).repeat_interleave(model.runs)  # (r,)
        # Runs of all gammas begin with the same weights.
        shapes = [(model.k, model.runs, each.shape[1], len(gammas)) for each in x]
        self.task = nn.ModuleList(TaskEncoders(*shape) for shape in shapes).to(x[0])
        self.inner = nn.ModuleList(Classifiers(*shape) for shape in shapes).to(x[0])
        self.outer_adam = torch.optim.Adam(self.task.parameters(), model.lr, fused=True)
        self.inner_adam = torch.optim.Adam(self.inner.parameters(), model.inner_lr or model.lr, fused=True)
        self.state = {"task": self.task, "inner": self.inner, "outer_adam": self.outer_adam,
                      "inner_adam": self.inner_adam}  # fmt: skip

    def step(self, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Train the classifiers, then the task encoders by one step; return losses (r,), and the classifiers' (m, r).

        Args:
            rows: (b,) clips; None: all.
        """
        z = self.x if rows is None else [each[rows] for each in self.x]
        p = [encoder(each).softmax(0) for encoder, each in zip(self.task, z, strict=True)]
        target = (sum(p) / len(p)).detach()
        if not self.model.warm:
            self.inner_adam.state.clear()
            for classifier in self.inner:
                classifier.reset()
        learnt = torch.stack([self._learn(z, target) for _ in range(self.model.inner_steps)])
        with torch.no_grad():
            log_q = [classifier(each).log_softmax(0) for classifier, each in zip(self.inner, z, strict=True)]
        losses = turtle_loss(p, log_q, self.gamma)
        optimise(losses.sum(), self.outer_adam)
        return losses.detach(), learnt

    def _learn(self, z: list[Tensor], target: Tensor) -> Tensor:
        losses = [classifier.gradients(each, target) for classifier, each in zip(self.inner, z, strict=True)]
        self.inner_adam.step()
        return sum(losses)

    def imitate(self, z: list[Tensor], labels: Tensor, adam: torch.optim.Optimizer) -> Tensor:
        """Train the task encoders by one step on labels (r, b) of clips, (b, d) in each space; return losses (r,)."""
        target = F.one_hot(labels, self.model.k).permute(2, 0, 1).to(z[0].dtype)
        losses = sum(cross_entropy(target, e(each).log_softmax(0)) for e, each in zip(self.task, z, strict=True))
        optimise(losses.sum(), adam)
        return losses.detach()


# The method


class Scale(nn.Module):
    """Embeddings (n, d) -> (n, d), as ``TURTLE.scale`` says; the identity until ``fit`` is called."""

    def __init__(self, d: int, how: str):
        super().__init__()
        self.how = how
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("std", torch.ones(d))

    def fit(self, x: Tensor) -> "Scale":
        """Take mean and deviation from ``x`` (n, d)."""
        if self.how == "standardise":
            standard = Standardise(x.shape[1]).to(x.device).fit(x)
            self.mean, self.std = standard.mean, standard.std
        elif self.how == "centre":
            x = F.normalize(x)
            self.mean.copy_(x.mean(0))
            length = (x - self.mean).square().sum(1).mean().sqrt()
            # What is left of equal rows after float32 rounding keeps its scale.
            self.std.fill_(length / LENGTH if length > 1e-6 else 1.0)
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "none":
            return x
        x = F.normalize(x) if self.how == "centre" else x
        x = (x - self.mean) / self.std
        return x if self.how == "centre" else LENGTH * F.normalize(x)


@dataclass(repr=False, eq=False)
class TURTLE(ClusterMixin, BaseEstimator):
    """Cluster one embedding, or several of the same clips, by TURTLE."""

    k: Count  # clusters
    runs: Count = 8  # from different random weights, side by side; one of them gives the labels
    # Weight of the entropy: 10 makes clusters of equal size, 0.3 lets them differ and some be empty. Of a list, the
    # first gives the labels and each other one a row of its own: no score without labels chooses well among them
    gamma: NonNegative | Annotated[list[NonNegative], Field(min_length=1)] = 10.0
    # centre: rows of length 1, less their mean, times one number so that the mean square of their lengths is 32;
    # standardise: each dimension, then rows of length √32; none: the learning rates must fit the embedding
    scale: Literal["centre", "standardise", "none"] = "centre"
    start: Literal["random", "kmeans", "ward"] = "random"  # of the task encoders: clusters that they learn first
    warm: bool = True  # the classifiers keep their weights from step to step; false: they begin anew each time
    inner_steps: Count = 10  # of the classifiers before each step of the task encoders
    epochs: Count = 150  # steps of the task encoders, each on one batch
    batch: Count = 10_000  # clips per step, at most n
    lr: Positive = 1e-2  # of the task encoders
    inner_lr: Positive | None = None  # of the classifiers; null: `lr`
    _: KW_ONLY
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    input = "embedding"
    several = True  # or those of several encoders

    @property
    def gammas(self) -> list[float]:
        """Return the weights of the entropy."""
        return list(self.gamma) if isinstance(self.gamma, list) else [self.gamma]

    def fit(
        self,
        X: np.ndarray | list[np.ndarray],
        y: Any = None,
        *,
        frames: Any = None,
        encoder: Any = None,
        embedding: Any = None,
        run: Run | None = None,
    ) -> "TURTLE":
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, its largest columns, and what tells of the runs.

        ``kappas_`` (gammas, runs): how well a ridge classifier finds each run's labels again; the best run of the first
        gamma gives the labels. ``agreement_``: the mean adjusted Rand index of pairs of its runs; NaN of one run.
        ``more_labels_``: of other gammas, by ``"gamma-0.3"``.

        Args:
            X: embedding (n, d), or a list of several, whose rows are the same clips.
            y, frames, encoder, embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than ``k``, one that is not finite, or embeddings of different
                numbers of clips.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        if len(set(self.gammas)) < len(self.gammas):
            raise ValueError(f"TURTLE.gamma = {self.gamma}: name each value once")
        spaces = spaces_of(X, self.device, self.k)
        self.n_features_in_ = sum(x.shape[1] for x in spaces)
        self.batch_ = min(self.batch, len(spaces[0]))
        with seeded(self.random_state, self.device), memory_hint(f"turtle.batch = {self.batch_}"):
            self.network_ = self._network([x.shape[1] for x in spaces])
            x = [layers[0].fit(each)(each) for layers, each in zip(self.network_, spaces, strict=True)]
            task = self._train(x, run)
            self._choose(task, x)
        self.proba_ = self._proba(spaces)
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def _network(self, dims: list[int]) -> nn.ModuleList:
        """Return the layers that map each space to logits: its scale, then what a task encoder has learnt."""
        # Without random weights, which would change the caller's generator.
        linears = (nn.utils.skip_init(nn.Linear, d, self.k) for d in dims)
        layers = nn.ModuleList(nn.Sequential(Scale(d, self.scale), f) for d, f in zip(dims, linears, strict=True))
        return layers.to(self.device).requires_grad_(False)

    def _train(self, x: list[Tensor], run: Run | None) -> nn.ModuleList:
        """Return the task encoders of all runs."""
        bilevel = Bilevel(x, self)
        if self.start != "random" and self.k > 1:
            clips, labels = self._start(x)
            adam = torch.optim.Adam(bilevel.task.parameters(), self.lr, fused=True)
            for epoch in epochs(START_STEPS, {"task": bilevel.task, "adam": adam}, run, "start"):
                rows = torch.randperm(len(clips))[: self.batch_].to(clips.device)
                z = [each[clips[rows]] for each in x]
                epoch.add(loss=bilevel.imitate(z, labels[:, rows], adam).mean())
        n = len(x[0])
        for epoch in epochs(self.epochs, bilevel.state, run):
            rows = None if self.batch_ == n else torch.randperm(n)[: self.batch_].to(x[0].device, non_blocking=True)
            losses, learnt = bilevel.step(rows)
            epoch.add(loss=losses.mean(), classifiers=learnt[-1].mean())
        return bilevel.task

    def _start(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return clips (b,) and the labels (r, b) that the task encoders learn of them first."""
        x = torch.cat(x, 1)
        if self.start == "kmeans":  # each run has its own
            labels = torch.stack([kmeans(x, self.k, iterations=100).labels for _ in range(self.runs)])
            return torch.arange(len(x), device=x.device), labels.repeat(len(self.gammas), 1)
        clips = torch.randperm(len(x))[:WARD].to(x.device)
        merges = fastcluster.linkage_vector(x[clips].double().cpu().numpy(), "ward")
        labels = torch.from_numpy(fcluster(merges, self.k, "maxclust") - 1).long().to(x.device)
        return clips, labels.expand(self.runs * len(self.gammas), -1)

    @torch.no_grad()
    def _choose(self, task: nn.ModuleList, x: list[Tensor]) -> None:
        """Choose a run of each gamma and put that of the first into ``network_``."""
        blocks = zip(*(each.split(BLOCK) for each in x), strict=True)
        found = [sum(e(z).softmax(0) for e, z in zip(task, block, strict=True)).argmax(0) for block in blocks]
        labels = torch.cat(found, 1).cpu().numpy().astype(np.int32)  # (r, n)
        scores = [kappa(labels, loo_predictions(each.cpu().numpy(), labels)) for each in x]
        self.kappas_ = np.mean(scores, axis=0).reshape(-1, self.runs)
        # Of runs that are found again alike, one that uses more clusters.
        used = np.array([len(np.unique(each)) for each in labels]).reshape(self.kappas_.shape)
        best = np.arange(len(self.gammas)) * self.runs + np.lexsort((used, self.kappas_))[:, -1]
        pairs = combinations(labels[: self.runs], 2)
        self.agreement_ = float(np.mean([adjusted_rand_score(*pair) for pair in pairs])) if self.runs > 1 else np.nan
        self.more_labels_ = {f"gamma-{g:g}": labels[r] for g, r in zip(self.gammas[1:], best[1:], strict=True)}
        for layers, encoder in zip(self.network_, task, strict=True):
            layers[1].weight.copy_(encoder.weight[:, best[0]])
            layers[1].bias.copy_(encoder.bias[:, best[0]])

    @torch.no_grad()
    def _proba(self, spaces: list[Tensor]) -> np.ndarray:
        """Return the probabilities (n, k) of embeddings (n, d)."""
        blocks = zip(*(x.split(BLOCK) for x in spaces), strict=True)
        found = [sum(f(x).softmax(1) for f, x in zip(self.network_, block, strict=True)).cpu() for block in blocks]
        return (torch.cat(found) / len(spaces)).numpy()

    def predict(self, X: np.ndarray | list[np.ndarray], *, frames: Any = None, front_end: Any = None) -> np.ndarray:
        """Return the clusters (n,) int32 of what ``fit`` takes; ``frames`` and ``front_end`` are ignored.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: another number of embeddings or of dimensions, or a row that is not finite.
        """
        check_is_fitted(self, "network_")
        spaces = spaces_of(X, self.device)
        same_dimensions(spaces, [layers[1].in_features for layers in self.network_])
        return self._proba(spaces).argmax(1).astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "network_")
        saving.save(folder, self, self.network_.state_dict())

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "TURTLE":
        """Return a saved model, ready for ``predict``."""
        model, tensors, _ = saving.load(folder, cls, device)
        dims = [len(tensors[f"{space}.0.mean"]) for space in range(len(tensors) // 4)]
        model.n_features_in_, model.network_ = sum(dims), model._network(dims)
        model.network_.load_state_dict(tensors)
        return model
