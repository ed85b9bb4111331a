"""SPICE (Niu, Shan and Wang, IEEE TIP 2022, arXiv 2103.09382): semantic pseudo-labels from prototypes.

Stage 1 is an encoder trained without labels. Stage 2 trains clustering heads on it by expectation and maximisation:
the clips that a head is surest of give a cluster's prototype, the clips nearest to the prototype its pseudo-labels
(``e_step``), and the head learns them from strong views (``double_softmax_ce``). Stage 3 keeps the labels that a
clip's neighbours share (``nn/reliable.py``) and trains a whole network on them by FixMatch
(``nn/fixmatch.py``).

Shapes: n clips, m of them in a pool, d dims, k clusters, h heads.
"""

import copy
import math
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.base import BaseEstimator, ClusterMixin
from torch import Tensor, nn

from audioclust.nn import backbones, saving
from audioclust.nn.assignment import progress
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.fixmatch import fixmatch, sgd
from audioclust.nn.heads import Heads, select
from audioclust.nn.reliable import balanced, reliable
from audioclust.nn.standardise import Standardise
from audioclust.nn.starting import alike, from_encoder
from audioclust.nn.training import Epoch, Run, batches, epochs, memory_hint, seeded
from audioclust.nn.views import BLOCK, Frozen, Trained, Views, embed_views
from audioclust.pretext.moco import MoCo

Share = Annotated[float, Field(gt=0, le=1)]

# Stage 2: pseudo-labels


def e_step(
    features: Tensor, probs: Tensor, ratio: float = 1.0, centre_ratio: float = 0.5, exclusive: bool = False
) -> tuple[Tensor, Tensor]:
    """Give each cluster of each head the m / k clips that are nearest to its prototype.

    Every cluster gets as many, so none can empty; a clip may be given to several clusters, or to none.

    Args:
        features: (m, d) of length 1.
        probs: (h, m, k).
        ratio: share of m / k that is chosen.
        centre_ratio: share of the chosen ones whose mean is the prototype.
        exclusive: each clip goes to one cluster at most; the first clusters choose first.

    Returns:
        Positions in the pool (h, k * chosen), one cluster after another, and their labels (k * chosen,).
    """
    m, k = probs.shape[1:]
    each = m // k
    chosen = max(int(each * ratio), 1)
    centres = prototypes(features, probs, max(int(centre_ratio * each * ratio), 1), exclusive)
    selected = _top(centres @ features.T, chosen, exclusive)  # (h, k, chosen)
    return selected.flatten(1), torch.arange(k, device=probs.device).repeat_interleave(chosen)


def prototypes(features: Tensor, probs: Tensor, count: int, exclusive: bool = False) -> Tensor:
    """Return the means (h, k, d) of the ``count`` clips of which each head is surest, a cluster; not of length 1."""
    scores = probs.transpose(1, 2)
    members = torch.zeros_like(scores).scatter_(2, _top(scores, count, exclusive), 1 / count)
    return members @ features


def _top(scores: Tensor, count: int, exclusive: bool) -> Tensor:
    """Return the places (h, k, count) of the largest of ``scores`` (h, k, m), in descending order, ties in order."""
    if not exclusive:
        return scores.sort(dim=2, descending=True, stable=True).indices[..., :count]
    scores, taken = scores.clone(), []
    for c in range(scores.shape[1]):
        taken.append(scores[:, c].sort(dim=1, descending=True, stable=True).indices[:, :count])
        scores.scatter_(2, taken[-1][:, None].expand(-1, scores.shape[1], -1), -math.inf)
    return torch.stack(taken, dim=1)


def double_softmax_ce(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each head (h,): cross-entropy that takes the probabilities for logits, as the code does.

    It lies between log(e + k - 1) - 1 and log(e + k - 1), and its bounded gradient damps wrong labels.

    Args:
        logits: (h, b, k).
        labels: (h, b), or (b,) where the heads share them.
    """
    probs = logits.softmax(2)
    right = probs.gather(2, labels.expand(len(probs), -1)[..., None])[..., 0]
    return (probs.logsumexp(2) - right).mean(1)


def ratio_schedule(i: int, start: int, up: int, down: int, end: int, low: float, high: float) -> float:
    """Return the share chosen by ``e_step`` at step ``i``: low, from ``start`` to ``up`` rising to high, and back.

    It falls from ``down`` to ``end``. Where ``up`` or ``down`` is -1 it rises from ``start`` to ``end``.
    """
    if not start <= i <= end:
        return low
    if up < 0 or down < 0:
        return low + (high - low) * (i - start) / max(end - start, 1)
    return low + (high - low) * min((i - start) / max(up - start, 1), 1.0, (end - i) / max(end - down, 1))


class Network(nn.Module):
    """An encoder and one head: views (b, 1, f, t) to logits (b, k)."""

    def __init__(self, encoder: nn.Module, head: Heads):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, views: Tensor) -> Tensor:
        return self.head(self.encoder(views))[0]


class SPICE(ClusterMixin, BaseEstimator):
    """SPICE on log-mels, from an encoder trained without labels.

    Args:
        k: clusters.
        stage: where it ends: "self" with the heads of stage 2, "joint" with the network of stage 3.
        heads: trained side by side; the one with the smallest loss on its own pseudo-labels is taken.
        epochs: of stage 2, each a pass over the clips in pools.
        pool: clips of an E-step (M); all of them where there are fewer.
        passes: over a pool's pseudo-labels in its M-step, in batches of ``batch``.
        lr: of Adam, for the heads.
        ratio: share of M / k that gets a pseudo-label, in the first epoch and in the last.
        centre_ratio: share of those that give the prototype.
        exclusive: a clip gets the label of one cluster at most.
        scale: "standardise" each dimension of the embedding first; the official code takes it as it is.
        views: weak and strong views a clip that are embedded once where the encoder is frozen.
        refresh: epochs after which other views are; 0: never.
        finetune: train the encoder with the heads, at ``encoder_lr``; the official code freezes it.
        norm: whether its batch normalisation and dropout stand still then ("eval") or not ("train").
        neighbours: of a clip, itself among them, that must share its label for it to be reliable; at most n / 2k.
        agreement: share of them that must.
        confidence: probability above which a label can be reliable.
        balance: the quantile of the clusters' numbers of reliable labels that the larger ones are cut to; 0: the
            smallest, as in the official code.
        reliable: whether these labels stay ("fixed") or are found again after each epoch ("updated").
        joint_start: whether stage 3 begins with the encoder's network new ("fresh": the official code, and better on
            spoken digits, see docs/RESULTS.md) or as stage 2 leaves it ("encoder").
        joint_epochs: of stage 3, each a pass over all clips. The official code takes 2^20 steps.
        joint_batch, mu: labelled clips of a step, and how many times as many others.
        joint_optimiser, joint_lr: "sgd" with FixMatch's momentum and weight decay, or "adam", which a network that
            stage 2 leaves needs, with a rate of 1e-4 to 5e-4: it has no batch normalisation behind the encoder.
        cutoff: probability from which a weak view teaches the strong one.
        momentum: of the moving average of the weights, which is the network that remains.
        augment: of the views; None: that which the encoder was trained with.
        device: "cpu" or "cuda".
        random_state: seeds everything.
    """

    input = "logmel"
    stochastic = True

    def __init__(
        self,
        k: Annotated[int, Field(ge=2)],
        stage: Literal["self", "joint"] = "joint",
        heads: Annotated[int, Field(ge=1)] = 10,
        epochs: Annotated[int, Field(ge=1)] = 100,
        pool: Annotated[int, Field(ge=2)] = 5000,
        passes: Annotated[int, Field(ge=1)] = 8,
        batch: Annotated[int, Field(ge=1)] = 128,
        lr: Annotated[float, Field(gt=0)] = 0.005,
        ratio: tuple[Share, Share] = (1.0, 1.0),
        centre_ratio: Share = 0.5,
        exclusive: bool = False,
        scale: Literal["none", "standardise"] = "none",
        views: Annotated[int, Field(ge=1)] = 10,
        refresh: Annotated[int, Field(ge=0)] = 0,
        finetune: bool = False,
        encoder_lr: Annotated[float, Field(gt=0)] = 1e-4,
        norm: Literal["eval", "train"] = "eval",
        neighbours: Annotated[int, Field(ge=2)] = 100,
        agreement: Share = 0.9,
        confidence: Annotated[float, Field(ge=0, lt=1)] = 0.99,
        balance: Annotated[float, Field(ge=0, le=1)] = 0.0,
        reliable: Literal["fixed", "updated"] = "fixed",
        joint_start: Literal["fresh", "encoder"] = "fresh",
        joint_epochs: Annotated[int, Field(ge=1)] = 200,
        joint_batch: Annotated[int, Field(ge=1)] = 64,
        mu: Annotated[int, Field(ge=1)] = 7,
        joint_optimiser: Literal["sgd", "adam"] = "sgd",
        joint_lr: Annotated[float, Field(gt=0)] = 0.03,
        cutoff: Annotated[float, Field(ge=0, lt=1)] = 0.95,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.k, self.stage, self.heads, self.epochs, self.pool, self.passes = k, stage, heads, epochs, pool, passes
        self.batch, self.lr, self.ratio, self.centre_ratio, self.exclusive = batch, lr, ratio, centre_ratio, exclusive
        self.scale, self.views, self.refresh = scale, views, refresh
        self.finetune, self.encoder_lr, self.norm = finetune, encoder_lr, norm
        self.neighbours, self.agreement, self.confidence = neighbours, agreement, confidence
        self.balance, self.reliable, self.joint_start = balance, reliable, joint_start
        self.joint_epochs, self.joint_batch, self.mu, self.cutoff = joint_epochs, joint_batch, mu, cutoff
        self.joint_optimiser, self.joint_lr, self.momentum = joint_optimiser, joint_lr, momentum
        self.augment, self.device, self.random_state = augment, device, random_state

    def fit(
        self,
        x: Any,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "SPICE":
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, their columns, and ``network_``.

        Args:
            x: log-mels (n, f, t) in nats, or ``Clips``.
            frames: (n,) frames of signal.
            encoder: stage 1, a fitted pretext; None trains a MoCo with its defaults first.
            embedding: (n, d) that it gives for the clips; computed where it is not given.
            run: for curves and checkpoints.

        Raises:
            ValueError: fewer clips than clusters, or no label is reliable.
        """
        if encoder is None:
            encoder = MoCo(augment=self.augment, device=self.device, random_state=self.random_state)
            encoder.fit(x, frames, run)
        clips, embedding = from_encoder(self, x, frames, encoder, embedding)
        if self.pool < self.k:
            raise ValueError(f"pool={self.pool} should be >= k={self.k}: each cluster gets a part of it")
        x, scale = torch.from_numpy(embedding).float().to(self.device), Standardise(embedding.shape[1]).to(self.device)
        if self.scale == "standardise":
            scale.fit(x)
        backbone = nn.Sequential(copy.deepcopy(encoder.backbone_).to(self.device).requires_grad_(self.finetune), scale)
        with seeded(self.random_state, self.device):
            with memory_hint(f"spice.batch = {self.batch}" if self.finetune else f"spice.views = {self.views}"):
                network = self._self(clips, backbone, scale(x), run)
            if self.stage == "joint":
                with memory_hint(f"spice.joint_batch = {self.joint_batch}"):
                    network = self._joint(clips, network, run)
        self.network_ = network.eval()
        self.proba_ = self._assign(network, clips, self.encoder_views_)[1].cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def predict(self, x: Any, frames: np.ndarray | None = None) -> np.ndarray:
        """Return the clusters (n,) int32 of other clips."""
        clips = alike(self, x, frames)
        return self._assign(self.network_, clips, self.encoder_views_)[1].argmax(1).cpu().numpy().astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, which are what ``load`` and ``predict`` need."""
        more = {"architecture": self.architecture_, "encoder_views": self.encoder_views_}
        saving.save(folder, self, self.network_.state_dict(), **more)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "SPICE":
        """Return a saved one, ready for ``predict``."""
        model, tensors, more = saving.load(folder, cls, device)
        model.architecture_, model.bands_ = more["architecture"], more["architecture"][2]
        model.encoder_views_ = more["encoder_views"]
        with seeded(0, device):  # the weights drawn here are replaced
            network = model._build()
        network.load_state_dict(tensors)
        model.network_ = network.eval()
        return model

    def _build(self) -> Network:
        """Return the encoder's network and a head, with new weights."""
        backbone = backbones.build(*self.architecture_)
        d = backbone.d
        network = Network(nn.Sequential(backbone, Standardise(d)), Heads(1, d, d, self.k))
        # Laid out as a pretext's network is: the last bits depend on it.
        return network.to(self.device, memory_format=torch.channels_last)

    def _assign(self, network: Network, clips: Clips, views: int) -> tuple[Tensor, Tensor]:
        """Return embeddings (n, d) and probabilities (n, k) of the clips, see ``embed_views``."""
        x = embed_views(network.encoder, clips, self.augment_, views)
        with torch.no_grad():
            return x, network.head(x)[0].softmax(1)

    # Stage 2

    def _self(self, clips: Clips, encoder: nn.Module, embedding: Tensor, run: Run | None) -> Network:
        """Train heads on the encoder and return it with the best of them."""
        d = embedding.shape[1]
        heads = Heads(self.heads, d, d, self.k).to(self.device)
        groups = [{"params": list(heads.parameters()), "lr": self.lr}]
        state = {"heads": heads, "best": {"loss": math.inf}, "before": {}}
        if self.finetune:
            views = Trained(encoder, clips, self.augment_, self.norm)
            groups.append({"params": list(encoder.parameters()), "lr": self.encoder_lr})
            state["encoder"] = encoder
        else:
            views = Frozen(encoder, clips, self.augment_, embedding, self.views, self.refresh, self.random_state)
        state["optimiser"] = optimiser = torch.optim.Adam(groups, fused=True)
        for epoch in epochs(self.epochs, state, run, "self"):
            views.at(epoch.number)
            for pool in batches(clips.n, self.pool):
                self._em(epoch, views, heads, optimiser, pool)
            self._choose(epoch, views, state)
        best = Heads(1, d, d, self.k).to(self.device)
        best.load_state_dict(state["best"]["head"])
        if self.finetune:
            encoder.load_state_dict(state["best"]["encoder"])
        return Network(encoder, best)

    def _em(self, epoch: Epoch, views: Views, heads: Heads, optimiser: torch.optim.Optimizer, pool: Tensor) -> None:
        """Find pseudo-labels in a pool of clips, and train every head on its own."""
        with torch.no_grad():
            probs = heads(views.weak(pool)).softmax(2)
        ratio = ratio_schedule(epoch.number, 0, -1, -1, self.epochs - 1, *self.ratio)
        features = F.normalize(views.original(pool), dim=1)
        selected, labels = e_step(features, probs, ratio, self.centre_ratio, self.exclusive)
        rows = pool.to(selected.device)[selected]  # (h, pairs)
        for _ in range(self.passes):
            # The heads meet the clips in one random order, so that their batches are about the same clips.
            order = torch.rand(len(pool), device=rows.device)[selected].argsort(dim=1, stable=True)
            for start in range(0, max(len(labels) - self.batch, 0) + 1, self.batch):
                pairs = order[:, start : start + self.batch]  # (h, b)
                loss = double_softmax_ce(heads(views.strong(rows.gather(1, pairs))), labels[pairs]).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                epoch.add(loss=loss)

    @torch.no_grad()
    def _choose(self, epoch: Epoch, views: Views, state: dict[str, Any]) -> None:
        """Keep the weights of the head with the smallest loss, over all epochs, on pseudo-labels of all clips."""
        x = views.original(torch.arange(views.clips.n))
        logits = torch.cat([state["heads"](block) for block in x.split(BLOCK)], dim=1)  # (h, n, k)
        probs = logits.softmax(2)
        selected, labels = e_step(F.normalize(x, dim=1), probs, 1.0, self.centre_ratio, self.exclusive)
        losses = double_softmax_ce(logits.gather(1, selected[..., None].expand(-1, -1, self.k)), labels)
        head = int(losses.argmin())
        epoch.add(head_loss=losses[head], **progress(probs, state["before"], head))
        if losses[head] < state["best"]["loss"]:
            state["best"].update(loss=float(losses[head]), head=select(state["heads"], head).state_dict())
            if self.finetune:
                state["best"]["encoder"] = copy.deepcopy(views.encoder.state_dict())

    # Stage 3

    def _joint(self, clips: Clips, network: Network, run: Run | None) -> Network:
        """Train a network on reliable labels by FixMatch and return the average of its weights."""
        x, probs = self._assign(network, clips, self.encoder_views_)
        labelled = {**self._reliable(x, probs, must=True), "before": {}}
        if self.joint_start == "fresh":
            network = self._build()
        network.requires_grad_(True)
        average = copy.deepcopy(network).requires_grad_(False)
        if self.joint_optimiser == "sgd":
            optimiser = sgd(network, self.joint_lr)
        else:
            optimiser = torch.optim.Adam(network.parameters(), self.joint_lr, fused=True)
        for epoch in fixmatch(
            network, average, labelled, clips, self.augment_, optimiser,
            count=self.joint_epochs, batch=self.joint_batch, mu=self.mu, cutoff=self.cutoff, momentum=self.momentum,
            run=run,
        ):  # fmt: skip
            epoch.add(reliable=float(len(labelled["rows"])))
            x, probs = self._assign(average, clips, 0)  # in every epoch: one view of a clip has to do
            epoch.add(**progress(probs[None], labelled["before"], 0))
            if self.reliable == "updated":
                found = self._reliable(x, probs)
                # A network that is not sure yet would take all its labels from some cluster.
                if len(found["labels"].unique()) >= len(labelled["labels"].unique()):
                    labelled.update(found)
        return average

    def _reliable(self, x: Tensor, probs: Tensor, must: bool = False) -> dict[str, Tensor]:
        """Return rows (r,) of clips with a reliable label, and the labels (r,)."""
        neighbours = min(self.neighbours, max(len(x) // (2 * self.k), 2))
        rows = reliable(x, probs, neighbours, self.agreement, self.confidence).nonzero()[:, 0].cpu()
        rows = rows[torch.randperm(len(rows))]
        labels = probs.argmax(1).cpu()[rows]
        kept = balanced(labels, self.k, self.balance)
        sizes = torch.bincount(labels, minlength=self.k).tolist()
        if must and not len(kept):
            raise ValueError(
                f"the clusters have {sizes} labels surer than confidence = {self.confidence} and shared by agreement = "
                f"{self.agreement} of {neighbours} neighbours, and balancing leaves none. Lower spice.confidence or "
                f"spice.agreement, or raise spice.balance = {self.balance}: the quantile of sizes to cut to"
            )
        if must and min(sizes) == 0:
            warnings.warn(f"SPICE: clusters without a reliable label end empty, of {sizes}", stacklevel=2)
        return {"rows": rows[kept], "labels": labels[kept]}
