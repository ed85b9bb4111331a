"""The log-mel front end, BYOL-A's by default.

64 bands of 60-7800 Hz from 1024-point spectra every 10 ms, ``ln(mel + 2**-23)``. The three published front ends of
BYOL-A differ in mel scale and area norm by up to 14 nats per bin; the weights were trained on Slaney's (librosa), so
that is the default. ``torchaudio``'s own default (HTK, no norm) is ``mel_scale="htk"``.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torchaudio.transforms import MelSpectrogram

from audioclust.parameters import Count, NonNegative, Positive, validate

EPS = float(np.finfo(np.float32).eps)  # added to every band, so that silence has a logarithm


@dataclass(frozen=True)
class FrontEnd:
    """The parameters of ``LogMel``."""

    sample_rate: Annotated[int, Field(ge=1000)] = 16000  # Hz
    n_fft: Annotated[int, Field(ge=16)] = 1024  # samples per spectrum
    hop: Count = 160  # samples from one spectrum to the next
    n_mels: Count = 64  # bands
    f_min: NonNegative = 60.0  # Hz, where the lowest band starts
    f_max: Positive = 7800.0  # Hz, where the highest band ends
    mel_scale: Literal["slaney", "htk"] = "slaney"  # slaney: bands of equal area; htk: of equal height

    def check(self) -> None:
        """Check the parameters, each for itself and the band limits against the sample rate.

        Raises:
            ValueError: a value out of range, or ``f_min < f_max <= sample_rate / 2`` does not hold.
        """
        validate(self)
        if not self.f_min < self.f_max <= self.sample_rate / 2:
            raise ValueError(
                f"f_max={self.f_max} must lie above f_min={self.f_min} and not above half the sample rate, "
                f"{self.sample_rate / 2}"
            )

    def axes(self) -> dict[str, Any]:
        """Return what a picture's axes need: "hop_seconds" and "mel_hz", the centre of each band in Hz."""
        filters = LogMel(self).mel.mel_scale.fb.double()  # (n_fft // 2 + 1, n_mels)
        hertz = torch.linspace(0, self.sample_rate / 2, len(filters), dtype=torch.float64)
        centres = hertz @ filters / filters.sum(0).clamp_min(1e-12)
        return {"hop_seconds": self.hop / self.sample_rate, "mel_hz": [round(float(c), 1) for c in centres]}


class LogMel(torch.nn.Module):
    """Waveforms (b, samples) to log-mels (b, n_mels, 1 + samples // hop), in nats of power.

    Raises:
        ValueError: parameters out of range, or clips too short to be reflected at their ends.
    """

    def __init__(self, front_end: FrontEnd):
        super().__init__()
        front_end.check()
        self.sample_rate, self.n_fft = front_end.sample_rate, front_end.n_fft
        self.mel = MelSpectrogram(
            front_end.sample_rate,
            front_end.n_fft,
            hop_length=front_end.hop,
            f_min=front_end.f_min,
            f_max=front_end.f_max,
            n_mels=front_end.n_mels,
            power=2.0,
            norm="slaney" if front_end.mel_scale == "slaney" else None,
            mel_scale=front_end.mel_scale,
        )

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        if wave.shape[-1] <= self.n_fft // 2:
            raise ValueError(f"clips of {wave.shape[-1]} samples are too short: more than {self.n_fft // 2} are needed")
        spectrogram = self.mel.spectrogram
        edges = (self.n_fft // 2, self.n_fft // 2)
        padded = F.pad(wave[:, None], edges, mode="reflect")[:, 0]
        spectrum = torch.fft.rfft(padded.unfold(-1, self.n_fft, spectrogram.hop_length) * spectrogram.window)
        # The square of a complex absolute value would take a root first.
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log((power @ self.mel.mel_scale.fb).transpose(-1, -2) + EPS)
