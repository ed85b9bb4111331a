"""What methods on log-mels share: they start from an encoder trained here, predict, and are saved and loaded."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from audioclust.devices import seeded
from audioclust.points.checks import points
from audioclust.pretext._encoder import alike
from audioclust.training import saving
from audioclust.views.clips import Clips


class Method(ClusterMixin, BaseEstimator):
    """A method on log-mels.

    Its ``fit`` sets ``network_`` in eval mode, ``architecture_`` (the arguments of ``backbones.build``),
    ``encoder_views_`` (weak views of a clip that are averaged) and what ``alike`` needs.
    """

    input = "logmel"
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
        """Return the clusters (n,) int32 of log-mels (n, f, t); arguments and errors as of ``alike``."""
        check_is_fitted(self, "network_")
        return self._clusters(alike(self, X, frames, front_end))

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


def enough_clips(X: Any, frames: np.ndarray | None, device: str, k: int) -> Clips:
    """Return the clips, checked before anything is trained.

    Raises:
        ValueError: fewer clips than ``k``, or whatever ``Clips`` refuse.
    """
    clips = Clips.of(X, frames, device)
    if clips.n < k:
        raise ValueError(f"n_samples={clips.n} should be >= k={k}: lower k or give more clips")
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
    model.augment_, model.encoder_views_ = model.augment or encoder.augment_, encoder.views
    model.mean_, model.std_, model.front_end_ = encoder.mean_, encoder.std_, encoder.front_end_
    model.architecture_, model.bands_ = [encoder.backbone, encoder.d, encoder.bands_, encoder.channels], encoder.bands_
    clips = alike(model, clips)
    model.front_end_ = clips.front_end
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
