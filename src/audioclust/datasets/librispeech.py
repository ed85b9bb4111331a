"""LibriSpeech: about 1,000 hours of read English by 2,484 readers, 16 kHz mono FLAC, one utterance per file.

``LibriSpeech/{subset}/{reader}/{chapter}/{reader}-{chapter}-{utterance}.flac``; the names alone are read, so a subset's
folder, a flat one and one above several do as well. The readers' sex is taken from ``SPEAKERS.TXT`` where it lies in
the folder or up to three above it. No reader is in two subsets. The text of an utterance is its line in the chapter's
``{reader}-{chapter}.trans.txt``, where that lies in the folder, without the number, which names the reader.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from audioclust.datasets import _download as web
from audioclust.datasets import _layout
from audioclust.parameters import validate

URL = "https://www.openslr.org/resources/12/{subset}.tar.gz"
CHECKSUMS = {
    "dev-clean": "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "sha256:12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "sha256:d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "sha256:ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
}
SIZES = {  # bytes, rounded down: 6.3 GB for 100 hours
    "dev-clean": 330_000_000,
    "dev-other": 310_000_000,
    "test-clean": 340_000_000,
    "test-other": 320_000_000,
    "train-clean-100": 6_300_000_000,
    "train-clean-360": 23_000_000_000,
    "train-other-500": 30_000_000_000,
}
LICENSE = "CC BY 4.0"
CITATION = "V. Panayotov et al., Librispeech: an ASR corpus based on public domain audio books, ICASSP 2015"
LABELS = ("speaker", "sex")
FOLDERS = ("LibriSpeech",)
NAME = re.compile(r"(\d+)-(\d+)-\d+")
FETCHED = ("test-clean",)  # where nothing is there and no subset is asked for

Subset = Literal[
    "dev-clean", "dev-other", "test-clean", "test-other", "train-clean-100", "train-clean-360", "train-other-500"
]
Subsets = Annotated[list[Subset], Field(min_length=1)] | None


@dataclass
class LibriSpeech:
    """``root`` is a subset's folder, or one above it."""

    subsets: Subsets = None  # those to take; None: all that lie below ``root``

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group ("{reader}-{chapter}"), speaker, sex ("M", "F", "" unknown) and text of each utterance."""
        validate(self)
        folders = [root] if self.subsets is None else [_subset(root, name) for name in sorted(set(self.subsets))]
        sexes, texts = _sexes(root), _texts(folders)
        rows = []
        for path in (path for folder in folders for path in folder.rglob("*.flac")):
            if name := NAME.fullmatch(path.stem):
                speaker, chapter = name.groups()
                row = {"path": _layout.relative(path, root), "group": f"{speaker}-{chapter}"}
                row |= {"speaker": speaker, "sex": sexes.get(speaker, ""), _layout.TEXT: texts.get(path.stem, "")}
                rows.append(row)
        if not rows:
            raise FileNotFoundError(
                f"librispeech: no {{reader}}-{{chapter}}-{{utterance}}.flac below {root}; set data.root to the corpus' "
                "folder, or to an empty one to fetch it into"
            )
        return _layout.table(rows, LABELS)

    @property
    def cached(self) -> str:
        """The name of its folder in the cache: without ``subsets`` one of its own, as all that lies there is taken."""
        return "librispeech" if self.subsets else f"librispeech-{'-'.join(FETCHED)}"

    def download(self, root: Path) -> None:
        """Fetch and unpack the subsets, by default test-clean, below ``root``; those that are there are kept."""
        validate(self)
        for name in self.subsets or FETCHED:
            web.fetch_and_unpack(URL.format(subset=name), CHECKSUMS[name], root / f"{name}.tar.gz", root, SIZES[name])


def _subset(root: Path, name: str) -> Path:
    """Return the folder of one subset: below ``root``, below its ``LibriSpeech``, or ``root`` itself."""
    if root.resolve().name == name:
        return root
    return _layout.find(root, name, FOLDERS, "librispeech") / name


def _texts(folders: list[Path]) -> dict[str, str]:
    """Return utterance -> text by the lines ``{reader}-{chapter}-{utterance} TEXT``."""
    found = {}
    for file in (file for folder in folders for file in folder.rglob("*.trans.txt")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        found |= dict(line.partition(" ")[::2] for line in lines)
    return found


def _sexes(root: Path) -> dict[str, str]:
    """Return reader -> "M" or "F" by the table ``ID | SEX | SUBSET | MINUTES | NAME``; ";" begins a comment."""
    for folder in [root, root / "LibriSpeech", *list(root.resolve().parents)[:3]]:
        if (file := folder / "SPEAKERS.TXT").is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            cells = [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith(";")]
            return {row[0]: row[1] for row in cells if len(row) > 1}
    return {}
