"""Resemblyzer (Resemble AI, 2019): who speaks, by the GE2E loss (Wan et al., ICASSP 2018, arXiv 1710.10467).

The weights are those in the wheel Resemblyzer; front end, windows and pooling are the package's, except that silence is
not cut out (that needs webrtcvad; on two clips the cosine between cut and uncut was 0.95 to 0.99).

Not certain: the training data. The author names LibriSpeech, VoxCeleb1 and VoxCeleb2 (8,371 speakers) for a sister
model. Readers of LibriSpeech's test parts are then new to it, the corpus is not. The wheel is Apache-2.0 as a whole and
says nothing of the weights apart.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

from audioclust.encoders import _weights as published
from audioclust.encoders import _wheels
from audioclust.encoders._padding import embed_signal
from audioclust.parameters import validate

WHEEL = _wheels.Wheel(
    "Resemblyzer",
    "0.1.4",
    "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
    15_747_704,
    "Apache-2.0",
)
LOUD = 10 ** (-30 / 20)  # root mean square that quieter clips are raised to, -30 dBFS
FFT, HOP = 400, 160  # samples
FRAMES, STEP = 160, 77  # a window of 1.6 s, 1.3 a second
COVERED = FRAMES * HOP * 3 // 4  # samples of signal that every window but the first needs
BLOCK = 16  # windows at a time, so that long clips take little memory


class FrontEnd(nn.Module):
    """Waveforms (b, samples) at 16 kHz to the power of mel bands, (b, 1 + (samples - 400) // 160, 40)."""

    def __init__(self):
        super().__init__()
        banks = melscale_fbanks(FFT // 2 + 1, 0.0, 8000.0, 40, 16000, norm="slaney", mel_scale="slaney")
        self.register_buffer("banks", banks)  # (201, 40)
        self.register_buffer("window", torch.hann_window(FFT))

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, FFT, HOP, FFT, self.window, center=False, return_complex=True)
        return spectrum.abs().square().transpose(1, 2) @ self.banks


class Network(nn.Module):
    """Mel windows (b, 160, 40) to unit vectors (b, 256) without negative numbers; a row may be all zeros."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(x)
        return nn.functional.normalize(self.linear(hidden[-1]).relu(), dim=1)


@dataclass(eq=False)
class Resemblyzer:
    """Waveforms (b, samples) at 16 kHz to unit vectors (b, 256): the mean over windows of 1.6 s, of length 1 again."""

    _: KW_ONLY
    device: str = "cpu"
    random_state: int = 0  # without effect

    sample_rate = 16000
    input = "waveform"
    dim = 256
    together = 16
    brief = COVERED + STEP * HOP - 1  # samples of signal of which there is one window
    hears: ClassVar[tuple[str, ...]] = ("voices",)
    training: ClassVar[str] = "pretrained on labels"
    licence: ClassVar[str] = "Apache-2.0 (Resemble AI)"
    by_default: ClassVar[bool] = True
    members: ClassVar[list[_wheels.Member]] = [
        _wheels.Member(
            WHEEL,
            "resemblyzer/pretrained.pt",
            "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        )
    ]

    def prepare(self) -> None:
        """Build the network and load its weights.

        Raises:
            RuntimeError: the weights are absent and unreachable, or damaged.
        """
        validate(self)
        (file,) = _wheels.find(self.members, "resemblyzer")
        state = published.read(file)["model_state"]
        with torch.device("meta"):
            network = Network()
        # The two others scale similarities in the loss.
        published.load(network, {k: v for k, v in state.items() if not k.startswith("similarity_")}, file)
        self.use(network)

    def use(self, network: Network) -> None:
        """Embed with ``network``."""
        self.network_ = network.eval().to(self.device)
        self.front_end_ = FrontEnd().to(self.device)

    def __call__(self, x: np.ndarray, signal: np.ndarray | None = None) -> np.ndarray:
        """Return (b, 256) float32 of waveforms (b, samples) in -1..1.

        ``signal`` (b,) is how many of the samples hold signal; None: all. A clip without any is silence.
        """
        lengths = np.full(len(x), x.shape[1]) if signal is None else np.clip(signal, 0, x.shape[1])
        needed = samples(windows(lengths))
        # Clips of as many windows are computed together, whatever their lengths.
        return embed_signal(self._embed, levelled(x, lengths, needed.max()), needed, "ignore")

    def _embed(self, wave: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows = self._rows(torch.from_numpy(wave))
            return nn.functional.normalize(rows.mean(1), dim=1).cpu().numpy()

    def _rows(self, wave: torch.Tensor) -> torch.Tensor:
        """Return the unit vectors (b, w, 256) of all windows of prepared waveforms (b, ``samples(w)``)."""
        starts = range(0, wave.shape[1] - samples(1) + 1, BLOCK * STEP * HOP)
        blocks = (wave[:, s : s + samples(BLOCK)].to(self.device) for s in starts)
        return torch.cat([self._block(block) for block in blocks], dim=1)

    def _block(self, wave: torch.Tensor) -> torch.Tensor:
        mels = self.front_end_(wave).unfold(1, FRAMES, STEP).transpose(2, 3)  # (b, w, 160, 40)
        return self.network_(mels.flatten(0, 1)).unflatten(0, mels.shape[:2])


def windows(lengths: np.ndarray) -> np.ndarray:
    """Return how many windows so many samples of signal have: those with 75 % of signal, at least 1."""
    return np.maximum((lengths - COVERED) // (STEP * HOP) + 1, 1)


def samples(count: np.ndarray | int) -> np.ndarray | int:
    """Return how many samples the frames of so many windows see."""
    return ((count - 1) * STEP + FRAMES - 1) * HOP + FFT


def levelled(x: np.ndarray, lengths: np.ndarray, longest: int) -> np.ndarray:
    """Return the signal of waveforms (b, samples), not quieter than -30 dBFS, as (b, longest) float32.

    Frames are centred, so half a frame of zeros stands before the signal; zeros follow it.
    """
    found = np.zeros((len(x), longest), np.float32)
    for row, wave, n in zip(found, x, lengths, strict=True):
        loud = np.sqrt(np.mean(np.square(wave[:n], dtype=np.float64))) if n else 0.0
        gain = max(LOUD / loud, 1.0) if loud > 0 else 1.0
        kept = min(n, longest - FFT // 2)
        row[FFT // 2 : FFT // 2 + kept] = wave[:kept] * gain
    return found
