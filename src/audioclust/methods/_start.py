"""What methods on log-mels share: they start from an encoder trained here, predict, and are saved and loaded."""

import copy
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audioclust.devices import seeded
from audioclust.methods._spaces import same_dimensions
from audioclust.networks import backbones
from audioclust.networks.standardise import Standardise
from audioclust.points.checks import by_appearance, points
from audioclust.points.kmeans import kmeans
from audioclust.pretext._encoder import alike
from audioclust.training import saving
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Embedded, Frozen, affordable, embed_views

EMBEDDED = "embedded"  # in the place of a backbone's name: the method was fitted to embeddings


class Method(ClusterMixin, BaseEstimator):
    """A method on log-mels; one with ``on_embedded`` takes clips that a frozen encoder has embedded too.

    Its ``fit`` sets ``network_`` in eval mode, ``architecture_`` (the arguments of ``backbone``), ``encoder_views_``
    (weak views of a clip that are averaged) and what ``alike`` needs.
    """

    input = "logmel"
    on_embedded: ClassVar[tuple[str, ...]] = ()  # kinds of views that it draws from a frozen encoder's
    # By parameter, the values that need no log-mels, the recommended one last
    embedded_alone: ClassVar[dict[str, tuple]] = {}
    tensors: ClassVar[tuple[str, ...]] = ()  # attributes set by ``fit`` that are saved beside the network's weights

    def _build(self) -> nn.Module:
        """Return a network of ``architecture_`` with random weights, on the CPU."""
        raise NotImplementedError

    def _clusters(self, clips: Clips) -> np.ndarray:
        """Return the clusters (n,) int32 of clips."""
        raise NotImplementedError

    def predict(
        self, X: Any, *, frames: np.ndarray | None = None, front_end: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the clusters (n,) int32 of log-mels (n, f, t); arguments and errors as of ``alike``.

        Where the method was fitted to embeddings, of embeddings (n, d) by the same encoder.
        """
        check_is_fitted(self, "network_")
        if self.architecture_[0] == EMBEDDED:
            return self._clusters(_same_dimensions(self, X))
        return self._clusters(alike(self, X, frames, front_end))

    def check_embedded(self) -> None:
        """Check that nothing is asked for that embeddings by a frozen encoder cannot give.

        Raises:
            ValueError: a parameter that is none of its values in ``embedded_alone``.
        """
        section = type(self).__name__.lower()
        for name, values in self.embedded_alone.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{section}.{name} = {getattr(self, name)!r} needs log-mels and an encoder that is trained here "
                    f"(simclr, moco, byol): a frozen one has embedded the clips and their views once. Set "
                    f"{section}.{name}={values[-1]}"
                )

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, all that ``load`` and ``predict`` need."""
        check_is_fitted(self, "network_")
        tensors = self.network_.state_dict() | {name: getattr(self, name) for name in self.tensors}
        saving.save(folder, self, tensors, architecture=self.architecture_, encoder_views=self.encoder_views_)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Return a saved model, ready for ``predict``."""
        model, tensors, more = saving.load(folder, cls, device)
        vars(model).update({name: tensors.pop(name) for name in cls.tensors})
        model.architecture_, model.encoder_views_ = more["architecture"], more["encoder_views"]
        if model.architecture_[0] == EMBEDDED:
            model.augment_ = None
        else:
            model.bands_ = model.architecture_[2]
        with seeded(0, device):  # the random weights are replaced
            model.network_ = model._fresh()
        model.network_.load_state_dict(tensors)
        model.network_.eval()
        return model

    def _fresh(self) -> nn.Module:
        """Return what ``_build`` returns, on the device."""
        # On the CPU and on tensor cores convolutions are faster with the channels last.
        return self._build().to(self.device, memory_format=torch.channels_last)


class ByKMeans(Method):
    """A method whose network gives vectors that k-means clusters at the end, by direction.

    It has the parameters ``k`` and ``n_init``; ``_cluster`` sets ``centres_`` (k, d) and ``labels_``.
    """

    tensors = ("centres_",)

    def _vectors(self, clips: Clips) -> Tensor:
        """Return vectors (n, d) of length 1; the mean over weak views where the encoder's number of them is not 0."""
        return F.normalize(embed_views(self.network_, clips, self.augment_, self.encoder_views_), dim=1)

    def _cluster(self, vectors: Tensor) -> None:
        """Cluster the vectors (n, d) of the clips; clusters are numbered in the order of their first clip."""
        labels, centres, _ = kmeans(vectors, self.k, restarts=self.n_init, iterations=100)
        first = np.unique(by_appearance(labels.cpu().numpy()), return_index=True)[1]
        # A centre without points is left out.
        self.centres_ = centres[labels[torch.from_numpy(first).to(labels.device)]]
        self.labels_ = self._nearest(vectors)

    def _clusters(self, clips: Clips) -> np.ndarray:
        """Return the nearest of ``centres_`` (n,) int32."""
        return self._nearest(self._vectors(clips))

    def _nearest(self, vectors: Tensor) -> np.ndarray:
        return torch.cdist(vectors, self.centres_).argmin(1).cpu().numpy().astype(np.int32)


def enough_clips(X: Any, frames: np.ndarray | None, device: str, k: int) -> Clips | Embedded:
    """Return the clips, checked before anything is trained.

    Raises:
        ValueError: fewer clips than ``k``, or whatever ``Clips`` refuse.
    """
    clips = X.to(device) if isinstance(X, Embedded) else Clips.of(X, frames, device)
    if clips.n < k:
        raise ValueError(f"n_samples={clips.n} should be >= k={k}: lower k or give more clips")
    return clips


def backbone(architecture: list) -> nn.Module:
    """Return a network of ``architecture_`` with random weights and the attribute ``d``, on the CPU."""
    name, d, *_ = architecture
    if name != EMBEDDED:
        return backbones.build(*architecture)
    network = Standardise(d)
    network.d = d
    return network


def before_heads(
    model: Any, clips: Clips | Embedded, encoder: Any, embedding: np.ndarray | None, pretext: type, run: Run | None
) -> tuple[Clips | Embedded, nn.Module, Tensor]:
    """Set what a method keeps of what it is fitted to, and return that, the network before its heads and embeddings.

    Args:
        model: a method with ``augment``, ``device`` and ``random_state``.
        clips: what it is fitted to.
        encoder: a fitted pretext, whose network is copied; None: one of the class ``pretext`` is trained first. Of no
            meaning where the clips are embedded already: the network only standardises them.
        embedding: (n, d) of the clips by the encoder; None: it is computed.
        pretext: a class of encoders, which has all defaults.
        run: keeps curves and checkpoints.

    Returns:
        The clips, standardised like the encoder's; the network; and the embedding (n, d) on the device.

    Raises:
        ValueError: see ``initialise``, ``embedding_of`` and ``check_embedded`` of the method.
    """
    if isinstance(clips, Embedded):
        model.check_embedded()
        model.architecture_, model.encoder_views_ = [EMBEDDED, clips.embedding.shape[1]], 0
        model.augment_ = None
        # The scale of an embedding is arbitrary, and learning rates are not.
        network = backbone(model.architecture_).to(model.device).fit(clips.embedding)
        return clips, network, network(clips.embedding)
    if encoder is None:
        encoder = pretext(augment=model.augment, device=model.device, random_state=model.random_state)
        encoder.fit(clips, run=run)
    clips = initialise(model, clips, encoder)
    x = torch.from_numpy(embedding_of(clips, encoder, embedding)).float().to(model.device)
    return clips, copy.deepcopy(encoder.backbone_).to(model.device), x


def views_once(model: Any, clips: Clips | Embedded, encoder: nn.Module, x: Tensor) -> Frozen | Embedded:
    """Return views that are embedded once, by an encoder that stays as it is.

    Args:
        model: a method with ``augment_``, ``views``, ``refresh`` and ``random_state``.
        clips: what it is fitted to.
        encoder: views to embeddings or, of clips that are embedded already, these to what heads take.
        x: (n, d) of the clips.
    """
    if isinstance(clips, Embedded):
        return clips.through(encoder)
    count = affordable(model.views, *x.shape)
    return Frozen(encoder, clips, model.augment_, x, count, model.refresh, model.random_state)


def _same_dimensions(model: Any, x: Any) -> Embedded:
    """Return embeddings (n, d), checked to be like those that the model was fitted to."""
    clips = x.to(model.device) if isinstance(x, Embedded) else Embedded(points(x), device=model.device)
    same_dimensions([clips.embedding], [model.architecture_[1]])
    return clips


def initialise(model: Any, clips: Clips, encoder: Any) -> Clips:
    """Set what ``alike`` needs of a method, and return the clips standardised like the encoder's.

    Also ``architecture_``, the arguments of ``backbones.build``, and ``encoder_views_``, the ``views`` of the encoder.

    Args:
        model: a method with ``augment`` (None: the encoder's) and ``device``.
        clips: what the method is fitted to.
        encoder: a fitted pretext.

    Raises:
        ValueError: an encoder of other bands or of another front end.
    """
    model.augment_, model.encoder_views_ = (model.augment or encoder.augment_).sized(clips.frames), encoder.views
    model.mean_, model.std_, model.front_end_ = encoder.mean_, encoder.std_, encoder.front_end_
    model.architecture_, model.bands_ = [encoder.backbone, encoder.d, encoder.bands_, encoder.channels], encoder.bands_
    clips = alike(model, clips)
    model.front_end_ = clips.front_end
    return clips


def begin(model: Any, clips: Clips, encoder: Any) -> Clips:
    """Set what ``alike`` needs of a method that starts from an encoder or, without one, from random weights.

    Args:
        model: a method with ``augment``, ``device`` and, for random weights, ``backbone``, ``d`` and ``channels``.
        clips: what the method is fitted to.
        encoder: a fitted pretext, or None.

    Returns:
        The clips, standardised like the encoder's.

    Raises:
        ValueError: an encoder of other bands or of another front end.
    """
    if encoder is not None:
        return initialise(model, clips, encoder)
    model.augment_, model.encoder_views_ = (model.augment or Augment()).sized(clips.frames), 0
    model.mean_, model.std_, model.front_end_ = clips.mean, clips.std, clips.front_end
    model.bands_ = model.augment_.bands(clips.f)
    model.architecture_ = [model.backbone, model.d, model.bands_, model.channels]
    return clips


def embedding_of(clips: Clips, encoder: Any, embedding: np.ndarray | None) -> np.ndarray:
    """Return the embedding (n, d) of clips by a fitted pretext, checked; None: it is computed.

    Raises:
        ValueError: a row that is not finite, or another shape than the encoder's.
    """
    embedding = points(encoder.transform(clips) if embedding is None else embedding)
    if embedding.shape != (clips.n, encoder.backbone_.d):
        raise ValueError(
            f"an embedding of shape {embedding.shape}: of these clips the encoder gives one of shape "
            f"({clips.n}, {encoder.backbone_.d})"
        )
    return embedding
