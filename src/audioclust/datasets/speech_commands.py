"""Speech Commands: single words by thousands of speakers, 16 kHz, at most 1 s, ``{word}/{speaker}_nohash_{take}.wav``.

Version 1 has 64,721 clips of 30 words, version 2 105,829 of 35. ``_background_noise_`` holds no words and is skipped.
"""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from audioclust import download as web
from audioclust.datasets import _layout

URL = "http://download.tensorflow.org/data/speech_commands_v0.0{version}.tar.gz"
CHECKSUMS = {
    1: "sha256:743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
    2: "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
}
SIZE = 2_400_000_000
LICENSE = "CC BY 4.0"
CITATION = "P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018"
LABELS = ("word", "speaker")


def recordings(
    root: Path, *, version: Literal[1, 2] = 2, words: Annotated[list[str], Field(min_length=1)] | None = None
) -> pd.DataFrame:
    """Return path, group (the speaker), word and speaker of every clip.

    Args:
        root: the corpus' folder, or one that holds ``speech_commands_v0.0{version}``.
        version: of the corpus; a ``root`` that is the corpus' folder itself is taken as it is.
        words: those to take; by default all.

    Raises:
        FileNotFoundError: ``root`` holds no such corpus.
        ValueError: one of ``words`` is not in it.
    """
    folder = _layout.find(root, "testing_list.txt", (f"speech_commands_v0.0{version}",), "speech_commands")
    known = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", ".")))
    unknown = sorted(set(words or ()) - set(known))
    if unknown:
        raise ValueError(f"speech_commands.words: {unknown[0]!r} is not in {folder}; it has {', '.join(known)}")
    rows = [
        {
            "path": _layout.relative(path, root),
            "group": path.stem.split("_")[0],
            "word": word,
            "speaker": path.stem.split("_")[0],
        }
        for word in sorted(set(words or known))
        for path in (folder / word).glob("*.wav")
    ]
    return _layout.table(rows, LABELS)


def download(root: Path, *, version: Literal[1, 2] = 2) -> None:
    """Fetch and unpack one version into a folder below ``root``: its archive has none of its own."""
    name = f"speech_commands_v0.0{version}"
    web.fetch_and_unpack(URL.format(version=version), CHECKSUMS[version], root / f"{name}.tar.gz", root / name, SIZE)
