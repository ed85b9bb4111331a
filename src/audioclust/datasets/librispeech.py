"""LibriSpeech: read English speech, 16 kHz FLAC, one utterance a file, ``{reader}-{chapter}-{utterance}.flac``.

Any subset, or a folder above several; the readers' sex is taken from ``SPEAKERS.TXT`` where it lies in the folder or
up to three above it.
"""

from pathlib import Path
from typing import Literal

import pandas as pd

from audioclust import download as web
from audioclust.datasets import _layout

URL = "https://www.openslr.org/resources/12/{subset}.tar.gz"
CHECKSUMS = {
    "dev-clean": "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "test-clean": "sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "train-clean-100": "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "sha256:146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
}
LICENSE = "CC BY 4.0"
CITATION = "V. Panayotov et al., Librispeech: an ASR corpus based on public domain audio books, ICASSP 2015"
LABELS = ("speaker", "sex")


def recordings(root: Path) -> pd.DataFrame:
    """Return path, group (the chapter), speaker and sex ("M", "F") of every utterance.

    Raises:
        FileNotFoundError: no file below ``root`` is named as LibriSpeech names them.
    """
    sexes = _sexes(root)
    rows = []
    for path in root.rglob("*-*-*.flac"):
        speaker, chapter, _ = path.stem.split("-", 2)
        rows.append(
            {
                "path": _layout.relative(path, root),
                "group": f"{speaker}-{chapter}",
                "speaker": speaker,
                "sex": sexes.get(speaker, ""),
            }
        )
    if not rows:
        raise FileNotFoundError(
            f"librispeech: no {{reader}}-{{chapter}}-{{utterance}}.flac below {root}; set data.root to the corpus' folder, "
            "or to an empty one to fetch it into"
        )
    return _layout.table(rows, LABELS)


def download(
    root: Path, *, subset: Literal["dev-clean", "test-clean", "train-clean-100", "train-clean-360"] = "test-clean"
) -> None:
    """Fetch and unpack one subset below ``root``."""
    web.fetch_and_unpack(URL.format(subset=subset), CHECKSUMS[subset], root / f"{subset}.tar.gz", root, None)


def _sexes(root: Path) -> dict[str, str]:
    for folder in [root, root / "LibriSpeech", *list(root.resolve().parents)[:3]]:
        if (file := folder / "SPEAKERS.TXT").is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            cells = [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith(";")]
            return {row[0]: row[1] for row in cells if len(row) > 1}
    return {}
