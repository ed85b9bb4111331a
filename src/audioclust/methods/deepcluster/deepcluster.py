"""DeepCluster (Caron et al., ECCV 2018, arXiv 1807.05520) and DECAR (Ghosh et al., 2021), the same loop for audio.

Each epoch clusters the features of all clips by k-means, into more clusters than are wanted, and trains the network to
classify them. As a cluster's number means nothing in the next epoch, each epoch has a new top layer. Three things
prevent a collapse into one cluster: k-means, which refills empty clusters, the new top layer, and the sampler, which
draws every cluster equally often.

What differs from both official codes (facebookresearch/deepcluster, Speech-Lab-IITM/DECAR):

- The sampler's positions are those of the clips; there they are those of another ordering, and clusters are drawn by
  their size.
- On few clips there are several passes per top layer, smaller batches, fewer pseudo-labels and fewer whitened
  dimensions: see ``DeepCluster``.
- k-means is our own (``points.kmeans``), with greedy k-means++; 20 passes and the repair of empty clusters are faiss's.
- Features for k-means are those of a whole clip, not of a crop from its middle.
- An incomplete last batch is dropped; there it is used.
- The layers between backbone and top layer are initialised for ReLUs (He et al., 2015), not with N(0, 0.01^2). Of
  DeepCluster they have 512 units, not 4,096, and the backbone is BYOL-A's, not AlexNet.
- The result is k-means on the features after the last epoch; the official codes cluster nothing at the end, and
  DECAR's keeps the epoch with the smallest loss, though its pseudo-labels are other ones in each epoch.
- What DECAR reads and what log-mels cannot give: ``magnitudes``; its masks and its warp: ``specaugment``.

Shapes: n clips, b of a batch, f mels, t frames, d dims, k clusters.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.methods._start import ByKMeans, begin
from audioclust.methods.deepcluster.magnitudes import log_magnitudes
from audioclust.methods.deepcluster.specaugment import specaugment
from audioclust.networks import backbones
from audioclust.parameters import Count, NonNegative, Positive, Probability, validate
from audioclust.points.kmeans import kmeans
from audioclust.training.loop import Epoch, Run, batches, epochs
from audioclust.training.schedules import batch_size, passes
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed, embed_views
from audioclust.views.maker import Maker

CLIPS_PER_CLUSTER = 10  # on average, if `clusters` is not given: with fewer, pseudo-labels would tell clips apart
CLIPS_PER_DIM = 20  # clips per whitened dimension: with fewer, whitening amplifies noise (docs/LOG.md)
# Whitened dimensions per cluster of the result: k centres span k - 1, and whitening gives all others equal weight
DIMS_PER_CLUSTER = 2
LAYER_STEPS = 20  # of each new top layer: some ten pass before its loss falls (docs/LOG.md)


class Defaults(NamedTuple):
    """What parameters that are null stand for."""

    batch: int
    clusters: int | None  # None: 10 k
    pca: int
    backbone: str


DEFAULTS = {
    "deepcluster": Defaults(256, None, 256, "audiontt"),
    "decar": Defaults(64, 512, 128, "efficientnet_b0"),
}

# Features


def whitening(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the mean (d,) of ``x`` (n, d) and its leading principal axes (d, dim), each divided by its deviation."""
    mean = x.double().mean(0)
    centred = x.double() - mean
    values, axes = torch.linalg.eigh(centred.T @ centred / len(x))
    values, axes = values[-dim:].flip(0), axes[:, -dim:].flip(1)  # the largest first
    # An axis along which points differ by rounding alone is set to 0.
    floor = 1e-12 * x.double().square().sum(1).mean()
    scale = torch.where(values > floor, values.clamp_min(floor + 1e-300).rsqrt(), 0.0)
    return mean.float(), (axes * scale).float()


def preprocess(x: Tensor, mean: Tensor, projection: Tensor) -> Tensor:
    """Return ``x`` (n, d) whitened (n, dim), each row of length 1."""
    return F.normalize((x - mean) @ projection)


# Training items


def uniform_sample(labels: Tensor, count: int) -> Tensor:
    """Return ``count`` random positions in ``labels`` (n,), on average of each non-empty cluster equally many.

    Of a cluster with too few clips they are drawn with replacement.
    """
    sizes = torch.bincount(labels)
    starts = (sizes.cumsum(0) - sizes)[sizes > 0, None]
    sizes = sizes[sizes > 0, None]
    draws = count // len(sizes) + 1
    order = torch.randperm(len(labels))
    order = order[labels[order].argsort(stable=True)]  # by cluster, and at random within a cluster
    again = (torch.rand(len(sizes), draws, dtype=torch.float64) * sizes).long()
    drawn = order[starts + torch.where(sizes > draws, torch.arange(draws), again)].flatten()
    return drawn[torch.randperm(len(drawn))[:count]]


def top_layer(dim: int, clusters: int) -> nn.Linear:
    """Return a new top layer (b, dim) -> (b, clusters), weights N(0, 0.01^2), bias 0."""
    top = nn.Linear(dim, clusters)
    nn.init.normal_(top.weight, std=0.01)
    nn.init.zeros_(top.bias)
    return top


# The method


@dataclass(repr=False, eq=False)
class DeepCluster(ByKMeans):
    """DeepCluster or DECAR on log-mels, from random weights or initialised from an encoder trained without labels.

    ``DeepCluster(k, frontend="decar")`` is DECAR: its network, its input (``magnitudes``), its views and, where
    parameters are null, its sizes. With ``start="pretext"`` the network and its input are the encoder's.

    The final features of a clip, in ``predict`` too, are those of its original view or, with an encoder whose ``views``
    is not 0, the mean over as many weak views.
    """

    k: Count  # clusters of the result, found by k-means on the final features
    clusters: Count | None = None  # pseudo-labels of the training; null: 10 k (decar: 512), or n / 10 if that is less
    epochs: Count = 200  # each with new pseudo-labels and a new top layer
    reassign: Count | None = None  # passes over the clips per epoch; null: 1, or as many as give 20 steps
    # Clips per step; null: 256 (decar: 64), or n / 8 (at least 32) if that is less
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 0.05  # of SGD
    momentum: Probability = 0.9  # of SGD; the top layer has none
    weight_decay: NonNegative = 1e-5  # of SGD
    hidden: Annotated[int, Field(ge=2)] = 512  # units of each of the two layers between backbone and top layer
    dropout: Probability = 0.5  # before each of them
    # Whitened dimensions; null: 256 (decar: 128); at most n / 20, half of the features' and, for the result, 2 k
    pca: Annotated[int, Field(ge=2)] | None = None
    n_init: Count = 10  # restarts of the final k-means
    # What the network reads, and what null stands for. deepcluster: log-mels, for training views of `augment`; decar:
    # magnitudes, for training warped in time and masked
    frontend: Literal["deepcluster", "decar"] = "deepcluster"
    views: Literal["weak", "strong"] = "strong"  # which of `augment`
    start: Literal["scratch", "pretext"] = "scratch"  # random weights, or those of an encoder
    # Of start = scratch
    # With d and channels, see networks.backbones.build; null: audiontt (decar: efficientnet_b0)
    backbone: backbones.Name | None = None
    d: Annotated[int, Field(ge=8)] = 512  # dimensions of the backbone's output
    channels: Count = 64  # of the convolutions
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the encoder's, or the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    tensors: ClassVar = ("mean_features_", "axes_", "centres_")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "DeepCluster":
        """Set ``labels_`` (n,) int32, ``centres_`` (k, d) of the whitened features, and ``network_``.

        Also ``batch_`` and ``reassign_``, what was used.

        Args:
            X: log-mels (n, f, t) in nats, or ``Clips``.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            encoder: a fitted pretext, for ``start="pretext"``.
            embedding: ignored.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer clips than ``k`` or ``clusters`` or than 2, a clip that is not finite,
                an encoder of other bands or of another front end, or none for ``start="pretext"``.
        """
        validate(self)
        clips = Clips.of(X, frames, self.device)
        clusters = self._pseudo_labels(clips.n)
        clips = self._begin(clips, encoder)
        self._size(clips.n)
        with seeded(self.random_state, self.device), memory_hint(f"deepcluster.batch = {self.batch_}"):
            self.network_ = self._fresh()
            if self.start == "pretext":
                self.network_[0].load_state_dict(encoder.backbone_.state_dict())
            optimiser = torch.optim.SGD(self.network_.parameters(), self.lr, self.momentum, 0, self.weight_decay)
            assignment = {"labels": torch.zeros(clips.n, dtype=torch.int64)}
            state = {"network": self.network_, "optimiser": optimiser, "assignment": assignment}
            make = Maker(self.augment_, clips, self.random_state)
            for epoch in epochs(self.epochs, state, run):
                previous, assignment["labels"] = assignment["labels"], self._assign(clips, clusters)
                epoch.add(nmi=_agreement(previous, assignment["labels"]))
                self._train(make, assignment["labels"], optimiser, epoch)
            self._finish(clips)
        return self

    @property
    def _defaults(self) -> Defaults:
        return DEFAULTS[self.frontend]

    def _size(self, n: int) -> None:
        """Set what depends on the number of clips."""
        self.batch_ = self.batch or batch_size(n, self._defaults.batch)
        self.reassign_ = self.reassign or passes(n, self.batch_, 1, LAYER_STEPS)

    def _pseudo_labels(self, n: int) -> int:
        """Return the number of pseudo-labels for n clips, which are enough."""
        if n < 2:
            raise ValueError(f"n_samples={n}: at least 2 clips are needed")
        if n < self.k:
            raise ValueError(f"n_samples={n} should be >= k={self.k}: lower k or give more clips")
        if self.clusters is None:
            return max(self.k, min(self._defaults.clusters or 10 * self.k, n // CLIPS_PER_CLUSTER))
        if n < self.clusters:
            raise ValueError(f"n_samples={n} should be >= clusters={self.clusters}: lower it or give more clips")
        return self.clusters

    def _begin(self, clips: Clips, encoder: Any) -> Clips:
        """Take the input's description from an encoder or from the clips; see ``begin``."""
        if self.start == "scratch":
            clips = begin(self, clips, None)
            self.architecture_[0] = self.backbone or self._defaults.backbone
            return clips
        if encoder is None:
            raise ValueError("start='pretext' needs an encoder that was trained here: none was given")
        return begin(self, clips, encoder)

    def _build(self) -> nn.Sequential:
        """Return a backbone and the two layers on it, up to the last one's ReLU, with random weights."""
        network = backbones.build(*self.architecture_)
        layers = nn.Linear(network.d, self.hidden), nn.Linear(self.hidden, self.hidden)
        for layer in layers:
            # Features that shrink from layer to layer would be too small for a new top layer to learn from.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        drop = self.dropout
        return nn.Sequential(network, nn.Dropout(drop), layers[0], nn.ReLU(), nn.Dropout(drop), layers[1])

    def _features(self, clips: Clips, count: int) -> Tensor:
        """Return the features (n, hidden) of all clips, before the last ReLU; ``count`` as in ``embed_views``."""
        if count:
            return embed_views(self.network_, clips, self.augment_, count)
        return embed(self.network_, clips.pooled(self.augment_), self._original)

    def _original(self, x: Tensor, frames: Tensor) -> Tensor:
        """Return the unchanged input (b, 1, f, t) of the network."""
        view = self.augment_.original_view(x, frames)
        if self.frontend == "decar" and self.start == "scratch":
            return log_magnitudes(view * self.std_ + self.mean_, frames)
        return view

    def _whitening(self, features: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """Return ``whitening`` of (n, d) in at most ``most`` dimensions."""
        n, d = features.shape
        return whitening(features, max(2, min(most, n // CLIPS_PER_DIM, d // 2)))

    @property
    def _most(self) -> int:
        """Whitened dimensions at most."""
        return self.pca or self._defaults.pca

    def _assign(self, clips: Clips, clusters: int) -> Tensor:
        """Return the pseudo-labels (n,) of an epoch, on the CPU."""
        features = self._features(clips, 0)  # the original views alone, as this is done in every epoch
        return kmeans(preprocess(features, *self._whitening(features, self._most)), clusters).labels.cpu()

    def _train(self, make: Maker, labels: Tensor, optimiser: torch.optim.Optimizer, epoch: Epoch) -> None:
        """Train on a uniform sample of the pseudo-labels."""
        top = top_layer(self.hidden, int(labels.max()) + 1).to(self.device)
        optimisers = optimiser, torch.optim.SGD(top.parameters(), self.lr, weight_decay=self.weight_decay)
        sample = uniform_sample(labels, self.reassign_ * len(labels))
        self.network_.train()
        for rows in batches(len(sample), self.batch_):
            rows = sample[rows]
            with autocast(self.device):
                logits = top(F.relu(self.network_(self._view(make, rows))))
            loss = F.cross_entropy(logits.float(), labels[rows].to(self.device))
            for each in optimisers:
                each.zero_grad()
            loss.backward()
            for each in optimisers:
                each.step()
            epoch.add(loss=loss)

    def _view(self, make: Maker, rows: Tensor) -> Tensor:
        """Return the views (b, 1, f, width) to train on."""
        if self.frontend == "decar":
            return specaugment(self._original(*make.pooled[rows])[:, 0])[:, None]
        return make(rows, self.augment_.weak if self.views == "weak" else self.augment_.strong)[0]

    def _finish(self, clips: Clips) -> None:
        """Cluster the final features into ``k`` and keep what ``predict`` needs."""
        self.network_.eval()
        features = self._features(clips, self.encoder_views_)
        whitening = self._whitening(features, min(self._most, DIMS_PER_CLUSTER * self.k))
        self.mean_features_, self.axes_ = whitening
        self._cluster(preprocess(features, *whitening))

    def _vectors(self, clips: Clips) -> Tensor:
        """Return the whitened features (n, pca), each row of length 1."""
        return preprocess(self._features(clips, self.encoder_views_), self.mean_features_, self.axes_)


def _agreement(one: Tensor, other: Tensor) -> float:
    """Return the NMI (geometric mean) of two assignments (n,): 1 if nothing changed from one epoch to the next."""
    return float(normalized_mutual_info_score(one.numpy(), other.numpy(), average_method="geometric"))
