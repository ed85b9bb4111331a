"""SCAN (Van Gansbeke et al., ECCV 2020, arXiv 2005.12320): semantic clustering by adopting nearest neighbours.

Step 1 is an encoder trained without labels and each clip's nearest neighbours in its embedding. Step 2 trains heads to
put a clip and a neighbour into the same cluster (``scan_loss``), the best of which is chosen without labels
(``criterion``). Step 3 is self-labelling: what the network is sure of is the label of a changed view of the same clip
(``selflabel_loss``). As the official code has it, one neighbour is drawn in each step, a clip counts among its own
neighbours, the entropy is that of the clips alone, and the view that gives labels is not changed at all; its neighbours
are searched after SimCLR's projection, these in the embedding.

Shapes: n clips, b of a batch, f mels, t frames, d dims, k clusters, h heads, m neighbours with the clip itself.
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
from audioclust.nn.heads import Linears
from audioclust.nn.neighbours import cosine_neighbours
from audioclust.nn.starting import alike, from_encoder
from audioclust.nn.training import Epoch, Run, autocast, batches, epochs, memory_hint, seeded
from audioclust.nn.views import Frozen, Trained, Views, embed, embed_views
from audioclust.pretext.simclr import SimCLR

FLOOR = 1e-8  # of a cluster's mean probability, so that its logarithm is finite
JUDGED = 5  # nearest neighbours that ``criterion`` looks at, and the clip itself

# Step 1: neighbours


def mine(embedding: Tensor, count: int) -> Tensor:
    """Return each clip and its ``count`` nearest others by cosine (n, 1 + count) int64, on the CPU."""
    itself = torch.arange(len(embedding))[:, None]
    if not count:
        return itself
    return torch.cat([itself, cosine_neighbours(embedding, count).cpu()], dim=1)


# Step 2: clustering


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """Return -log <p, q> (...) of log-probabilities (..., k): 0 where both are sure of the same cluster."""
    return -(one + other).logsumexp(-1)


def mean_entropy(log_probs: Tensor) -> Tensor:
    """Return the entropy (h,) of the mean assignment of (h, b, k), log k where clusters are equally large."""
    mean = log_probs.exp().mean(1).clamp_min(FLOOR)
    return -(mean * mean.log()).sum(1)


def scan_loss(anchors: Tensor, neighbours: Tensor, weight: float = 5.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, consistency and entropy of each head, (h,) each: Eq. 2, consistency - weight * entropy.

    The entropy keeps the clips out of one cluster. In logarithms nothing underflows, so that the official code's limit
    of 100 on a pair is not needed.

    Args:
        anchors: logits (h, b, k) of clips.
        neighbours: logits (h, b, k) of one neighbour of each.
        weight: lambda in the paper.
    """
    a, b = anchors.log_softmax(2), neighbours.log_softmax(2)
    consistency, entropy = disagreement(a, b).mean(1), mean_entropy(a)
    return consistency - weight * entropy, consistency, entropy


@torch.no_grad()
def criterion(logits: Tensor, neighbours: Tensor) -> Tensor:
    """Return what a head is judged by (h,): the loss of all pairs with an entropy weight of 1, at best -log k.

    Args:
        logits: (h, n, k).
        neighbours: (n, m), the clip itself among them.
    """
    log_probs = logits.log_softmax(2)
    consistency = [disagreement(log_probs, log_probs[:, column]).mean(1) for column in neighbours.T]
    return torch.stack(consistency).mean(0) - mean_entropy(log_probs)


# Step 3: self-labelling


def selflabel_loss(weak: Tensor, strong: Tensor, threshold: float, balance: bool = True) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy on the labels that ``weak`` is sure of, 0 where there are none, and how many (k,) each.

    Args:
        weak: logits (b, k) that give the labels; they get no gradient.
        strong: logits (b, k) of other views of the same clips.
        threshold: a label counts where its probability is larger.
        balance: the mean is over the clusters that occur, each with the mean of its clips; else over the clips.
    """
    confidence, labels = weak.detach().softmax(1).max(1)
    weights = (confidence > threshold).to(strong.dtype)
    sizes = weights @ F.one_hot(labels, strong.shape[1]).to(strong.dtype)
    if balance:
        weights = weights / sizes.clamp_min(1)[labels]
    losses = F.cross_entropy(strong, labels, reduction="none")
    return (weights * losses).sum() / weights.sum().clamp_min(1), sizes


class SCAN(ClusterMixin, BaseEstimator):
    """SCAN on log-mels, from an encoder trained without labels; the defaults are the official ones for CIFAR-10.

    Args:
        k: clusters.
        stage: where it ends: "cluster" with step 2, "selflabel" with step 3.
        update: what step 2 trains: "all" the encoder and the heads, "heads" those alone, on ``views`` strong views
            a clip that are embedded once. The heads alone bear a larger ``lr`` (1e-3).
        neighbours: of a clip by cosine similarity, one of which, or the clip itself, is drawn in each step. At most
            n / k - 1 (``neighbours_``): more are not in a cluster of mean size.
        heads: linear, trained side by side.
        entropy: weight of the entropy; lower it where clusters are of unequal size.
        epochs: of step 2; the weights and the head with the smallest ``criterion`` of all epochs are kept.
        batch: clips of a step. Below about 5 k the entropy of a batch says little.
        lr, weight_decay: of Adam; the decay that of step 3 too.
        norm: whether batch normalisation and dropout stand still while the encoder is trained ("eval") or not
            ("train").
        views, refresh: of "heads": views a clip, and epochs after which other ones are embedded (0: never).
        threshold: probability above which step 3 takes the most probable cluster for a label.
        balance: whether in step 3 the clusters of a batch count alike.
        selflabel_epochs, selflabel_batch, selflabel_lr: of step 3, which trains the whole network.
        augment: of the views; None: that which the encoder was trained with.
        device: "cpu" or "cuda".
        random_state: seeds everything.
    """

    input = "logmel"
    stochastic = True

    def __init__(
        self,
        k: Annotated[int, Field(ge=2)],
        stage: Literal["cluster", "selflabel"] = "selflabel",
        update: Literal["all", "heads"] = "all",
        neighbours: Annotated[int, Field(ge=0)] = 20,
        heads: Annotated[int, Field(ge=1)] = 1,
        entropy: Annotated[float, Field(ge=0)] = 5.0,
        epochs: Annotated[int, Field(ge=1)] = 50,
        batch: Annotated[int, Field(ge=2)] = 128,
        lr: Annotated[float, Field(gt=0)] = 1e-4,
        weight_decay: Annotated[float, Field(ge=0)] = 1e-4,
        norm: Literal["train", "eval"] = "train",
        views: Annotated[int, Field(ge=1)] = 10,
        refresh: Annotated[int, Field(ge=0)] = 0,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.99,
        balance: bool = True,
        selflabel_epochs: Annotated[int, Field(ge=1)] = 200,
        selflabel_batch: Annotated[int, Field(ge=2)] = 1000,
        selflabel_lr: Annotated[float, Field(gt=0)] = 1e-4,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.k, self.stage, self.update, self.neighbours, self.heads = k, stage, update, neighbours, heads
        self.entropy, self.epochs, self.batch, self.lr, self.weight_decay = entropy, epochs, batch, lr, weight_decay
        self.norm, self.views, self.refresh, self.threshold, self.balance = norm, views, refresh, threshold, balance
        self.selflabel_epochs, self.selflabel_batch = selflabel_epochs, selflabel_batch
        self.selflabel_lr = selflabel_lr
        self.augment, self.device, self.random_state = augment, device, random_state

    def fit(
        self,
        x: Any,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "SCAN":
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, their columns, and ``network_``.

        Args:
            x: log-mels (n, f, t) in nats, or ``Clips``.
            frames: (n,) frames of signal.
            encoder: a fitted pretext, whose network is copied; None trains a SimCLR with its defaults first.
            embedding: (n, d) that it gives for the clips; computed where it is not given.
            run: for curves and checkpoints.

        Raises:
            ValueError: fewer clips than clusters, a clip that is not finite, an encoder of other bands, or an embedding
                that is not the encoder's of these clips.
        """
        if encoder is None:
            encoder = SimCLR(augment=self.augment, device=self.device, random_state=self.random_state)
            encoder.fit(x, frames, run)
        clips, embedding = from_encoder(self, x, frames, encoder, embedding)
        self.neighbours_ = min(self.neighbours, clips.n // self.k - 1)
        backbone = copy.deepcopy(encoder.backbone_).to(self.device)
        with seeded(self.random_state, self.device):
            x = torch.from_numpy(embedding).float().to(self.device)
            neighbours = mine(x, self.neighbours_)
            hint = f"scan.batch = {self.batch}" if self.update == "all" else f"scan.views = {self.views}"
            with memory_hint(hint):
                network = self._cluster(clips, backbone, x, neighbours, run)
            if self.stage == "selflabel":
                with memory_hint(f"scan.selflabel_batch = {self.selflabel_batch}"):
                    network = self._selflabel(clips, network, neighbours, run)
        self.network_ = network.eval()
        self.proba_ = self._logits(clips).softmax(1).cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def predict(self, x: Any, frames: np.ndarray | None = None) -> np.ndarray:
        """Return the clusters (n,) int32 of other clips."""
        clips = alike(self, x, frames)
        return self._logits(clips).argmax(1).cpu().numpy().astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, which are what ``load`` and ``predict`` need."""
        more = {"architecture": self.architecture_, "encoder_views": self.encoder_views_}
        saving.save(folder, self, self.network_.state_dict(), **more)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "SCAN":
        """Return a saved one, ready for ``predict``."""
        model, tensors, more = saving.load(folder, cls, device)
        model.architecture_, model.bands_ = more["architecture"], more["architecture"][2]
        model.encoder_views_ = more["encoder_views"]
        with seeded(0, device):  # the weights drawn here are replaced
            backbone = backbones.build(*model.architecture_)
            network = nn.Sequential(backbone, nn.Linear(backbone.d, model.k))
        # Laid out as a pretext's network is: the last bits depend on it.
        network.to(device, memory_format=torch.channels_last).load_state_dict(tensors)
        model.network_ = network.eval()
        return model

    def _logits(self, clips: Clips) -> Tensor:
        """Return (n, k) of the clips; the heads are linear, so that their mean over views is that of the mean."""
        return embed_views(self.network_, clips, self.augment_, self.encoder_views_)

    def _cluster(
        self, clips: Clips, backbone: nn.Module, embedding: Tensor, neighbours: Tensor, run: Run | None
    ) -> nn.Sequential:
        """Step 2: train heads, or all, and return the best network with its best head, views to logits (b, k)."""
        heads = Linears(self.heads, embedding.shape[1], self.k).to(self.device)
        state = {"heads": heads, "best": {"criterion": math.inf}, "before": {}}
        parameters = list(heads.parameters())
        if self.update == "all":
            views = Trained(backbone.requires_grad_(True), clips, self.augment_, self.norm)
            state["backbone"] = backbone
            parameters += backbone.parameters()
        else:
            views = Frozen(backbone, clips, self.augment_, embedding, self.views, self.refresh, self.random_state)
        state["optimiser"] = optimiser = torch.optim.Adam(
            parameters, self.lr, weight_decay=self.weight_decay, fused=True
        )
        for epoch in epochs(self.epochs, state, run, "cluster"):
            views.at(epoch.number)
            for anchors in batches(clips.n, self.batch):
                drawn = torch.randint(neighbours.shape[1], anchors.shape)
                # One after the other, as each is normalised by its own batch.
                logits = heads(views.strong(anchors)), heads(views.strong(neighbours[anchors, drawn]))
                loss, consistency, _ = scan_loss(*logits, self.entropy)
                _step(loss.sum(), optimiser)
                epoch.add(loss=loss.mean(), consistency=consistency.mean())
            self._choose(epoch, views, neighbours, state)
        head = nn.Linear(embedding.shape[1], self.k).to(self.device)
        head.load_state_dict(state["best"]["head"])
        if self.update == "all":
            backbone.load_state_dict(state["best"]["backbone"])
        return nn.Sequential(backbone, head)

    @torch.no_grad()
    def _choose(self, epoch: Epoch, views: Views, neighbours: Tensor, state: dict[str, Any]) -> None:
        """Keep the weights of the network and the head with the smallest criterion over all epochs."""
        heads, best = state["heads"], state["best"]
        logits = heads(views.original(torch.arange(len(neighbours))))  # (h, n, k)
        values = criterion(logits, neighbours[:, : 1 + JUDGED].to(logits.device))
        j = int(values.argmin())
        probs = logits.softmax(2)
        epoch.add(criterion=values[j], sure=(probs[j].amax(1) > self.threshold).double().mean())
        epoch.add(**progress(probs, state["before"], j))
        if values[j] < best["criterion"]:
            best.update(criterion=float(values[j]), head={n: p[j].clone() for n, p in heads.named_parameters()})
            if self.update == "all":
                best["backbone"] = copy.deepcopy(views.encoder.state_dict())

    def _selflabel(self, clips: Clips, network: nn.Module, neighbours: Tensor, run: Run | None) -> nn.Module:
        """Step 3: train the network on what it is sure of; where that is nothing, return it as it came."""
        clustered, before = copy.deepcopy(network), {}
        network.requires_grad_(True)
        optimiser = torch.optim.Adam(
            network.parameters(), self.selflabel_lr, weight_decay=self.weight_decay, fused=True
        )
        state = {"network": network, "optimiser": optimiser, "before": before}
        for epoch in epochs(self.selflabel_epochs, state, run, "selflabel"):
            network.train(self.norm == "train")
            taught = torch.zeros(self.k, device=self.device)
            for rows in batches(clips.n, self.selflabel_batch):
                loss, sizes = selflabel_loss(*self._two_views(network, *clips[rows]), self.threshold, self.balance)
                _step(loss, optimiser)
                taught += sizes
                epoch.add(loss=loss, sure=sizes.sum() / len(rows))
            if not taught.any():
                warnings.warn(
                    f"SCAN: in epoch {epoch.number} of self-labelling no clip was surer than scan.threshold = "
                    f"{self.threshold}: lower it, or raise scan.epochs. The clusters are those before self-labelling",
                    stacklevel=3,
                )
                return clustered
            logits = embed(network, clips, self.augment_.original)[None]
            epoch.add(taught=(taught > 0).double().mean())  # a cluster that nothing teaches may end empty
            epoch.add(criterion=criterion(logits, neighbours[:, : 1 + JUDGED].to(logits.device))[0])
            epoch.add(**progress(logits.softmax(2), before, 0))
        return network

    def _two_views(self, network: nn.Module, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (b, k) of clips as they are, without gradient, and of strong views of them."""
        # Two contexts: weights cast to bfloat16 without a gradient would be used again where there is one.
        with torch.no_grad(), autocast(self.device):
            weak = network(self.augment_.original(x, frames))
        with autocast(self.device):
            strong = network(self.augment_.strong(x, frames))
        return weak.float(), strong.float()


def _step(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
