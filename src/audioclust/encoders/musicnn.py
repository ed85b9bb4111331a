"""musicnn (Pons and Serra, ISMIR 2019 late-breaking, arXiv 1909.06654): a tagger of music, 1506 or 200 dimensions.

Trained with labels, the 50 most frequent tags of MagnaTagATune. The weights lie in the wheel musicnn 0.1.0 as a
TensorFlow checkpoint, which ``_tensorflow`` reads; the wheel's LICENSE is ISC, Music Technology Group, Universitat
Pompeu Fabra, and does not name the weights apart. The same group publishes the converted networks with Essentia under
CC BY-NC-SA 4.0 (essentia.upf.edu/models.html): ask them before a commercial use. The wheel's second checkpoint, of the
Million Song Dataset, is not used: nobody has measured how well it clusters.

It needs 16 kHz. The package takes the logarithm in float16, in which a loud clip is infinite; here it is in float32.
"""

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

from audioclust.encoders import _weights as published
from audioclust.encoders._padding import embed_signal
from audioclust.encoders._tensorflow import tensors
from audioclust.encoders._wheels import Member, Wheel, find
from audioclust.encoders._windows import mean
from audioclust.parameters import validate

LICENCE = "ISC (Universitat Pompeu Fabra), weights not named apart"
WHEEL = Wheel(
    "musicnn", "0.1.0", "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa", 29_300_000, LICENCE
)
CHECKPOINT = [
    Member(WHEEL, "musicnn/MTT_musicnn/.index", "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57"),
    Member(
        WHEEL,
        "musicnn/MTT_musicnn/.data-00000-of-00001",
        "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
    ),
]

RATE, FFT, HOP, MELS = 16000, 512, 256, 96
FRAMES, STEP = 187, 93  # of a window, and between the starts of two
SPAN = (FRAMES - 1) * HOP + FFT  # samples that a window hears
SHORTEST = (FRAMES - 1) * HOP  # samples; a shorter clip is repeated, as it was in training
TIMBRE = [(204, (7, 38)), (204, (7, 67))]  # filters over 7 frames and 40 or 70 % of the bands
RHYTHM = [(51, (128, 1)), (51, (64, 1)), (51, (32, 1))]  # filters over up to 2 s of one band
FRONT = sum(filters for filters, _ in TIMBRE + RHYTHM)  # 561 maps
MIDDLE, LAYERS = 64, 3  # maps of each of the convolutions that follow
MAPS = FRONT + LAYERS * MIDDLE  # 753
BLOCK = 2  # windows per pass; larger ones are slower on a CPU, whose cache they leave
TENSORS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
           "kernel": "weight", "bias": "bias"}  # fmt: skip
NAME = re.compile(rf"(conv2d|dense|batch_normalization)(?:_(\d+))?/({'|'.join(TENSORS)})")


class FrontEnd(nn.Module):
    """Waveforms (b, samples) at 16 kHz to log-mels (b, frames, 96); no frame reaches over the ends."""

    def __init__(self):
        super().__init__()
        banks = melscale_fbanks(FFT // 2 + 1, 0.0, RATE / 2, MELS, RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("banks", banks)  # (257, 96)
        self.register_buffer("window", torch.hann_window(FFT))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, FFT, HOP, window=self.window, center=False, return_complex=True)
        mels = spectrum.abs().square().transpose(1, 2) @ self.banks
        rounded = mels.half().float()  # as the clips were stored for training
        return (10_000 * rounded + 1).log10()


class Network(nn.Module):
    """Log-mels (b, t, 96) to the maximum and the mean over time of 753 maps. Layers are numbered as in the checkpoint.

    Each convolution is followed by a ReLU and only then by its batch normalisation.
    """

    def __init__(self):
        super().__init__()
        front = [nn.Conv2d(1, filters, kernel) for filters, kernel in TIMBRE + RHYTHM]
        middle = [nn.Conv1d(inputs, MIDDLE, 7, padding=3) for inputs in (FRONT, MIDDLE, MIDDLE)]
        self.conv2d = nn.ModuleList(front + middle)
        norms = [nn.BatchNorm2d(1, eps=1e-3)]
        norms += [nn.BatchNorm2d(conv.out_channels, eps=1e-3) for conv in front]
        norms += [nn.BatchNorm1d(d, eps=1e-3) for d in (MIDDLE, MIDDLE, MIDDLE, 2 * MAPS, 200)]
        self.batch_normalization = nn.ModuleList(norms)
        # The second is the classifier of tags: loaded, so that the file is checked whole; not used for embeddings.
        self.dense = nn.ModuleList([nn.Linear(2 * MAPS, 200), nn.Linear(200, 50)])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.batch_normalization[0](x[:, None])  # (b, 1, t, 96)
        maps = [torch.cat([self._front(i, x) for i in range(5)], dim=1)]  # (b, 561, t)
        for i in range(5, 8):
            y = self.batch_normalization[i + 1](self.conv2d[i](maps[-1]).relu_())  # (b, 64, t)
            maps.append(y if i == 5 else y + maps[-1])
        maps = torch.cat(maps, dim=1)  # (b, 753, t)
        return maps.amax(2), maps.mean(2)

    def _front(self, i: int, x: torch.Tensor) -> torch.Tensor:
        """Return the maps (b, filters, t) of one of the five convolutions over the log-mels: each band's maximum."""
        k = self.conv2d[i].kernel_size[0]
        padded = nn.functional.pad(x, (0, 0, (k - 1) // 2, k // 2))  # TensorFlow's "same"
        return self.batch_normalization[i + 1](self.conv2d[i](padded).relu_()).amax(3)

    def penultimate(self, largest: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Return the layer before the tags (b, 200) of what ``forward`` returns."""
        pools = torch.stack([largest, mean], dim=2).flatten(1)  # interleaved: a map's maximum, then its mean
        return self.batch_normalization[10](self.dense[0](self.batch_normalization[9](pools)).relu_())


@dataclass(eq=False)
class MusiCNN:
    """Waveforms (b, samples) at 16 kHz to embeddings (b, 1506), or (b, 200).

    The mean over windows of 3 s every 1.5 s; what is left over at the end is not heard. A shorter clip is repeated.
    """

    layer: Literal["pools", "penultimate"] = "pools"  # maximum and mean of 753 maps, or the 200 numbers after them
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = RATE
    input = "waveform"
    hears: ClassVar[tuple[str, ...]] = ("music",)
    training: ClassVar[str] = "pretrained on labels"
    licence: ClassVar[str] = LICENCE
    by_default: ClassVar[bool] = True
    on_kind: ClassVar[bool] = True
    members: ClassVar[list[Member]] = CHECKPOINT

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return 2 * MAPS if self.layer == "pools" else 200

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or damaged.
        """
        validate(self)
        index, data = find(self.members, "musicnn")
        with torch.device("meta"):
            network = Network()
        published.load(network, _state(index, data), index)
        self.network_ = network.eval().to(self.device)
        self.front_end_ = FrontEnd().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, dim) float32 of waveforms (b, samples).

        ``signal`` (b,) is how many of the samples hold signal, at least one; None: all.
        """
        return embed_signal(self._embed, np.asarray(x, dtype=np.float32), signal, "ignore")

    def _embed(self, x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self._mean(torch.from_numpy(x).to(self.device)).cpu().numpy()

    def _mean(self, wave: torch.Tensor) -> torch.Tensor:
        """Return the mean over the windows of waveforms (m, samples), (m, dim)."""
        return mean(_windows(wave), BLOCK, self._vectors)

    def _vectors(self, windows: torch.Tensor) -> torch.Tensor:
        """Return the vectors (b, dim) of windows (b, samples)."""
        pools = self.network_(self.front_end_(windows))
        return torch.cat(pools, dim=1) if self.layer == "pools" else self.network_.penultimate(*pools)


def _windows(wave: torch.Tensor) -> torch.Tensor:
    """Return the samples (m, windows, SPAN) that each window of clips (m, samples) hears, a view."""
    if wave.shape[1] < SHORTEST:
        wave = wave.repeat(1, -(-SHORTEST // wave.shape[1]))[:, :SHORTEST]
    padded = nn.functional.pad(wave, (FFT // 2, FFT // 2))  # frames are centred on multiples of the hop
    return padded.unfold(1, SPAN, STEP * HOP)


def _state(index: Path, data: Path) -> dict[str, torch.Tensor]:
    """Return the checkpoint's tensors but for Adam's, as the network names them: conv2d_3/kernel is conv2d.3.weight."""
    state = {}
    for name, value in tensors(index, data).items():
        if found := NAME.fullmatch(name):
            layer, number, tensor = found[1], int(found[2] or 0), TENSORS[found[3]]
            state[f"{layer}.{number}.{tensor}"] = torch.tensor(_turned(value, layer, number))
    for norm in range(11):  # PyTorch counts batches, which nothing here reads
        state[f"batch_normalization.{norm}.num_batches_tracked"] = torch.tensor(0)
    return state


def _turned(value: np.ndarray, layer: str, number: int) -> np.ndarray:
    """Return a tensor in PyTorch's order of axes."""
    if value.ndim < 4:
        return value.T
    kernel = value.transpose(3, 2, 0, 1)  # (filters, 1, frames, bands or maps)
    return kernel if number < 5 else kernel[:, 0].transpose(0, 2, 1)
