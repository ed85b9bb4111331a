"""Networks from a log-mel (b, 1, f, t) of any length to one vector (b, d)."""

from typing import Literal

import torch
from torch import nn

from audioclust.networks.audiontt import AudioNTT2020, AudioNTT2022, conv_block
from audioclust.networks.efficientnet import EfficientNetB0

Name = Literal["audiontt", "audiontt2022", "resnet18", "efficientnet_b0", "grid"]
STEPS = 4  # parts of a clip that "grid" does not average over


class ResNet18(nn.Module):
    """torchvision's ResNet-18 (He et al., 2016) with one input channel: (b, 1, f, t) -> (b, 512)."""

    d = 512

    def __init__(self):
        from torchvision.models import resnet18  # only where it is used: the import takes a second

        super().__init__()
        self.network = resnet18(weights=None)
        self.network.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(self.network.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
        self.network.fc = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)


class Grid(nn.Module):
    """BYOL-A's convolutions, their map averaged to four steps in time, and an MLP: (b, 1, f, t) -> (b, d).

    The other networks average over time; this one keeps its order, which tells words apart.
    """

    def __init__(self, d: int, f: int, channels: int = 64):
        super().__init__()
        self.d = d
        c = channels
        self.features = nn.Sequential(*conv_block(1, c), *conv_block(c, c), *conv_block(c, c))
        self.pool = nn.AdaptiveAvgPool2d((f // 8, STEPS))
        self.fc = nn.Sequential(
            nn.Flatten(), nn.Linear(c * (f // 8) * STEPS, d), nn.BatchNorm1d(d), nn.ReLU(), nn.Linear(d, d), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.features(x)))


def build(name: Name, d: int, f: int, channels: int = 64) -> nn.Module:
    """Return a network with random weights and the attribute ``d``.

    Args:
        name: "audiontt" and "audiontt2022" are BYOL-A's two networks, "resnet18" the images' usual one,
            "efficientnet_b0" DECAR's, "grid" one that keeps the order of time.
        d: dimensions of a vector; ResNet-18 always has 512, EfficientNet-B0 1280.
        f: bands of the log-mels.
        channels: of BYOL-A's convolutions; 64 in the paper.

    Raises:
        ValueError: ``f`` cannot be halved as often as BYOL-A's networks do; or ``d`` is too small for the last
            convolution of "audiontt2022", which is a part of the vector.
    """
    if name == "resnet18":
        return ResNet18()
    if name == "efficientnet_b0":
        return EfficientNetB0()
    halvings = 2 if name == "audiontt2022" else 3
    if f % 2**halvings:
        raise ValueError(f"log-mels of {f} bands (logmel.n_mels): {name} needs a multiple of {2**halvings}")
    if name == "audiontt2022":
        if d <= channels * f // 4:
            raise ValueError(f"d={d} should be > {channels * f // 4}, a quarter of {channels} channels of {f} bands")
        return AudioNTT2022(d, f, channels=channels)
    if name == "grid":
        return Grid(d, f, channels)
    return AudioNTT2020(d, f, channels=channels)
