"""What autoencoders of log-mels share: an encoder to short codes, a decoder to views, and their training."""

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from audioclust.devices import autocast, memory_hint, seeded
from audioclust.networks import backbones
from audioclust.parameters import Count, Natural, NonNegative, Positive, validate
from audioclust.pretext._encoder import Encoder
from audioclust.training.loop import Run, batches, epochs, optimise
from audioclust.training.monitors import monitors
from audioclust.training.schedules import size_by_steps, warmup_cosine
from audioclust.views.augment import Augment, Op
from audioclust.views.clips import Clips

BATCH, EPOCHS = 256, 200
HALVINGS = 3  # of bands and frames by the decoder's mirror


class Coder(nn.Module):
    """A backbone and a linear layer: views (b, 1, f, t) -> codes (b, d)."""

    def __init__(self, backbone: nn.Module, d: int):
        super().__init__()
        self.backbone, self.linear, self.d = backbone, nn.Linear(backbone.d, d), d

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.backbone(x))


class Decoder(nn.Module):
    """Codes (b, d) -> views (b, 1, f, t): a linear layer to a small map, doubled three times, with convolutions."""

    def __init__(self, d: int, f: int, t: int, channels: int):
        super().__init__()
        self.shape = f, t
        rows, columns = (-(-size // 2**HALVINGS) for size in (f, t))
        self.first = nn.Sequential(
            nn.Linear(d, channels * rows * columns), nn.Unflatten(1, (channels, rows, columns)), nn.ReLU()
        )
        layers = [layer for _ in range(HALVINGS) for layer in _double(channels)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        f, t = self.shape
        return self.layers(self.first(z))[:, :, :f, :t]


def _double(channels: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    return [nn.Upsample(scale_factor=2), convolution, nn.BatchNorm2d(channels), nn.ReLU()]


@dataclass(repr=False, eq=False)
class Autoencoder(Encoder):
    """An encoder trained to reconstruct views from codes, by Adam with a cosine schedule after a short warm-up.

    Of few clips, and only where they are null, ``batch`` and ``epochs`` are sized by the number of clips
    (``training.schedules``); a value that is given stands.
    """

    ops: tuple[Op, ...] = ("crop",)  # of the views that are reconstructed
    backbone: backbones.Name = "grid"  # below the code, see networks.backbones.build
    d: Annotated[int, Field(ge=2)] = 32  # dimensions of a code, the embedding
    hidden: Annotated[int, Field(ge=8)] = 512  # dimensions of the backbone's output
    channels: Count = 64  # of the convolutions, of encoder and decoder
    epochs: Count | None = None  # passes over the clips; null: 200 or, if it is more, as many as give 1000 steps
    # Clips per step; null: 256 or, if it is less, n / 8 (at least 32). At most n
    batch: Annotated[int, Field(ge=2)] | None = None
    lr: Positive = 1e-3  # learning rate at its maximum
    weight_decay: NonNegative = 0.0  # of Adam
    views: Natural = 0  # weak views whose mean is a clip's embedding; 0: the original view
    _: KW_ONLY
    augment: Augment | None = None  # makes the views; None: the defaults
    device: str = "cpu"  # or "cuda"
    random_state: int = 0  # seeds everything

    def fit(self, X: Any, y: Any = None, *, frames: np.ndarray | None = None, run: Run | None = None) -> Self:
        """Set ``backbone_``, see ``Encoder``, and ``decoder_``, codes (n, d) -> views (n, 1, f, width).

        Args:
            X: log-mels (n, mels, t) in nats, or ``Clips``.
            y: ignored.
            frames: (n,) frames of signal; None: all.
            run: keeps curves and checkpoints.

        Raises:
            ValueError: a wrong parameter, fewer than two clips, or whatever ``Clips`` refuse.
            RuntimeError: the loss is not finite.
        """
        validate(self)
        with seeded(self.random_state, self.device):
            clips = self._start(X, frames)
            size_by_steps(self, clips.n, BATCH, EPOCHS)
            decoder = Decoder(self.d, self.bands_, self.augment_.width, self.channels)
            self.decoder_ = decoder.to(self.device, memory_format=torch.channels_last)
            with memory_hint(f"{type(self).__name__.lower()}.batch = {self.batch_}"):
                self._train(clips, run)
        self.backbone_.eval()
        self.decoder_.eval()
        return self

    def _build(self, bands: int) -> None:
        self.bands_ = bands
        network = Coder(backbones.build(self.backbone, self.hidden, bands, self.channels), self.d)
        self.backbone_ = network.to(self.device, memory_format=torch.channels_last)

    def _loss(self, view: Tensor) -> Tensor:
        """Return the loss of views (b, 1, f, width)."""
        raise NotImplementedError

    def _modules(self) -> dict[str, nn.Module]:
        """Return what is trained, by name."""
        return {"network": self.backbone_, "decoder": self.decoder_}

    def _train(self, clips: Clips, run: Run | None) -> None:
        modules = self._modules()
        weights = [weight for module in modules.values() for weight in module.parameters()]
        optimiser = torch.optim.Adam(weights, self.lr, weight_decay=self.weight_decay, fused=True)
        steps = clips.n // self.batch_
        rates = warmup_cosine(self.lr, 0.0, self.epochs_ * steps, self.epochs_ * steps // 10)
        make = self._maker(clips)
        for module in modules.values():
            module.train()
        for epoch in epochs(self.epochs_, modules | {"optimiser": optimiser}, run):
            for step, rows in enumerate(batches(clips.n, self.batch_)):
                with autocast(self.device):
                    loss = self._loss(*make(rows, self.ops))
                optimise(loss, optimiser, rates[epoch.number * steps + step])
                epoch.add(loss=loss)
            with torch.no_grad(), autocast(self.device):
                one, two = (self.backbone_(view) for view in make(rows, self.ops, self.ops))
            epoch.add(**monitors(one, two, one))
