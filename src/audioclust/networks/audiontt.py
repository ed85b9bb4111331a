"""BYOL-A's networks (Niizumi et al., IJCNN 2021, arXiv 2103.06695; TASLP 2023, arXiv 2204.07402).

Log-mels (b, 1, 64, t) to one vector per clip, max plus mean over time. Parameter names are those of the published
checkpoints, so that they load strictly.
"""

import numpy as np
import torch
from torch import nn


def conv_block(inside: int, outside: int = 64) -> list[nn.Module]:
    """Conv 3x3, BatchNorm, max pooling by two in frequency and time, ReLU.

    The published order is ReLU, then the maximum: the same numbers and gradients, on four times as many of them.
    """
    return [nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.MaxPool2d(2), nn.ReLU(inplace=True)]


def frames(x: torch.Tensor) -> torch.Tensor:
    """(b, c, f, t) -> (b, t, f * c), channel fastest."""
    return x.permute(0, 3, 2, 1).flatten(2)


def max_mean(x: torch.Tensor) -> torch.Tensor:
    """(b, t, d) -> (b, d): maximum plus mean over time (a sum, not a concatenation)."""
    return x.amax(1) + x.mean(1)


def mlp(inside: int, hidden: int, outside: int) -> nn.Sequential:
    """Return the layers (..., inside) -> (..., outside)."""
    return nn.Sequential(nn.Linear(inside, hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, outside), nn.ReLU())


class AudioNTT2020(nn.Module):
    """Version 1: three blocks, 12.5 frames per second, (b, 1, 64, t >= 8) -> (b, d)."""

    shortest = 8

    def __init__(self, d: int = 512, n_mels: int = 64, channels: int = 64):
        super().__init__()
        self.d = d
        c = channels
        self.features = nn.Sequential(*conv_block(1, c), *conv_block(c, c), *conv_block(c, c))
        self.fc = mlp(c * (n_mels // 8), d, d)

    def frame_embeddings(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 1, n_mels, t) -> (b, t // 8, d)."""
        return self.fc(frames(self.features(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return max_mean(self.frame_embeddings(x))


class AudioNTT2022(nn.Module):
    """Version 2: two blocks, 25 frames per second, convolutions and MLP concatenated, (b, 1, 64, t >= 4) -> (b, d)."""

    shortest = 4

    def __init__(self, d: int = 3072, n_mels: int = 64, hidden: int = 2048, channels: int = 64):
        super().__init__()
        self.d = d
        width = channels * (n_mels // 4)
        self.features = nn.Sequential(*conv_block(1, channels), *conv_block(channels, channels))
        self.fc = mlp(width, hidden, d - width)

    def frame_embeddings(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 1, n_mels, t) -> (b, t // 4, d)."""
        c = frames(self.features(x))
        return torch.cat([c, self.fc(c)], dim=-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return max_mean(self.frame_embeddings(x))


def build(d: int) -> AudioNTT2020 | AudioNTT2022:
    """Return the network of the published size ``d``: 512, 1024, 2048 (version 1) or 3072 (version 2)."""
    return AudioNTT2022(d) if d == 3072 else AudioNTT2020(d)


def embed(network: AudioNTT2020 | AudioNTT2022, x: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Return the embedding (b, d) float32 of log-mels (b, 64, t) in nats, standardised with ``mean`` and ``std``.

    Raises:
        ValueError: another number of bands, or too few frames for the poolings.
    """
    if x.shape[1] != 64 or x.shape[2] < network.shortest:
        raise ValueError(
            f"log-mels of {x.shape[1]} bands and {x.shape[2]} frames: BYOL-A needs 64 bands (logmel.n_mels) and at "
            f"least {network.shortest} frames (data.clip_seconds)"
        )
    # Clips of one constant value have no deviation.
    batch = torch.from_numpy((np.asarray(x, dtype=np.float32) - mean) / max(std, 1e-6))[:, None]
    device = next(network.parameters()).device
    with torch.inference_mode():
        return network(batch.float().to(device, memory_format=torch.channels_last)).cpu().numpy()
