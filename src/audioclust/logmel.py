"""The log-mel front end, BYOL-A's by default, and its run over all clips.

64 bands of 60-7800 Hz from 1024-point spectra every 10 ms, ``ln(mel + 2**-23)``. The three published front ends of
BYOL-A differ in mel scale and area norm by up to 14 nats a bin; the weights were trained on Slaney's (librosa), so
that is the default. ``torchaudio``'s own default (HTK, no norm) is ``mel_scale="htk"``.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import joblib
import numpy as np
import torch
from pydantic import Field
from torchaudio.transforms import MelSpectrogram
from tqdm import tqdm

from audioclust.threads import one_thread

EPS = float(np.finfo(np.float32).eps)
SHARD = 128  # clips a task; fixed, so that the statistics add up in one order whatever the number of workers


class LogMel(torch.nn.Module):
    """Waveforms (b, samples) to log-mels (b, n_mels, 1 + samples // hop), in nats of power.

    Raises:
        ValueError: ``f_max`` is above half the sample rate, or clips are too short to be reflected at their ends.
    """

    def __init__(
        self,
        sample_rate: Annotated[int, Field(ge=1000)] = 16000,
        n_fft: Annotated[int, Field(ge=16)] = 1024,
        hop: Annotated[int, Field(ge=1)] = 160,
        n_mels: Annotated[int, Field(ge=1)] = 64,
        f_min: Annotated[float, Field(ge=0)] = 60.0,
        f_max: Annotated[float, Field(gt=0)] = 7800.0,
        mel_scale: Literal["slaney", "htk"] = "slaney",
    ):
        super().__init__()
        if not f_min < f_max <= sample_rate / 2:
            raise ValueError(
                f"f_max={f_max} must lie above f_min={f_min} and not above half the sample rate, {sample_rate / 2}"
            )
        self.sample_rate, self.n_fft, self.hop = sample_rate, n_fft, hop
        self.mel = MelSpectrogram(
            sample_rate,
            n_fft,
            hop_length=hop,
            f_min=f_min,
            f_max=f_max,
            n_mels=n_mels,
            power=2.0,
            norm="slaney" if mel_scale == "slaney" else None,
            mel_scale=mel_scale,
        )

    def axes(self) -> dict[str, Any]:
        """Return what a picture's axes need: "hop_seconds" and "mel_hz", the centre of each band in Hz."""
        filters = self.mel.mel_scale.fb.double()  # (n_fft // 2 + 1, n_mels)
        hertz = torch.linspace(0, self.sample_rate / 2, len(filters), dtype=torch.float64)
        centres = hertz @ filters / filters.sum(0).clamp_min(1e-12)
        return {"hop_seconds": self.hop / self.sample_rate, "mel_hz": [round(float(c), 1) for c in centres]}

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        if wave.shape[-1] <= self.n_fft // 2:
            raise ValueError(f"clips of {wave.shape[-1]} samples are too short: more than {self.n_fft // 2} are needed")
        return torch.log(self.mel(wave) + EPS)


def compute(audio: np.ndarray, rate: int, out: Path, *, workers: int = -1, **front_end: Any) -> dict[str, float]:
    """Write the log-mels of all clips to ``out``, (n, n_mels, frames) float16, and return their mean and deviation.

    Args:
        audio: (n, samples) int16, a memory map of ``data/clips/audio.npy``.
        rate: its sample rate in Hz; resampled with soxr where the front end wants another.
        out: the file to write.
        workers: processes; -1 for one a core.
        front_end: arguments of ``LogMel``.

    Returns:
        "mean" and population "std" over all elements, what BYOL-A normalises with.
    """
    transform = LogMel(**front_end)
    first = _shard(audio[:1], rate, transform)
    part = out.with_suffix(".part.npy")
    result = np.lib.format.open_memmap(part, "w+", np.float16, (len(audio), *first.shape[1:]))
    starts = range(0, len(audio), SHARD)
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", inner_max_num_threads=1)
    shards = parallel(joblib.delayed(_shard)(audio[s : s + SHARD], rate, transform) for s in starts)
    total, squares = 0.0, 0.0
    for start, mels in zip(starts, tqdm(shards, total=len(starts), desc="logmel", unit="shard"), strict=True):
        result[start : start + len(mels)] = mels
        values = mels.astype(np.float64)
        total += values.sum()
        squares += (values**2).sum()
    result.flush()
    mean = total / result.size
    os.replace(part, out)
    return {"mean": round(mean, 6), "std": round(float(np.sqrt(max(squares / result.size - mean**2, 0.0))), 6)}


def _shard(audio: np.ndarray, rate: int, transform: LogMel) -> np.ndarray:
    wave = np.asarray(audio, dtype=np.float32) / 32768.0
    if rate != transform.sample_rate:
        import soxr

        wave = np.stack([soxr.resample(row, rate, transform.sample_rate, quality="HQ") for row in wave])
    with one_thread(), torch.inference_mode():
        # Clip by clip: at one thread a clip's spectra stay in the cache, a batch's do not.
        return np.stack([transform(torch.from_numpy(row[None]))[0].numpy() for row in wave]).astype(np.float16)
