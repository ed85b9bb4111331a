"""Clips as a cell's encoders hear them: by the front end, the statistics and the weights of the fit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audioclust import registry
from audioclust.clips.logmel import FrontEnd
from audioclust.devices import pick_device
from audioclust.results import files
from audioclust.results.embeddings import EMBEDDING
from audioclust.runs.embed import Embed
from audioclust.runs.logmel import compute
from audioclust.views.clips import Clips, load

SECONDS = "clip_seconds"  # what a front end is said to have besides its parameters


@dataclass
class Encoder:
    """An encoder: its name and parameters, and of one that was trained here the folder with its weights."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def input(self) -> str:
        return "logmel" if self.folder else registry.get("encoders", self.name).input

    def check(self) -> None:
        """Check that it hears sounds.

        Raises:
            ValueError: it reads texts.
        """
        if self.input == "text":
            raise ValueError(
                f"the encoder {self.name} reads texts, of which other recordings have none: choose a cell of an "
                f"encoder that hears"
            )


class Heard(NamedTuple):
    """What is heard of some clips: the embedding by each encoder (m, d) float32, and log-mels where they are needed."""

    embeddings: list[np.ndarray]
    logmels: Clips | None


@dataclass
class Hearing:
    """How clips become embeddings.

    Args:
        encoders: those of a cell, in its order.
        embed: how frozen ones run.
        stats: what stage ``logmel`` found of the fitted clips: "mean", "std" and "front_end".
        logmels: whether a method reads log-mels.
    """

    encoders: list[Encoder]
    embed: Embed
    stats: dict[str, Any]
    logmels: bool = False

    def __call__(self, audio: np.ndarray, rate: int, durations: np.ndarray, folder: Path) -> Heard:
        """Return what is heard of clips.

        Args:
            audio: (m, samples) int16, as long as the fitted ones.
            rate: of them, Hz.
            durations: (m,) seconds of signal in each.
            folder: where arrays may lie, as long as what is returned is in use.

        Raises:
            ValueError: log-mels of another front end than an encoder was trained on.
            RuntimeError: weights are absent and unreachable, or an embedding is not finite.
        """
        files.write_array(folder / "audio.npy", audio)
        clips = None
        if self.logmels or any(encoder.input == "logmel" for encoder in self.encoders):
            self._logmels(audio, rate, durations, folder)
            clips = load(folder, pick_device(self.embed.device))
        return Heard([self._embedded(encoder, rate, durations, folder, clips) for encoder in self.encoders], clips)

    def _logmels(self, audio: np.ndarray, rate: int, durations: np.ndarray, folder: Path) -> None:
        front_end = {name: value for name, value in self.stats["front_end"].items() if name != SECONDS}
        workers = self.embed.workers
        compute(audio, rate, folder / "logmel.npy", FrontEnd(**front_end), durations=durations, workers=workers)

    def _embedded(
        self, encoder: Encoder, rate: int, durations: np.ndarray, folder: Path, clips: Clips | None
    ) -> np.ndarray:
        if encoder.folder:
            kind = registry.get("pretext", encoder.name)
            return kind.load(encoder.folder, pick_device(self.embed.device)).transform(clips)
        source = {"logmel": folder / "logmel.npy", "waveform": folder / "audio.npy"}
        stats = self.stats["mean"], self.stats["std"]
        self.embed.run(encoder.name, encoder.parameters, source, rate, stats, durations, folder / EMBEDDING)
        return np.load(folder / EMBEDDING)
