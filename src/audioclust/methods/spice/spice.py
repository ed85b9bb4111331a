"""SPICE (Niu, Shan and Wang, IEEE TIP 2022, arXiv 2103.09382): semantic pseudo-labels from prototypes.

Stage 1 is an encoder trained without labels. Stage 2 trains clustering heads on it by expectation and maximisation:
the most probable clips of a cluster give its prototype, the clips nearest to the prototype get its pseudo-label
(``e_step``), and the head learns these from strong views (``double_softmax_ce``). Stage 3 keeps the labels that a
clip's neighbours share (``reliable.py``) and trains a whole network on them by FixMatch (``fixmatch.py``).

Unlike the official code (niuchuangnn/SPICE):

* Stage 2 draws from ``views`` weak and strong views per clip, embedded once, where the code makes a new weak and a new
  strong view in each pool; the network is frozen in eval mode, where there its batch normalisation goes on adapting.
* The heads see the clips in one random order (there: their pseudo-labels, which are of other clips in each head), and
  fewer pseudo-labels than a batch are one batch (there: none). A set smaller than ``pool`` is one pool.
* Heads are chosen by their loss alone; the code's settings for CIFAR-10 and Dogs choose by true labels.
* The neighbours of reliable labels are at most n / 2k. A cluster with fewer than ``least`` n / k reliable labels is
  filled up, and no cluster is cut below that (there: to the smallest, so that one empty cluster leaves no labels).
* Stage 3 trains the encoder's architecture with a head of one hidden layer (there: another network). If it loses a
  cluster that its labels taught, the network of stage 2 is kept (there: the last one).
* Where the encoder averages views, clips are embedded so (there: the original view alone).
* It starts from encoders that are not trained here too, on views of the waveform (``views/waves.py``), without stage 3.
  Their embedding is standardised, whatever ``scale`` says.

Shapes: n clips, m of them in a pool, d dims, k clusters, h heads.
"""

import copy
import math
import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import memory_hint, seeded
from audioclust.methods._start import Method, backbone, before_heads, enough_clips, views_once
from audioclust.methods.spice.fixmatch import fixmatch
from audioclust.methods.spice.reliable import balanced, filled, reliable
from audioclust.networks.heads import Heads, select
from audioclust.networks.standardise import Standardise
from audioclust.parameters import Count, Natural, Positive, Probability, Share, Unit, validate
from audioclust.pretext.moco import MoCo
from audioclust.training.loop import Epoch, Run, batches, epochs, optimise
from audioclust.training.monitors import progress
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import BLOCK, Embedded, Frozen, embed_views
from audioclust.views.maker import Maker

KEPT = 0.5  # of a cluster's given labels: a network of stage 3 that repeats fewer has lost the cluster

# Stage 2: pseudo-labels


def e_step(features: Tensor, probs: Tensor, ratio: float = 1.0, centre_ratio: float = 0.5) -> tuple[Tensor, Tensor]:
    """Give each cluster of each head the clips nearest to its prototype, ratio m / k of them.

    All clusters get as many, so that none can become empty; a clip may be given to several clusters, or to none.

    Args:
        features: (m, d) of length 1.
        probs: (h, m, k).
        ratio: share of m / k that is chosen.
        centre_ratio: share of the chosen ones whose mean is the prototype.

    Returns:
        Positions in the pool (h, k * chosen), one cluster after another, and their labels (k * chosen,).
    """
    m, k = probs.shape[1:]
    each = m // k
    chosen = max(int(each * ratio), 1)
    centres = prototypes(features, probs, max(int(centre_ratio * each * ratio), 1))
    selected = _top(centres @ features.T, chosen)  # (h, k, chosen)
    return selected.flatten(1), torch.arange(k, device=probs.device).repeat_interleave(chosen)


def prototypes(features: Tensor, probs: Tensor, count: int) -> Tensor:
    """Return per head and cluster the mean (h, k, d) of the ``count`` most probable clips, not of length 1."""
    scores = probs.transpose(1, 2)
    members = torch.zeros_like(scores).scatter_(2, _top(scores, count), 1 / count)
    return members @ features


def _top(scores: Tensor, count: int) -> Tensor:
    """Return the positions (h, k, count) of the largest of ``scores`` (h, k, m), in descending order, ties in order."""
    return scores.sort(dim=2, descending=True, stable=True).indices[..., :count]


def double_softmax_ce(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each head (h,): cross-entropy with probabilities in place of logits, as in the official code.

    It lies between log(e + k - 1) - 1 and log(e + k - 1), and its bounded gradient damps wrong labels.

    Args:
        logits: (h, b, k).
        labels: (h, b), or (b,) where the heads share them.
    """
    probs = logits.softmax(2)
    right = probs.gather(2, labels.expand(len(probs), -1)[..., None])[..., 0]
    return (probs.logsumexp(2) - right).mean(1)


# Stage 3: what is left of the labels


def repeated(probs: Tensor, labelled: dict[str, Tensor]) -> Tensor:
    """Return of each cluster's given labels the share (k,) that a network repeats; 1 where a cluster has none.

    Args:
        probs: (n, k).
        labelled: "rows" (r,) of the clips with a label, and "labels" (r,).
    """
    given = F.one_hot(labelled["labels"], probs.shape[1]).double()
    right = probs.argmax(1).cpu()[labelled["rows"]] == labelled["labels"]
    sizes = given.sum(0)
    return torch.where(sizes > 0, right.double() @ given / sizes.clamp_min(1), 1.0)


class Network(nn.Module):
    """An encoder and one head: views (b, 1, f, t) to logits (b, k)."""

    def __init__(self, encoder: nn.Module, head: Heads):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, views: Tensor) -> Tensor:
        return self.head(self.encoder(views))[0]


@dataclass(repr=False, eq=False)
class SPICE(Method):
    """SPICE on log-mels, initialised from an encoder trained without labels; the official defaults."""

    on_embedded: ClassVar[tuple[str, ...]] = ("weak", "strong")
    embedded_alone: ClassVar[dict[str, tuple]] = {"stage": ("self",), "refresh": (0,)}

    k: Annotated[int, Field(ge=2)]  # clusters
    # Where it ends. self: with the heads of stage 2; joint: with the network of stage 3
    stage: Literal["self", "joint"] = "joint"
    # Stage 2: clustering heads on the frozen encoder
    heads: Count = 10  # trained side by side; the one with the smallest loss on its own pseudo-labels is kept
    epochs: Count = 100  # passes over the clips, in pools
    pool: Annotated[int, Field(ge=2)] = 5000  # clips per E-step (M in the paper); at least k, at most all
    passes: Count = 8  # over a pool's pseudo-labels in its M-step
    batch: Count = 128  # pseudo-labels per step
    lr: Positive = 0.005  # of Adam
    ratio: Share = 1.0  # of pool / k: clips per cluster that get its pseudo-label
    centre_ratio: Share = 0.5  # of those: the most probable ones, whose mean is the prototype
    scale: Literal["none", "standardise"] = "none"  # of the embedding; the official code takes it as it is
    views: Count = 10  # weak and strong views per clip, embedded once
    refresh: Natural = 0  # epochs after which other views are embedded; 0: never
    # Reliable labels, which stage 3 learns
    neighbours: Annotated[int, Field(ge=2)] = 100  # per clip, itself among them; at most n / 2k
    agreement: Share = 0.9  # share of them that must have the clip's label
    confidence: Probability = 0.99  # that the probability of the label must exceed
    # Larger clusters are cut to this quantile of the numbers of reliable labels; 0: the smallest, as official
    balance: Unit = 0.0
    # Of n / k: a cluster with fewer reliable labels is filled up with its next best clips, and none is cut below it
    least: Unit = 0.25
    # Stage 3: a whole network, by FixMatch
    joint_start: Literal["fresh", "encoder"] = "fresh"  # new weights, as in the official code, or those of stage 2
    joint_epochs: Count = 200  # passes over the clips; the official code takes 2^20 steps
    joint_batch: Count = 64  # labelled clips per step
    mu: Count = 7  # other clips per labelled one
    joint_lr: Positive = 0.03  # of SGD with FixMatch's momentum and weight decay
    cutoff: Probability = 0.95  # probability from which a weak view labels the strong one
    momentum: Probability = 0.999  # of the moving average of the weights, which is the network that is kept
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the encoder's
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def check(self) -> None:
        """Check the parameters, each for itself and the pool against the clusters.

        Raises:
            ValueError: a wrong one.
        """
        validate(self)
        if self.pool < self.k:
            raise ValueError(f"pool={self.pool} should be >= k={self.k}: each cluster gets a part of it")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "SPICE":
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, its largest columns, and ``network_``.

        Args:
            X: log-mels (n, f, t) in nats, or ``Clips``; or ``Embedded`` by a frozen encoder, which has no stage 3.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            encoder: stage 1, a fitted pretext; None: a MoCo with its defaults is trained first.
            embedding: (n, d) of the clips by the encoder; None: it is computed.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than clusters, a clip that is not finite, an encoder of other
                bands or of another front end, an embedding that is not the encoder's of these clips, stage 3 without
                log-mels, or no label of any cluster is reliable.
        """
        self.check()
        clips = enough_clips(X, frames, self.device, self.k)
        clips, network, x = before_heads(self, clips, encoder, embedding, MoCo, run)
        network.requires_grad_(False)
        scale = Standardise(x.shape[1]).to(self.device)
        if self.scale == "standardise":
            scale.fit(x)
        frozen = nn.Sequential(network, scale)
        with seeded(self.random_state, self.device):
            with memory_hint(f"spice.views = {self.views}"):
                network = self._self(views_once(self, clips, frozen, scale(x)), frozen, run)
            if self.stage == "joint":
                with memory_hint(f"spice.joint_batch = {self.joint_batch}"):
                    network = self._joint(clips, network, run)
        self.network_ = network.eval()
        self.proba_ = self._assign(network, clips, self.encoder_views_)[1].cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        return self

    def _build(self) -> Network:
        """Return the encoder's network and a head, with new random weights."""
        before = backbone(self.architecture_)
        d = before.d
        return Network(nn.Sequential(before, Standardise(d)), Heads(1, d, d, self.k))

    def _clusters(self, clips: Clips | Embedded) -> np.ndarray:
        """Return the most probable clusters (n,) int32."""
        return self._assign(self.network_, clips, self.encoder_views_)[1].argmax(1).cpu().numpy().astype(np.int32)

    def _assign(self, network: Network, clips: Clips | Embedded, views: int) -> tuple[Tensor, Tensor]:
        """Return embeddings (n, d) and probabilities (n, k) of the clips, see ``embed_views``."""
        x = embed_views(network.encoder, clips, self.augment_, views)
        with torch.no_grad():
            return x, network.head(x)[0].softmax(1)

    # Stage 2

    def _self(self, views: Frozen | Embedded, encoder: nn.Module, run: Run | None) -> Network:
        """Train heads on the frozen encoder and return it with the best of them."""
        d = views.embedding.shape[1]
        heads = Heads(self.heads, d, d, self.k).to(self.device)
        optimiser = torch.optim.Adam(heads.parameters(), self.lr, fused=True)
        state = {"heads": heads, "best": {"loss": math.inf}, "before": {}, "optimiser": optimiser}
        for epoch in epochs(self.epochs, state, run, "self"):
            views.at(epoch.number)
            for pool in batches(views.n, self.pool):
                self._em(epoch, views, heads, optimiser, pool)
            self._choose(epoch, views, state)
        best = Heads(1, d, d, self.k).to(self.device)
        best.load_state_dict(state["best"]["head"])
        return Network(encoder, best)

    def _em(
        self, epoch: Epoch, views: Frozen | Embedded, heads: Heads, optimiser: torch.optim.Optimizer, pool: Tensor
    ) -> None:
        """Find pseudo-labels in a pool (m,) of clips, and train every head on its own ones."""
        with torch.no_grad():
            probs = heads(views.weak(pool)).softmax(2)
        features = F.normalize(views.original(pool), dim=1)
        selected, labels = e_step(features, probs, self.ratio, self.centre_ratio)
        rows = pool.to(selected.device)[selected]  # (h, pairs)
        for _ in range(self.passes):
            # All heads see the clips in one random order, so that their batches have about the same clips.
            order = torch.rand(len(pool), device=rows.device)[selected].argsort(dim=1, stable=True)
            for start in range(0, max(len(labels) - self.batch, 0) + 1, self.batch):
                pairs = order[:, start : start + self.batch]  # (h, b)
                loss = double_softmax_ce(heads(views.strong(rows.gather(1, pairs))), labels[pairs]).mean()
                optimise(loss, optimiser)
                epoch.add(loss=loss)

    @torch.no_grad()
    def _choose(self, epoch: Epoch, views: Frozen | Embedded, state: dict[str, Any]) -> None:
        """Keep the weights of the head with the smallest loss of all epochs, on pseudo-labels of all clips."""
        x = views.embedding
        logits = torch.cat([state["heads"](block) for block in x.split(BLOCK)], dim=1)  # (h, n, k)
        probs = logits.softmax(2)
        selected, labels = e_step(F.normalize(x, dim=1), probs, 1.0, self.centre_ratio)
        losses = double_softmax_ce(logits.gather(1, selected[..., None].expand(-1, -1, self.k)), labels)
        head = int(losses.argmin())
        epoch.add(head_loss=losses[head], **progress(probs, state["before"], head))
        if losses[head] < state["best"]["loss"]:
            state["best"].update(loss=float(losses[head]), head=select(state["heads"], head).state_dict())

    # Stage 3

    def _joint(self, clips: Clips, network: Network, run: Run | None) -> Network:
        """Train a network on reliable labels by FixMatch and return the average of its weights.

        If at the end it gives most labels of a cluster to other clusters, the network of stage 2 is returned.
        """
        clustered = copy.deepcopy(network)
        labelled = {**self._reliable(*self._assign(network, clips, self.encoder_views_)), "before": {}}
        if self.joint_start == "fresh":
            network = self._fresh()
        network.requires_grad_(True)
        average = copy.deepcopy(network).requires_grad_(False)
        make = Maker(self.augment_, clips, self.random_state)
        for epoch in fixmatch(
            network, average, labelled, make, count=self.joint_epochs, batch=self.joint_batch, mu=self.mu,
            lr=self.joint_lr, cutoff=self.cutoff, momentum=self.momentum, run=run,
        ):  # fmt: skip
            _, probs = self._assign(average, clips, 0)  # the original views alone, as this is done in every epoch
            epoch.add(reliable=float(len(labelled["rows"])), kept=repeated(probs, labelled).amin())
            epoch.add(**progress(probs[None], labelled["before"], 0))
        kept = repeated(self._assign(average, clips, 0)[1], labelled)
        if kept.amin() >= KEPT:
            return average
        warnings.warn(
            f"SPICE: the network of stage 3 repeats {[round(share, 2) for share in kept.tolist()]} of the clusters' "
            f"labels that it was taught. Below {KEPT} a cluster is lost, and the clusters are those of stage 2. Raise "
            f"spice.joint_epochs = {self.joint_epochs}, or lower spice.joint_batch for more steps per epoch",
            stacklevel=3,
        )
        return clustered

    def _reliable(self, x: Tensor, probs: Tensor) -> dict[str, Tensor]:
        """Return the "rows" (r,) and the "labels" (r,) that stage 3 learns, some of every cluster that has clips.

        Args:
            x: (n, d) embedding.
            probs: (n, k).

        Raises:
            ValueError: no label of any cluster is reliable.
        """
        neighbours = min(self.neighbours, max(len(x) // (2 * self.k), 2))
        least = round(self.least * len(x) / self.k)
        assigned = probs.argmax(1).cpu()
        found = reliable(x, probs, neighbours, self.agreement, self.confidence)
        sizes, clips = (torch.bincount(labels, minlength=self.k) for labels in (assigned[found.cpu()], assigned))
        if not found.any():
            raise ValueError(
                f"no label is surer than confidence = {self.confidence} and shared by agreement = {self.agreement} of "
                f"{neighbours} neighbours, of clusters of {clips.tolist()} clips. Lower spice.confidence or "
                f"spice.agreement, train stage 2 longer (spice.epochs), or end with it: spice.stage = self"
            )
        if (sizes < clips.clamp(max=least)).any():
            found = filled(found, x, probs, neighbours, least)
            warnings.warn(
                f"SPICE: the clusters have {sizes.tolist()} reliable labels of {clips.tolist()} clips: those with "
                f"fewer than {least} are filled up with their next best clips",
                stacklevel=2,
            )
        rows = found.nonzero()[:, 0].cpu()
        rows = rows[torch.randperm(len(rows))]
        present, labels = assigned[rows].unique(return_inverse=True)  # a cluster without clips does not set the size
        kept = balanced(labels, len(present), self.balance, least)
        if len(present) < self.k:
            warnings.warn(f"SPICE: clusters without a reliable label end empty, of {sizes.tolist()}", stacklevel=2)
        return {"rows": rows[kept], "labels": assigned[rows[kept]]}
