"""ESC-50: 2,000 environmental recordings of 5 s in 50 classes, 44.1 kHz mono, five folds grouped by source.

The classes come in five major groups of ten (animals, nature, human, domestic, urban), in the order of their numbers.
"""

from pathlib import Path

import pandas as pd

from audioclust import download as web
from audioclust.datasets import _layout

URL = "https://github.com/karoldvl/ESC-50/archive/master.zip"
CHECKSUM = "md5:7771e4b9d86d0945acce719c7a59305a"
SIZE = 646_000_000
LICENSE = "CC BY-NC 3.0 (ESC-10: CC BY)"
CITATION = "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015"
LABELS = ("category", "major")
MAJOR = ("animals", "nature", "human", "domestic", "urban")


def recordings(root: Path, *, esc10: bool = False) -> pd.DataFrame:
    """Return path, group (the fold), category and major group of every recording.

    Args:
        root: the corpus' folder, or one that holds ``ESC-50-master``.
        esc10: take only the subset of ten classes.

    Raises:
        FileNotFoundError: ``root`` holds no such corpus.
    """
    folder = _layout.find(root, "meta/esc50.csv", ("ESC-50-master", "ESC-50"), "esc50")
    meta = pd.read_csv(folder / "meta/esc50.csv")
    rows = [
        {
            "path": _layout.relative(folder / "audio" / row.filename, root),
            "group": f"fold{row.fold}",
            "category": row.category,
            "major": MAJOR[int(row.target) // 10],
        }
        for row in meta.itertuples()
        if not esc10 or str(row.esc10) == "True"
    ]
    return _layout.table(rows, LABELS)


def download(root: Path) -> None:
    """Fetch and unpack the corpus below ``root``."""
    web.fetch_and_unpack(URL, CHECKSUM, root / "ESC-50.zip", root, SIZE)
