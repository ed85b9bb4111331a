"""Speech Commands: single words by thousands of speakers, 16 kHz, at most 1 s, ``{word}/{speaker}_nohash_{take}.wav``.

Version 1 has 64,721 clips of 30 words, version 2 105,829 of 35. ``_background_noise_`` holds no words and is skipped.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from audioclust.datasets import _download as web
from audioclust.datasets import _layout
from audioclust.parameters import validate

URL = "http://download.tensorflow.org/data/speech_commands_v0.0{version}.tar.gz"
CHECKSUMS = {
    1: "sha256:743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    2: "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
}
SIZE = 2_400_000_000
LICENSE = "CC BY 4.0"
CITATION = "P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018"
LABELS = ("word", "speaker")
FOLDERS = tuple(f"speech_commands_v0.0{version}" for version in CHECKSUMS)


@dataclass
class SpeechCommands:
    """``root`` is the corpus' folder, of whatever version, or one that holds ``speech_commands_v0.0{version}``."""

    version: Literal[1, 2] = 2
    words: Annotated[list[str], Field(min_length=1)] | None = None  # those to take; None: all

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group (the speaker), word and speaker of every clip."""
        validate(self)
        folder = _layout.find(root, "testing_list.txt", (f"speech_commands_v0.0{self.version}",), "speech_commands")
        rows = []
        for word in self._words(folder):
            for path in (folder / word).glob("*.wav"):
                speaker = path.stem.split("_")[0]
                row = {"path": _layout.relative(path, root), "group": speaker}
                rows.append(row | {"word": word, "speaker": speaker})
        return _layout.table(rows, LABELS)

    def _words(self, folder: Path) -> list[str]:
        known = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))
        unknown = sorted(set(self.words or ()) - set(known))
        if unknown:
            raise ValueError(f"speech_commands.words: {unknown[0]!r} is not in {folder}; it has {', '.join(known)}")
        return sorted(set(self.words or known))

    def download(self, root: Path) -> None:
        """Fetch and unpack one version into a folder below ``root``: its archive has none of its own."""
        validate(self)
        name, url = f"speech_commands_v0.0{self.version}", URL.format(version=self.version)
        web.fetch_and_unpack(url, CHECKSUMS[self.version], root / f"{name}.tar.gz", root / name, SIZE)
