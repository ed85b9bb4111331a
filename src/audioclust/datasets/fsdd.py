"""Free Spoken Digit Dataset: ten English digits by six speakers, fifty takes each, 3,000 recordings of 0.1 to 2.3 s.

8 kHz mono WAV, ``recordings/{digit}_{speaker}_{take}.wav``; takes 0-4 are the official test part. General audio
embeddings of it group by speaker, hardly by digit: a hard test for label ``digit``, an easy one for ``speaker``.
"""

from pathlib import Path
from typing import Literal

import pandas as pd

from audioclust import download as web
from audioclust.datasets import _layout

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.9.tar.gz"
CHECKSUM = None  # an archive that GitHub packs when it is asked for: its bytes are not promised
SIZE = 21_000_000
LICENSE = "CC BY-SA 4.0"
CITATION = "Z. Jackson et al., Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset"
LABELS = ("digit", "speaker")
FOLDERS = ("free-spoken-digit-dataset-1.0.9", "free-spoken-digit-dataset", "fsdd")


def recordings(root: Path, *, split: Literal["all", "train", "test"] = "all") -> pd.DataFrame:
    """Return path, group (the speaker), digit and speaker of every recording.

    Raises:
        FileNotFoundError: ``root`` holds no such corpus.
    """
    folder = _layout.find(root, "recordings", FOLDERS, "fsdd")
    rows = []
    for path in folder.glob("recordings/*_*_*.wav"):
        digit, speaker, take = path.stem.split("_")
        if split == "all" or (int(take) < 5) == (split == "test"):
            rows.append({"path": _layout.relative(path, root), "group": speaker, "digit": digit, "speaker": speaker})
    if not rows:
        raise FileNotFoundError(f"fsdd: no {{digit}}_{{speaker}}_{{take}}.wav in {folder / 'recordings'}")
    return _layout.table(rows, LABELS)


def download(root: Path) -> None:
    """Fetch and unpack the corpus below ``root``."""
    web.fetch_and_unpack(URL, CHECKSUM, root / "fsdd.tar.gz", root, SIZE)
