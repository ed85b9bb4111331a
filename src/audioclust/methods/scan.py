"""SCAN (Van Gansbeke et al., ECCV 2020, arXiv 2005.12320): semantic clustering by adopting nearest neighbours.

Step 1 is an encoder trained without labels and each clip's nearest neighbours in its embedding. Step 2 trains heads to
put a clip and a neighbour into the same cluster (``scan_loss``); the best head is chosen without labels
(``criterion``). Step 3 is self-labelling: if the network is sure of a clip, its cluster is the label of a strong view
of the same clip (``selflabel_loss``). As in the official code, one neighbour is drawn in each step, a clip is among its
own neighbours, the entropy is that of the clips without their neighbours, and labels come from original views.

Unlike the official code (wvangansbeke/Unsupervised-Classification):

* Neighbours are searched in the embedding, for SimCLR too (there: after its projection), and are at most n / k - 1.
* ``criterion`` is taken on the clips of the training and their own neighbours (there: on a validation set).
* Of an encoder that is not trained here the embedding is standardised, and its views are of the waveform
  (``views/waves.py``).
* ``update="heads"``, from such an encoder the only way, draws from strong views embedded once and has Adam (there, for
  ImageNet: new views of SimCLR in each step, SGD at 5).
* A set smaller than a batch is one batch (there: none).
* Step 3 has the code's settings for small images; for ImageNet it takes SGD and an average of the weights.
* A step without a sure label does nothing (there: it ends the run); if a whole epoch is so, step 3 ends.
* A cluster of which no clip is sure is taught by the surest of its clips (``selflabel_loss``), as Zou et al. (ECCV
  2018, arXiv 1810.07911) choose labels per class. If step 3 worsens ``criterion`` or empties a cluster all the same,
  its best epoch is kept, which may be its start (there: the last one always).
* Where the encoder averages views, ``labels_`` come from the mean of as many (there: from the original view).

Shapes: n clips, b of a batch, f mels, t frames, d dims, k clusters, h heads, m neighbours with the clip itself.
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

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.methods._start import Method, backbone, before_heads, enough_clips, views_once
from audioclust.networks.heads import Linears
from audioclust.parameters import Count, Natural, NonNegative, Positive, Probability, validate
from audioclust.points.cosine import cosine_neighbours
from audioclust.pretext.simclr import SimCLR
from audioclust.training.loop import Epoch, Run, batches, epochs, optimise
from audioclust.training.monitors import progress
from audioclust.training.schedules import passes
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Embedded, Trained, Views, embed, embed_views
from audioclust.views.maker import Maker

FLOOR = 1e-8  # of a cluster's mean probability, so that its logarithm is finite
JUDGED = 5  # nearest neighbours in ``criterion``, besides the clip itself
SURER = 0.5  # of a cluster's clips: they teach it in step 3 where none of its clips is sure

# Step 1: neighbours


def mine(embedding: Tensor, count: int) -> Tensor:
    """Return each clip and its ``count`` nearest others by cosine (n, 1 + count) int64, on the CPU."""
    itself = torch.arange(len(embedding))[:, None]
    if not count:
        return itself
    return torch.cat([itself, cosine_neighbours(embedding, count).cpu()], dim=1)


# Step 2: clustering


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """Return -log <p, q> (...) of log-probabilities (..., k): 0 where both are certain of the same cluster."""
    return -(one + other).logsumexp(-1)


def mean_entropy(log_probs: Tensor) -> Tensor:
    """Return the entropy (h,) of the mean assignment of (h, b, k), log k where clusters are equally large."""
    mean = log_probs.exp().mean(1).clamp_min(FLOOR)
    return -(mean * mean.log()).sum(1)


def scan_loss(anchors: Tensor, neighbours: Tensor, weight: float = 5.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, consistency and entropy of each head, (h,) each: Eq. 2, consistency - weight * entropy.

    The entropy prevents a collapse into one cluster. In logarithms nothing underflows, so that the official code's
    limit of 100 per pair is not needed.

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
    """Return the value (h,) by which heads are compared: the loss of all pairs, entropy weight 1; at best -log k.

    Args:
        logits: (h, n, k).
        neighbours: (n, m), the clip itself among them.
    """
    log_probs = logits.log_softmax(2)
    consistency = [disagreement(log_probs, log_probs[:, column]).mean(1) for column in neighbours.T]
    return torch.stack(consistency).mean(0) - mean_entropy(log_probs)


# Step 3: self-labelling


def selflabel_loss(
    weak: Tensor, strong: Tensor, threshold: float, balance: bool = True, unsure: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy on the labels of ``weak``, 0 where none is used, and the sure labels per cluster (k,).

    Args:
        weak: logits (b, k) that give the labels, without gradient.
        strong: logits (b, k) of other views of the same clips.
        threshold: a label is sure, and used, if its probability is larger.
        balance: average over the clips of each cluster first, then over the clusters that occur; else over the clips.
        unsure: (k,) bool of clusters of which, without a sure label, the surest ones are used; None: no cluster.
    """
    confidence, labels = weak.detach().softmax(1).max(1)
    used = confidence > threshold
    sure = torch.bincount(labels[used], minlength=strong.shape[1])
    if unsure is not None:
        used[surest(confidence, labels, unsure & (sure == 0))] = True
    weights = used.to(strong.dtype)
    if balance:
        sizes = torch.bincount(labels[used], minlength=strong.shape[1])
        weights = weights / sizes.clamp_min(1)[labels]
    losses = F.cross_entropy(strong, labels, reduction="none")
    return (weights * losses).sum() / weights.sum().clamp_min(1), sure


def surest(confidence: Tensor, labels: Tensor, clusters: Tensor) -> Tensor:
    """Return the rows of the surest clips, a share ``SURER`` of each of some clusters and at least one.

    Args:
        confidence: (b,) probability of the label.
        labels: (b,).
        clusters: (k,) bool.
    """
    members = [(labels == cluster).nonzero()[:, 0] for cluster in clusters.nonzero()[:, 0]]
    tops = [rows[confidence[rows].topk(math.ceil(SURER * len(rows))).indices] for rows in members]
    return torch.cat([labels.new_empty(0), *tops])


@dataclass(repr=False, eq=False)
class SCAN(Method):
    """SCAN on log-mels, initialised from an encoder trained without labels; the official defaults for CIFAR-10."""

    on_embedded: ClassVar[tuple[str, ...]] = ("strong",)
    embedded_alone: ClassVar[dict[str, tuple]] = {"stage": ("cluster",), "update": (None, "heads"), "refresh": (0,)}

    k: Annotated[int, Field(ge=2)]  # clusters
    # Over-clustering: clusters found, more than k; the row `scan/majority` gives each its most frequent class. null: k
    clusters: Annotated[int, Field(ge=2)] | None = None
    stage: Literal["cluster", "selflabel"] = "selflabel"  # where it ends: with step 2, or 3
    # Step 2: clustering
    # all: train encoder and heads; heads: the heads alone, on `views` strong views per clip that are embedded once,
    # which tolerates a larger `lr` (1e-3). null: all, and heads from an encoder that is not trained here
    update: Literal["all", "heads"] | None = None
    # Per clip, by cosine similarity; one of them, or the clip itself, is drawn in each step. At most n / k - 1
    # (`neighbours_`): more are not in a cluster of mean size
    neighbours: Natural = 20
    heads: Count = 1  # linear, trained side by side
    entropy: NonNegative = 5.0  # weight of the entropy; lower it where clusters are of unequal size
    # Passes over the clips; the weights and the head with the smallest `criterion` of all epochs are kept
    epochs: Count = 50
    steps: Count | None = None  # at least so many, by more epochs than are given; null: as many as they give
    batch: Annotated[int, Field(ge=2)] = 128  # clips per step; below about 5 k the entropy of a batch says little
    lr: Positive = 1e-4  # of Adam
    weight_decay: NonNegative = 1e-4  # of Adam, in step 3 too
    # Mode of batch normalisation and dropout while the encoder is trained, in step 3 too
    norm: Literal["train", "eval"] = "train"
    views: Count = 10  # of update = heads: strong views per clip
    refresh: Natural = 0  # of update = heads: epochs after which other views are embedded; 0: never
    # Step 3: self-labelling, of the whole network
    threshold: Probability = 0.99  # a clip is labelled with its most probable cluster if the probability is larger
    balance: bool = True  # whether all clusters of a batch have the same weight
    selflabel_epochs: Count = 200  # passes over the clips, at most
    # Passes after which it ends if no more clips have become sure, the source's rule; 0: never
    selflabel_patience: Natural = 0
    selflabel_batch: Annotated[int, Field(ge=2)] = 1000  # clips per step
    selflabel_lr: Positive = 1e-4  # of Adam
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the encoder's
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "SCAN":
        """Set ``proba_`` (n, k) float32, ``labels_`` (n,) int32, its largest columns, and ``network_``.

        Also ``more_labels_``: ``"clustering"``, those before self-labelling, and with ``clusters`` ``"majority"``.

        Args:
            X: log-mels (n, f, t) in nats, or ``Clips``; or ``Embedded`` by a frozen encoder: step 2 trains heads alone.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            encoder: a fitted pretext, whose network is copied; None: a SimCLR with its defaults is trained first.
            embedding: (n, d) of the clips by the encoder; None: it is computed.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than clusters, a clip that is not finite, an encoder of other
                bands or of another front end, an embedding that is not the encoder's of these clips, or an encoder to
                be trained without log-mels.
        """
        self.check()
        clips = enough_clips(X, frames, self.device, self._outputs)
        clips, network, x = before_heads(self, clips, encoder, embedding, SimCLR, run)
        self.neighbours_, self.more_labels_ = min(self.neighbours, clips.n // self._outputs - 1), {}
        self.epochs_ = passes(clips.n, self.batch, self.epochs, self.steps or 1)
        with seeded(self.random_state, self.device):
            neighbours = mine(x, self.neighbours_)
            heads = self.update == "heads" or isinstance(clips, Embedded)
            hint = f"scan.views = {self.views}" if heads else f"scan.batch = {self.batch}"
            with memory_hint(hint):
                network = self._cluster(self._views_of(clips, network, x), network, x.shape[1], neighbours, run)
            if self.stage == "selflabel":
                self.network_ = network.eval()
                self.more_labels_["clustering"] = self._clusters(clips)
                with memory_hint(f"scan.selflabel_batch = {self.selflabel_batch}"):
                    network = self._selflabel(clips, network, neighbours, run)
        self.network_ = network.eval()
        self.proba_ = self._logits(clips).softmax(1).cpu().numpy()
        self.labels_ = self.proba_.argmax(1).astype(np.int32)
        if self._outputs > self.k:
            self.more_labels_["majority"] = self.labels_
        return self

    def check(self) -> None:
        """Check the parameters.

        Raises:
            ValueError: a wrong one, or fewer ``clusters`` than ``k``.
        """
        validate(self)
        if self.clusters is not None and self.clusters < self.k:
            raise ValueError(f"clusters={self.clusters} should be >= k={self.k}, or null")

    def _views_of(self, clips: Clips | Embedded, encoder: nn.Module, x: Tensor) -> Views:
        """Return what step 2 trains on, views of the clips, of which ``x`` (n, d) are the embeddings."""
        if self.update == "heads" or isinstance(clips, Embedded):
            return views_once(self, clips, encoder, x)
        make = Maker(self.augment_, clips, self.random_state)
        return Trained(encoder.requires_grad_(True), make, self.norm)

    @property
    def _outputs(self) -> int:
        """Clusters that are found."""
        return self.clusters or self.k

    def _build(self) -> nn.Sequential:
        """Return the encoder's network and a linear head, with new random weights."""
        before = backbone(self.architecture_)
        return nn.Sequential(before, nn.Linear(before.d, self._outputs))

    def _clusters(self, clips: Clips | Embedded) -> np.ndarray:
        """Return the most probable clusters (n,) int32."""
        return self._logits(clips).argmax(1).cpu().numpy().astype(np.int32)

    def _logits(self, clips: Clips | Embedded) -> Tensor:
        """Return (n, k); as the head is linear, the mean of its logits over views is the logit of the mean."""
        return embed_views(self.network_, clips, self.augment_, self.encoder_views_)

    def _cluster(self, views: Views, encoder: nn.Module, d: int, neighbours: Tensor, run: Run | None) -> nn.Sequential:
        """Step 2: train the heads, or all; return the best network with its best head, views to logits (b, k)."""
        heads = Linears(self.heads, d, self._outputs).to(self.device)
        state = {"heads": heads, "best": {"criterion": math.inf}, "before": {}}
        parameters = list(heads.parameters())
        if isinstance(views, Trained):
            state["backbone"] = encoder
            parameters += encoder.parameters()
        state["optimiser"] = optimiser = torch.optim.Adam(
            parameters, self.lr, weight_decay=self.weight_decay, fused=True
        )
        for epoch in epochs(self.epochs_, state, run, "cluster"):
            views.at(epoch.number)
            for anchors in batches(len(neighbours), self.batch):
                drawn = torch.randint(neighbours.shape[1], anchors.shape)
                # One after the other, so that each has its own batch statistics.
                logits = heads(views.strong(anchors)), heads(views.strong(neighbours[anchors, drawn]))
                loss, consistency, _ = scan_loss(*logits, self.entropy)
                optimise(loss.sum(), optimiser)
                epoch.add(loss=loss.mean(), consistency=consistency.mean())
            self._choose(epoch, views, neighbours, state)
        head = nn.Linear(d, self._outputs).to(self.device)
        head.load_state_dict(state["best"]["head"])
        if isinstance(views, Trained):
            encoder.load_state_dict(state["best"]["backbone"])
        return nn.Sequential(encoder, head)

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
            if isinstance(views, Trained):
                best["backbone"] = copy.deepcopy(views.encoder.state_dict())

    def _selflabel(self, clips: Clips, network: nn.Module, neighbours: Tensor, run: Run | None) -> nn.Module:
        """Step 3: train the network on its own labels and return it, or its best epoch if it ends worse than it began.

        If it is sure of no clip in an epoch, it is returned as it was.
        """
        clustered, neighbours = copy.deepcopy(network), neighbours[:, : 1 + JUDGED].to(self.device)
        logits = self._original(network, clips)
        filled, first = _clips_per_cluster(logits) > 0, float(criterion(logits[None], neighbours)[0])
        network.requires_grad_(True)
        optimiser = torch.optim.Adam(
            network.parameters(), self.selflabel_lr, weight_decay=self.weight_decay, fused=True
        )
        best = {"criterion": first, "last": first, "network": copy.deepcopy(network.state_dict())}
        unsure = torch.zeros(self._outputs, dtype=torch.bool, device=self.device)
        grown = {"most": 0, "epoch": 0}  # sure clips of an epoch, and when
        state = {"network": network, "optimiser": optimiser, "before": {}, "best": best, "taught": {"unsure": unsure},
                 "grown": grown}  # fmt: skip
        make = Maker(self.augment_, clips, self.random_state)
        for epoch in epochs(self.selflabel_epochs, state, run, "selflabel"):
            if self.selflabel_patience and epoch.number - grown["epoch"] > self.selflabel_patience:
                break
            taught = self._teach(epoch, make, network, optimiser, unsure)
            if taught.sum() > grown["most"]:
                grown.update(most=int(taught.sum()), epoch=epoch.number)
            if not taught.any():
                warnings.warn(
                    f"SCAN: in epoch {epoch.number} of self-labelling no clip was surer than scan.threshold = "
                    f"{self.threshold}: lower it, or raise scan.epochs. The clusters are those before self-labelling",
                    stacklevel=3,
                )
                return clustered
            unsure.copy_(taught == 0)
            epoch.add(taught=(taught > 0).double().mean())
            self._judge(epoch, self._original(network, clips), neighbours, filled, state)
        if best["last"] > first:
            warnings.warn(
                f"SCAN: self-labelling began with a criterion of {first:.3f} and ended with {best['last']:.3f} (inf: a "
                f"cluster became empty): the network of its best epoch is kept, with {best['criterion']:.3f}. Raise "
                f"scan.epochs, so that it begins with clips of each cluster surer than scan.threshold = "
                f"{self.threshold}",
                stacklevel=3,
            )
            network.load_state_dict(best["network"])
        return network

    def _teach(
        self, epoch: Epoch, make: Maker, network: nn.Module, optimiser: torch.optim.Optimizer, unsure: Tensor
    ) -> Tensor:
        """Train for an epoch and return the sure labels per cluster (k,); ``unsure`` (k,) as of ``selflabel_loss``."""
        network.train(self.norm == "train")
        taught = torch.zeros_like(unsure, dtype=torch.int64)
        for rows in batches(make.clips.n, self.selflabel_batch):
            views = self._two_views(network, make, rows)
            loss, sure = selflabel_loss(*views, self.threshold, self.balance, unsure)
            if loss > 0:  # without a label Adam would follow the weight decay alone
                optimise(loss, optimiser)
            taught += sure
            epoch.add(loss=loss, sure=sure.sum() / len(rows))
        return taught

    def _judge(self, epoch: Epoch, logits: Tensor, neighbours: Tensor, filled: Tensor, state: dict[str, Any]) -> None:
        """Keep the weights with the smallest criterion of all epochs in which no cluster of ``filled`` (k,) is empty.

        Args:
            epoch: takes the measures of the network.
            logits: (n, k) of the original views.
            neighbours: (n, m), those of ``criterion``.
            filled: (k,) bool of the clusters that had clips before.
            state: "network", "before" of ``progress``, and "best".
        """
        value, best = criterion(logits[None], neighbours)[0], state["best"]
        epoch.add(criterion=value, **progress(logits[None].softmax(2), state["before"], 0))
        emptied = (filled & (_clips_per_cluster(logits) == 0)).any()
        best["last"] = math.inf if emptied else float(value)
        if best["last"] < best["criterion"]:
            best.update(criterion=best["last"], network=copy.deepcopy(state["network"].state_dict()))

    def _original(self, network: nn.Module, clips: Clips) -> Tensor:
        """Return the logits (n, k) of the original views."""
        return embed(network, clips.pooled(self.augment_), self.augment_.original_view)

    def _two_views(self, network: nn.Module, make: Maker, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (b, k) of original views, without gradient, and of strong views of the same clips."""
        # Two contexts: weights cast to bfloat16 without a gradient would be reused where one is needed.
        with torch.no_grad(), autocast(self.device):
            weak = network(self.augment_.original_view(*make.pooled[rows]))
        (view,) = make(rows, self.augment_.strong)
        with autocast(self.device):
            strong = network(view)
        return weak.float(), strong.float()


def _clips_per_cluster(logits: Tensor) -> Tensor:
    """Return the sizes (k,) of the clusters of logits (n, k)."""
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1])
