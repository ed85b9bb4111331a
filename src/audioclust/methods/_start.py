"""How a method on log-mels is initialised from an encoder that was trained here."""

from typing import Any

import numpy as np

from audioclust.points.checks import points
from audioclust.pretext._encoder import alike
from audioclust.views.clips import Clips


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
