"""UrbanSound8K: 8,732 recordings of up to 4 s in ten classes of urban sound; rates, depths and channels vary."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from audioclust.datasets import _download as web
from audioclust.datasets import _layout

URL = "https://zenodo.org/record/1203745/files/UrbanSound8K.tar.gz"
CHECKSUM = "md5:9aa69802bbf37fb986f71ec1483a196e"
SIZE = 6_000_000_000
LICENSE = "CC BY-NC 3.0"
CITATION = "J. Salamon et al., A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia 2014"
LABELS = ("class",)
FOLDERS = ("UrbanSound8K",)


@dataclass
class UrbanSound8K:
    """``root`` is the corpus' folder, or one that holds ``UrbanSound8K``."""

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group (the Freesound recording that a clip was cut from) and class."""
        folder = _layout.find(root, "metadata/UrbanSound8K.csv", FOLDERS, "urbansound8k")
        rows = [
            {
                "path": _layout.relative(folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"], root),
                "group": str(row["fsID"]),
                "class": row["class"],
            }
            for row in pd.read_csv(folder / "metadata/UrbanSound8K.csv").to_dict("records")
        ]
        return _layout.table(rows, LABELS)

    def download(self, root: Path) -> None:
        """Fetch and unpack the corpus below ``root``."""
        web.fetch_and_unpack(URL, CHECKSUM, root / "UrbanSound8K.tar.gz", root, SIZE)
