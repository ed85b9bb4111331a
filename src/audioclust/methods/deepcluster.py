"""DeepCluster (Caron et al., ECCV 2018, arXiv 1807.05520) and DECAR (2021), the same loop for audio.

Each epoch clusters the features of all clips by k-means, into more clusters than are wanted, and trains the network to
tell them apart. As a cluster's number means nothing in the next epoch, the top layer starts anew in each. Three things
keep all clips out of one cluster: k-means itself, which refills empty clusters, the new top layer, and the sampler,
which draws every cluster equally often. (In the official code the sampler's positions are those of another ordering.)

Shapes: n clips, b of a batch, f mels, t frames, d dims, k clusters.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn

from audioclust.checks import by_appearance
from audioclust.nn import backbones, saving
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.kmeans import kmeans
from audioclust.nn.specaugment import specaugment
from audioclust.nn.starting import alike
from audioclust.nn.training import Epoch, Run, autocast, batches, epochs, memory_hint, seeded
from audioclust.nn.views import embed_views

CLIPS_A_CLUSTER = 10  # on average, where `clusters` is not given: fewer would name clips, not clusters
CLIPS_A_DIM = 20  # clips for each whitened dimension: of fewer, whitening shows their noise (docs/LOG.md)
DIMS_A_CLUSTER = 2  # whitened for the result: k centres span k - 1, and more make what parts no cluster as large

# Features


def whitening(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the mean (d,) of ``x`` (n, d) and its leading principal axes (d, dim), each over its deviation."""
    mean = x.double().mean(0)
    centred = x.double() - mean
    values, axes = torch.linalg.eigh(centred.T @ centred / len(x))
    values, axes = values[-dim:].flip(0), axes[:, -dim:].flip(1)  # the largest first
    # An axis on which only rounding differs is left out.
    floor = 1e-12 * x.double().square().sum(1).mean()
    scale = torch.where(values > floor, values.clamp_min(floor + 1e-300).rsqrt(), 0.0)
    return mean.float(), (axes * scale).float()


def preprocess(x: Tensor, mean: Tensor, projection: Tensor) -> Tensor:
    """Return ``x`` (n, d) whitened (n, dim), each row of length 1."""
    return F.normalize((x - mean) @ projection)


# Training items


def uniform_sample(labels: Tensor, count: int) -> Tensor:
    """Return ``count`` positions in ``labels`` (n,), each non-empty cluster equally often in the mean, at random.

    A cluster with too few clips is drawn from with replacement.
    """
    sizes = torch.bincount(labels)
    starts = (sizes.cumsum(0) - sizes)[sizes > 0, None]
    sizes = sizes[sizes > 0, None]
    draws = count // len(sizes) + 1
    order = torch.randperm(len(labels))
    order = order[labels[order].argsort(stable=True)]  # by cluster, inside a cluster at random
    again = (torch.rand(len(sizes), draws, dtype=torch.float64) * sizes).long()
    drawn = order[starts + torch.where(sizes > draws, torch.arange(draws), again)].flatten()
    return drawn[torch.randperm(len(drawn))[:count]]


def top_layer(dim: int, clusters: int) -> nn.Linear:
    """Return a new top layer, weights N(0, 0.01^2), bias 0."""
    top = nn.Linear(dim, clusters)
    nn.init.normal_(top.weight, std=0.01)
    nn.init.zeros_(top.bias)
    return top


# The method


class DeepCluster(ClusterMixin, BaseEstimator):
    """Cluster log-mels by DeepCluster.

    The final features of a clip, in ``predict`` too, are the mean over as many weak views as those of the encoder that
    it starts from.

    Args:
        k: clusters of the result, found by k-means on the final features.
        clusters: pseudo-labels to train with; null takes 10 k, or n / 10 where that is less.
        epochs: rounds, each with new pseudo-labels and a new top layer.
        reassign: passes over as many clips as there are, in a round; small sets need several to learn the top layer.
        batch: clips of a step.
        lr, momentum, weight_decay: of both optimisers; the top layer's has no momentum.
        hidden, dropout: of the two layers between the backbone and the top layer.
        pca: dimensions that are whitened, at most n / 20, half of what the features have, and in the end 2 k.
        n_init: restarts of the final k-means.
        frontend: the views trained on: "deepcluster" the ``views`` of ``augment``, "decar" a warp and masks.
        views: of "deepcluster".
        start: "pretext" starts from an encoder's weights instead of random ones.
        backbone, d, channels: the network that starts from scratch, see ``nn.backbones.build``.
        augment: what makes views; None: the defaults, or what the encoder was trained with.
    """

    input = "logmel"

    def __init__(
        self,
        k: Annotated[int, Field(ge=1)],
        clusters: Annotated[int, Field(ge=1)] | None = None,
        epochs: Annotated[int, Field(ge=1)] = 200,
        reassign: Annotated[int, Field(ge=1)] = 1,
        batch: Annotated[int, Field(ge=2)] = 256,
        lr: Annotated[float, Field(gt=0)] = 0.05,
        momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
        weight_decay: Annotated[float, Field(ge=0)] = 1e-5,
        hidden: Annotated[int, Field(ge=2)] = 512,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pca: Annotated[int, Field(ge=2)] = 256,
        n_init: Annotated[int, Field(ge=1)] = 10,
        frontend: Literal["deepcluster", "decar"] = "deepcluster",
        views: Literal["weak", "strong"] = "strong",
        start: Literal["scratch", "pretext"] = "scratch",
        backbone: backbones.Name = "audiontt",
        d: Annotated[int, Field(ge=8)] = 512,
        channels: Annotated[int, Field(ge=1)] = 64,
        *,
        augment: Augment | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.k, self.clusters, self.epochs, self.reassign, self.batch = k, clusters, epochs, reassign, batch
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.hidden, self.dropout, self.pca, self.n_init = hidden, dropout, pca, n_init
        self.frontend, self.views, self.start = frontend, views, start
        self.backbone, self.d, self.channels = backbone, d, channels
        self.augment, self.device, self.random_state = augment, device, random_state

    def fit(
        self,
        x: np.ndarray | Clips,
        frames: np.ndarray | None = None,
        encoder: Any = None,
        embedding: np.ndarray | None = None,
        run: Run | None = None,
    ) -> "DeepCluster":
        """Set ``labels_`` (n,) int32 of log-mels (n, f, t).

        Raises:
            ValueError: fewer clips than ``k`` or ``clusters`` or than 2, a clip that is not finite, or no encoder to
                start from.
        """
        goes_on = self.start == "pretext" and encoder is not None
        scale = {"mean": encoder.mean_, "std": encoder.std_} if goes_on else {}
        clips = Clips.of(x, frames, self.device, **scale)
        clusters = self._clusters(clips.n)
        self.augment_ = self.augment or (encoder.augment_ if goes_on else Augment())
        self.mean_, self.std_ = clips.mean, clips.std
        self.encoder_views_ = encoder.views if goes_on else 0
        with seeded(self.random_state, self.device), memory_hint(f"deepcluster.batch = {self.batch}"):
            self._build(*self._backbone(self.augment_.bands(clips.f), encoder))
            if self.start == "pretext":
                self.network_[0].load_state_dict(encoder.backbone_.state_dict())
            optimiser = torch.optim.SGD(self.network_.parameters(), self.lr, self.momentum, 0, self.weight_decay)
            assignment = {"labels": torch.zeros(clips.n, dtype=torch.int64)}
            state = {"network": self.network_, "optimiser": optimiser, "assignment": assignment}
            for epoch in epochs(self.epochs, state, run):
                previous, assignment["labels"] = assignment["labels"], self._assign(clips, clusters)
                epoch.add(nmi=_agreement(previous, assignment["labels"]))
                self._train(clips, assignment["labels"], optimiser, epoch)
            self._finish(clips)
        return self

    def _clusters(self, n: int) -> int:
        """Return the number of pseudo-labels for n clips."""
        if n < 2:
            raise ValueError(f"n_samples={n}: at least 2 clips are needed")
        if n < self.k:
            raise ValueError(f"n_samples={n} should be >= k={self.k}: lower k or give more clips")
        if self.clusters is None:
            return max(self.k, min(10 * self.k, n // CLIPS_A_CLUSTER))
        if n < self.clusters:
            raise ValueError(f"n_samples={n} should be >= clusters={self.clusters}: lower it or give more clips")
        return self.clusters

    def _backbone(self, f: int, encoder: Any) -> tuple[str, int, int, int]:
        """Return what ``backbones.build`` needs: with a start from an encoder, its own network."""
        if self.start == "scratch":
            return self.backbone, self.d, f, self.channels
        if encoder is None:
            raise ValueError("start='pretext' needs an encoder that was trained here: none was given")
        if encoder.bands_ != f:
            raise ValueError(f"views of {f} bands: the encoder to start from was trained on {encoder.bands_}")
        return encoder.backbone, encoder.d, f, encoder.channels

    def _build(self, name: str, d: int, f: int, channels: int) -> None:
        """Set ``network_``: a backbone and the two layers on it, up to the last one's ReLU."""
        self.architecture_, self.bands_ = (name, d, f, channels), f
        network = backbones.build(name, d, f, channels)
        layers = nn.Linear(network.d, self.hidden), nn.Linear(self.hidden, self.hidden)
        for layer in layers:
            # Features that shrink from layer to layer would be too small for a new top layer to learn from.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        parts = network, nn.Dropout(self.dropout), layers[0], nn.ReLU(), nn.Dropout(self.dropout), layers[1]
        # On the CPU and on tensor cores convolutions are faster with the channels last.
        self.network_ = nn.Sequential(*parts).to(self.device, memory_format=torch.channels_last)

    def _features(self, clips: Clips, count: int) -> Tensor:
        """Return the features (n, hidden) of all clips, before the last ReLU; see ``embed_views``."""
        return embed_views(self.network_, clips, self.augment_, count)

    def _whitening(self, features: Tensor, most: int) -> tuple[Tensor, Tensor]:
        n, d = features.shape
        return whitening(features, max(2, min(most, n // CLIPS_A_DIM, d // 2)))

    def _assign(self, clips: Clips, clusters: int) -> Tensor:
        """Return the pseudo-labels (n,) of an epoch, on the CPU."""
        features = self._features(clips, 0)  # in every epoch: one view of a clip has to do
        return kmeans(preprocess(features, *self._whitening(features, self.pca)), clusters).labels.cpu()

    def _train(self, clips: Clips, labels: Tensor, optimiser: torch.optim.Optimizer, epoch: Epoch) -> None:
        """Train on a uniform sample of the pseudo-labels."""
        top = top_layer(self.hidden, int(labels.max()) + 1).to(self.device)
        optimisers = optimiser, torch.optim.SGD(top.parameters(), self.lr, weight_decay=self.weight_decay)
        sample = uniform_sample(labels, self.reassign * len(labels))
        self.network_.train()
        for rows in batches(len(sample), self.batch):
            rows = sample[rows]
            with autocast(self.device):
                logits = top(F.relu(self.network_(self._view(*clips[rows]))))
            loss = F.cross_entropy(logits.float(), labels[rows].to(self.device))
            for each in optimisers:
                each.zero_grad()
            loss.backward()
            for each in optimisers:
                each.step()
            epoch.add(loss=loss)

    def _view(self, x: Tensor, frames: Tensor) -> Tensor:
        if self.frontend == "decar":
            return specaugment(self.augment_.original(x, frames)[:, 0])[:, None]
        return (self.augment_.weak if self.views == "weak" else self.augment_.strong)(x, frames)

    def _finish(self, clips: Clips) -> None:
        """Cluster the final features into ``k`` and keep what ``predict`` needs."""
        self.network_.eval()
        features = self._features(clips, self.encoder_views_)
        self.whitening_ = self._whitening(features, min(self.pca, DIMS_A_CLUSTER * self.k))
        x = preprocess(features, *self.whitening_)
        labels, centres, _ = kmeans(x, self.k, restarts=self.n_init, iterations=100)
        # Centres in the order of the labels; one without points is left out.
        first = np.unique(by_appearance(labels.cpu().numpy()), return_index=True)[1]
        self.centres_ = centres[labels[torch.from_numpy(first).to(labels.device)]]
        self.labels_ = self._nearest(features)

    def _nearest(self, features: Tensor) -> np.ndarray:
        x = preprocess(features, *self.whitening_)
        return torch.cdist(x, self.centres_).argmin(1).cpu().numpy().astype(np.int32)

    def predict(self, x: np.ndarray | Clips, frames: np.ndarray | None = None) -> np.ndarray:
        """Return the cluster (n,) int32 of log-mels (n, f, t): the nearest of the training clips' centres."""
        return self._nearest(self._features(alike(self, x, frames), self.encoder_views_))

    def save(self, folder: Path) -> None:
        """Write what ``load`` and ``predict`` need into ``folder``."""
        mean, projection = self.whitening_
        tensors = {"mean": mean, "projection": projection, "centres": self.centres_}
        more = {"architecture": self.architecture_, "encoder_views": self.encoder_views_}
        saving.save(folder, self, tensors | self.network_.state_dict(prefix="network."), **more)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "DeepCluster":
        """Return a saved one, ready for ``predict``."""
        model, tensors, more = saving.load(folder, cls, device)
        model.whitening_, model.centres_ = (tensors.pop("mean"), tensors.pop("projection")), tensors.pop("centres")
        model.encoder_views_ = more["encoder_views"]
        with seeded(0, device):  # the weights drawn here are replaced
            model._build(*more["architecture"])
        model.network_.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})
        model.network_.eval()
        return model


def _agreement(one: Tensor, other: Tensor) -> float:
    """Return the NMI of two assignments, by the geometric mean: 1 where nothing changes from epoch to epoch."""
    return float(normalized_mutual_info_score(one.numpy(), other.numpy(), average_method="geometric"))
