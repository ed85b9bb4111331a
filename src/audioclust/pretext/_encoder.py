"""What every encoder trained here has in common: it embeds clips and is saved and loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from audioclust.devices import seeded
from audioclust.networks.backbones import build
from audioclust.training import saving
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed_views
from audioclust.views.maker import Maker

WEIGHTS = "encoder.safetensors"


class Encoder(BaseEstimator):
    """A backbone, and how its input is made.

    After ``fit``: ``backbone_`` in eval mode, ``augment_`` and ``bands_`` of its views, ``mean_`` and ``std_`` of the
    clips' signal, and ``front_end_``, what their log-mels were computed with (None: unknown).
    """

    input = "logmel"

    def transform(
        self, X: Any, *, frames: np.ndarray | None = None, front_end: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the embedding (n, d) float32.

        It is the vector of a clip's original view or, with ``views`` > 0, the mean of those of ``views`` weak views.

        Args:
            X: log-mels (n, mels, t) in nats, or ``Clips``.
            frames: (n,) frames of signal; None: all.
            front_end: what an array was computed with, see ``alike``.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: see ``alike``.
        """
        check_is_fitted(self, "backbone_")
        clips = alike(self, X, frames, front_end)
        return embed_views(self.backbone_, clips, self.augment_, self.views).cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``encoder.safetensors`` into ``folder``."""
        check_is_fitted(self, "backbone_")
        saving.save(folder, self, self.backbone_.state_dict(), WEIGHTS, bands=self.bands_)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Encoder":
        """Return a saved encoder.

        Raises:
            FileNotFoundError: there is none; the message names the command that trains one.
        """
        config = Path(folder) / saving.CONFIG
        if not config.is_file():
            raise FileNotFoundError(f"{config}: no such file; `dvc repro pretext` trains encoders")
        encoder, weights, more = saving.load(folder, cls, device, WEIGHTS)
        encoder.augment = encoder.augment_
        with seeded(0, device):  # the random weights are replaced
            encoder._build(more["bands"])
        encoder.backbone_.load_state_dict(weights)
        encoder.backbone_.eval()
        return encoder

    def _start(self, X: Any, frames: np.ndarray | None) -> Clips:
        """Check the clips, set what describes the input and build the backbone; return the clips."""
        clips = Clips.of(X, frames, self.device)
        self.augment_ = (self.augment or Augment()).sized(clips.frames)
        if clips.n < 2:
            raise ValueError(f"n_samples={clips.n} should be >= 2: there is nothing to tell a clip from")
        self.mean_, self.std_, self.front_end_ = clips.mean, clips.std, clips.front_end
        self._build(self.augment_.bands(clips.f))
        return clips

    def _build(self, bands: int) -> None:
        self.bands_ = bands
        network = build(self.backbone, self.d, bands, self.channels)
        # On the CPU and on tensor cores convolutions are faster with the channels last.
        self.backbone_ = network.to(self.device, memory_format=torch.channels_last)

    def _maker(self, clips: Clips) -> Maker:
        """Return what makes the views of a training."""
        return Maker(self.augment_, clips, self.random_state)


def alike(model: Any, X: Any, frames: np.ndarray | None = None, front_end: dict[str, Any] | None = None) -> Clips:
    """Return clips standardised like those that a model was fitted to.

    Args:
        model: a fitted encoder, or a method with what ``_encoder.Encoder`` sets.
        X: log-mels (n, mels, t) in nats, or ``Clips``.
        frames: (n,) frames of signal; None: all.
        front_end: what an array was computed with; pass the model's own to say that it was the same. Not needed for
            ``Clips`` that know theirs, or where the model's is unknown.

    Raises:
        ValueError: another number of bands, another front end or an unknown one, or whatever ``Clips`` refuse.
    """
    clips = Clips.of(X, frames, model.device, mean=model.mean_, std=model.std_, front_end=front_end)
    _check_front_end(model.front_end_, clips.front_end)
    bands = model.augment_.bands(clips.f)
    if bands != model.bands_:
        raise ValueError(f"views of {bands} bands: this network was trained on {model.bands_}")
    return clips


def _check_front_end(expected: dict[str, Any] | None, found: dict[str, Any] | None) -> None:
    if expected is None or found == expected:
        return
    found, absent = found or {}, object()
    names = sorted(name for name in {**expected, **found} if found.get(name, absent) != expected.get(name, absent))
    differing = [f"{name} = {_shown(found, name)}, not {_shown(expected, name)}" for name in names]
    raise ValueError(
        f"log-mels of another front end than those this network was trained on: {'; '.join(differing)}. Compute them "
        "with the settings in front_end_ of the model; front_end=model.front_end_ (of predict, transform and Clips) "
        "says that an array was made so"
    )


def _shown(front_end: dict[str, Any], name: str) -> str:
    return repr(front_end[name]) if name in front_end else "unknown"
