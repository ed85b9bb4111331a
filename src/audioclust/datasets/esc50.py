"""ESC-50: 2,000 environmental recordings of 5 s in 50 classes, 44.1 kHz mono, five folds grouped by source.

The classes come in five major groups of ten (animals, nature, human, domestic, urban), in the order of their numbers.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from audioclust.datasets import _download as web
from audioclust.datasets import _layout
from audioclust.parameters import validate

URL = "https://github.com/karoldvl/ESC-50/archive/master.zip"
CHECKSUM = "md5:7771e4b9d86d0945acce719c7a59305a"
SIZE = 646_000_000
LICENSE = "CC BY-NC 3.0 (ESC-10: CC BY)"
CITATION = "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015"
LABELS = ("category", "major")
FOLDERS = ("ESC-50-master", "ESC-50")
MAJOR = ("animals", "nature", "human", "domestic", "urban")


@dataclass
class ESC50:
    """``root`` is the corpus' folder, or one that holds ``ESC-50-master``."""

    esc10: bool = False  # take only the subset of ten classes

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group (the fold), category and major group of every recording."""
        validate(self)
        folder = _layout.find(root, "meta/esc50.csv", FOLDERS, "esc50")
        rows = [
            {
                "path": _layout.relative(folder / "audio" / row.filename, root),
                "group": f"fold{row.fold}",
                "category": row.category,
                "major": MAJOR[int(row.target) // 10],
            }
            for row in pd.read_csv(folder / "meta/esc50.csv").itertuples()
            if not self.esc10 or str(row.esc10) == "True"
        ]
        return _layout.table(rows, LABELS)

    def download(self, root: Path) -> None:
        """Fetch and unpack the corpus below ``root``."""
        web.fetch_and_unpack(URL, CHECKSUM, root / "ESC-50.zip", root, SIZE)
