"""How a method goes on from an encoder that was trained here, and meets other clips as it met the first ones."""

from typing import Any

import numpy as np

from audioclust.checks import points
from audioclust.nn.clips import Clips


def from_encoder(
    model: Any, x: Any, frames: np.ndarray | None, encoder: Any, embedding: np.ndarray | None
) -> tuple[Clips, np.ndarray]:
    """Set ``augment_``, ``mean_``, ``std_``, ``bands_`` and ``architecture_`` (for ``backbones.build``) of a method.

    ``encoder_views_`` is how many views of a clip the encoder's embedding is the mean of.

    Args:
        model: a method with ``k``, ``augment`` (None: the encoder's) and ``device``.
        x, frames: what it is fitted to.
        encoder: a fitted pretext.
        embedding: (n, d) that it gives for the clips; computed where it is not given.

    Returns:
        The clips and their embedding.

    Raises:
        ValueError: an encoder of other bands, fewer clips than ``k``, a clip that is not finite, or an embedding that
            is not the encoder's of these clips.
    """
    model.augment_, model.encoder_views_ = model.augment or encoder.augment_, encoder.views
    model.mean_, model.std_ = encoder.mean_, encoder.std_
    model.architecture_, model.bands_ = [encoder.backbone, encoder.d, encoder.bands_, encoder.channels], encoder.bands_
    clips = alike(model, x, frames)
    embedding = points(encoder.transform(clips) if embedding is None else embedding, model.k)
    if embedding.shape != (clips.n, encoder.backbone_.d):
        raise ValueError(
            f"an embedding of shape {embedding.shape}: of these clips the encoder gives one of shape "
            f"({clips.n}, {encoder.backbone_.d})"
        )
    return clips, embedding


def alike(model: Any, x: Any, frames: np.ndarray | None) -> Clips:
    """Return clips standardised as those that ``model``, an encoder or a method, was fitted to.

    Raises:
        ValueError: its network was trained on other bands.
    """
    clips = Clips.of(x, frames, model.device, mean=model.mean_, std=model.std_)
    bands = model.augment_.bands(clips.f)
    if bands != model.bands_:
        raise ValueError(f"views of {bands} bands: this network was trained on {model.bands_}")
    return clips
