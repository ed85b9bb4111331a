"""What every encoder trained here can do once it is fitted: embed clips, be saved and loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from audioclust.nn import saving
from audioclust.nn.augment import Augment
from audioclust.nn.backbones import build
from audioclust.nn.clips import Clips
from audioclust.nn.starting import alike
from audioclust.nn.training import seeded
from audioclust.nn.views import embed_views

WEIGHTS = "encoder.safetensors"


class Encoder:
    """A backbone and what its input is standardised with.

    ``backbone_`` is in eval mode after ``fit``; ``mean_`` and ``std_`` are those of the clips it was trained on.
    """

    input = "logmel"

    def transform(self, x: Any, frames: np.ndarray | None = None) -> np.ndarray:
        """Return the embedding (n, d) float32 of log-mels (n, f, t), of which ``frames`` (n,) hold signal.

        It is the vector of a clip as it is, or with ``views`` > 0 the mean of those of as many weak views.

        Raises:
            ValueError: other bands than those of the clips it was trained on, or something that ``Clips`` refuse.
        """
        return embed_views(self.backbone_, alike(self, x, frames), self.augment_, self.views).cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and ``encoder.safetensors`` into ``folder``."""
        saving.save(folder, self, self.backbone_.state_dict(), WEIGHTS, bands=self.bands_)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Encoder":
        """Return what ``save`` wrote.

        Raises:
            FileNotFoundError: there is no such encoder; the message names the command that trains one.
        """
        config = Path(folder) / saving.CONFIG
        if not config.is_file():
            raise FileNotFoundError(f"{config}: no such file; `dvc repro pretext` trains encoders")
        encoder, weights, more = saving.load(folder, cls, device, WEIGHTS)
        encoder.augment = encoder.augment_
        with seeded(0, device):  # the weights drawn here are replaced
            encoder._build(more["bands"])
        encoder.backbone_.load_state_dict(weights)
        encoder.backbone_.eval()
        return encoder

    def _start(self, x: Any, frames: np.ndarray | None) -> Clips:
        """Check the clips, note what they are standardised with and make the backbone; return the clips."""
        self.augment_ = self.augment or Augment()
        clips = Clips.of(x, frames, self.device)
        if clips.n < 2:
            raise ValueError(f"n_samples={clips.n} should be >= 2: there is nothing to tell a clip from")
        self.mean_, self.std_ = clips.mean, clips.std
        self._build(self.augment_.bands(clips.f))
        return clips

    def _build(self, bands: int) -> None:
        self.bands_ = bands
        network = build(self.backbone, self.d, bands, self.channels)
        # On the CPU and on tensor cores convolutions are faster with the channels last.
        self.backbone_ = network.to(self.device, memory_format=torch.channels_last)

    def _views(self, clips: Clips, rows: torch.Tensor, ops: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return two views (b, 1, f, width) of each of the clips ``rows`` (b,)."""
        x, frames = clips[rows]
        return self.augment_(x, frames, ops), self.augment_(x, frames, ops)


def optimise(loss: torch.Tensor, optimiser: torch.optim.Optimizer, lr: float) -> None:
    """One step at a learning rate of ``lr``."""
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def parameters(*parts: nn.Module) -> list[nn.Parameter]:
    """Return what an optimiser trains of all ``parts``."""
    return [parameter for part in parts for parameter in part.parameters()]
