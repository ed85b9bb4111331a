"""Free Spoken Digit Dataset: ten English digits by six speakers, fifty takes each, 3,000 recordings, 0.1 to 2.3 s.

8 kHz mono WAV, ``recordings/{digit}_{speaker}_{take}.wav``; takes 0-4 are the official test part. General audio
embeddings of it group by speaker, hardly by digit: a hard test for label ``digit``, an easy one for ``speaker``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from audioclust.datasets import _download as web
from audioclust.datasets import _layout
from audioclust.parameters import validate

# Version 1.0.9 lacks the sixth speaker.
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"
CHECKSUM = web.Contents(
    "free-spoken-digit-dataset-1.0.10/recordings", "1801eae019c063377d98f831d3f93574f259475df7332bb0e3d1b080fb5e6959"
)
SIZE = 21_000_000
LICENSE = "CC BY-SA 4.0"
CITATION = "Z. Jackson et al., Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset"
LABELS = ("digit", "speaker")
FOLDERS = ("free-spoken-digit-dataset-1.0.10", "free-spoken-digit-dataset", "fsdd")
NAME = re.compile(r"(\d)_([^_]+)_(\d+)")
TEST_TAKES = 5


@dataclass
class FSDD:
    """``root`` is the corpus' folder, or one that holds it."""

    split: Literal["all", "train", "test"] = "all"  # the official parts, by the number of the take

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group (the speaker), digit and speaker of every recording."""
        validate(self)
        folder = _layout.find(root, "recordings", FOLDERS, "fsdd")
        found = [(path, name) for path in folder.glob("recordings/*.wav") if (name := NAME.fullmatch(path.stem))]
        if not found:
            raise FileNotFoundError(
                f"fsdd: no {{digit}}_{{speaker}}_{{take}}.wav in {folder / 'recordings'}; set data.root to the corpus' "
                "folder, or to an empty one to fetch it into"
            )
        rows = [
            {"path": _layout.relative(path, root), "group": name[2], "digit": name[1], "speaker": name[2]}
            for path, name in found
            if self.split == "all" or (int(name[3]) < TEST_TAKES) == (self.split == "test")
        ]
        return _layout.table(rows, LABELS)

    def download(self, root: Path) -> None:
        """Fetch the recordings and unpack them below ``root``."""
        web.fetch_and_unpack(URL, CHECKSUM, root / "fsdd.tar.gz", root, SIZE)
