"""PaSST-S (Koutini et al., Interspeech 2022, arXiv 2110.05069): an audio spectrogram transformer, 768 dimensions.

Own network and front end, with the published checkpoint's parameter names; no timm. It needs 32 kHz: recordings
sampled at a lower rate leave its upper bands empty, and its embeddings are worse without any warning.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torchaudio.compliance.kaldi import get_mel_banks

from audioclust.encoders import _weights as published
from audioclust.encoders._padding import Padding, embed_signal
from audioclust.parameters import validate

LICENCE = "Apache-2.0"
RELEASES = "https://github.com/kkoutini/PaSST/releases/download/"
CHECKPOINTS = {
    10: published.Checkpoint(
        "passt-s-f128-p16-s10-ap.476-swa.pt",
        RELEASES + "v0.0.1-audioset/passt-s-f128-p16-s10-ap.476-swa.pt",
        LICENCE,
        344_665_734,
        sha256="302903fa8c4aee817b11dc982da0b29aaf8d11a3e722420476d0a12c9db70c2c",
    ),
    16: published.Checkpoint(
        "passt-s-f128-p16-s16-ap.468.pt",
        RELEASES + "v0.0.2-audioset/passt-s-f128-p16-s16-ap.468.pt",
        LICENCE,
        344_000_000,
    ),
}
RATE = 32000
WINDOW, HOP = 10 * RATE, 80_000  # a longer clip is heard in windows of 10 s every 2.5 s
SHORTEST = 4801  # samples: one patch of 16 frames


class FrontEnd(nn.Module):
    """Waveforms (b, samples) at 32 kHz to normalised log-mels (b, 128, 1 + (samples - 1) // hop)."""

    def __init__(self, hop: int = 320):
        super().__init__()
        self.hop = hop
        # Eval mode of the original: fmax None stands for 15 kHz.
        banks, _ = get_mel_banks(128, 1024, RATE, 0.0, 15000.0, 100.0, -500.0, 1.0)
        self.register_buffer("banks", nn.functional.pad(banks, (0, 1)))  # (128, 513)
        self.register_buffer("window", torch.hann_window(800, periodic=False))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        emphasised = wave[:, 1:] - 0.97 * wave[:, :-1]
        spectrum = torch.stft(emphasised, 1024, self.hop, 800, self.window, return_complex=True).abs() ** 2
        return ((self.banks @ spectrum + 1e-5).log() + 4.5) / 5


class Attention(nn.Module):
    """Multi-head self-attention, (b, t, d) -> (b, t, d)."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        q, k, v = (
            self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        )  # each (b, heads, t, d')
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Module):
    def __init__(self, dim: int, stride: int):
        super().__init__()
        self.proj = nn.Conv2d(1, dim, 16, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(x)


class Transformer(nn.Module):
    """Log-mels (b, 1, 128, t) to the mean (b, dim) of the class and the distillation token.

    A shorter input than ``frames`` uses the beginning of the time encoding.
    """

    def __init__(
        self, dim: int = 768, depth: int = 12, heads: int = 12, frames: int = 998, stride: int = 10, classes: int = 527
    ):
        super().__init__()
        across, along = 128 // stride, frames // stride
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, dim))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, dim, across, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, along))
        self.patch_embed = Patches(dim, stride)
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        # The checkpoint's classifiers: loaded, so that the file is checked whole; not used for embeddings.
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))
        self.head_dist = nn.Linear(dim, classes)

    def tokens(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the class and the distillation token (b, dim) after the last norm."""
        patches = self.patch_embed(x)  # (b, dim, 12, t')
        patches = patches + self.time_new_pos_embed[..., : patches.shape[-1]] + self.freq_new_pos_embed
        first = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        sequence = torch.cat([first.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        out = self.norm(self.blocks(sequence))
        return out[:, 0], out[:, 1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cls, dist = self.tokens(x)
        return (cls + dist) / 2


@dataclass(eq=False)
class PaSST:
    """Waveforms (b, samples) at 32 kHz to embeddings (b, 768).

    Up to 10 s in one pass; longer clips as the mean over windows of 10 s every 2.5 s, the ends reflected by 5 s.
    """

    stride: Literal[10, 16] = 10  # of the patches: 1,190 tokens for 10 s, or 498, four times cheaper
    weights: str | None = None  # a checkpoint file; None: the published one
    padding: Padding = "ignore"  # ignore: embed the signal alone; pool: its padding too, and so its length
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = RATE
    input = "waveform"
    training = "pretrained on labels"
    licence = LICENCE
    dim = 768

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or of another network.
        """
        validate(self)
        file = published.find(CHECKPOINTS[self.stride], "passt", self.weights)
        with torch.device("meta"):
            network = Transformer(stride=self.stride, frames=998)
        published.load(network, published.read(file), file)
        self.network_ = network.eval().to(self.device)
        self.front_end_ = FrontEnd().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 768) float32 of waveforms (b, samples).

        ``signal`` (b,) is how many of the samples hold signal; None: all. Signal shorter than 0.15 s keeps as much of
        its padding.

        Raises:
            ValueError: clips shorter than 0.15 s.
        """
        if x.shape[1] < SHORTEST:
            raise ValueError(f"clips of {x.shape[1] / RATE:.3f} s: PaSST needs at least 0.15 s (data.clip_seconds)")
        return embed_signal(self._embed, np.asarray(x, dtype=np.float32), signal, self.padding, SHORTEST)

    def _embed(self, x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self._mean(torch.from_numpy(x).to(self.device)).cpu().numpy()

    def _mean(self, wave: torch.Tensor) -> torch.Tensor:
        """Return the mean over the windows of waveforms (b, samples), (b, 768)."""
        if wave.shape[1] <= WINDOW:
            return self.network_(self.front_end_(wave)[:, None])
        padded = nn.functional.pad(wave[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")[:, 0]
        starts = range(0, wave.shape[1] + 1, HOP)
        windows = (padded[:, start : start + WINDOW] for start in starts)
        return torch.stack([self.network_(self.front_end_(window)[:, None]) for window in windows]).mean(0)
