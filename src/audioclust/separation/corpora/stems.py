"""stems: music whose instruments were recorded, or rendered, apart.

Layouts, in any mixture below ``root``:

- ``{piece}/{instrument}.wav``, as TRIOS (Fritsch 2012) has it; a number after the name does not matter (``violin2``);
- Slakh (Manilow et al. 2019): ``{track}/metadata.yaml`` names the instrument of each ``{track}/stems/{stem}.flac``;
- URMP (Li et al. 2018): ``AuSep_{i}_{instrument}_{nn}_{piece}.wav``.

Several stems of one instrument in a piece are summed. What is none of the wanted instruments is left out.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import yaml
from pydantic import Field

from audioclust.clips.audio import to_int16
from audioclust.datasets._layout import ENDINGS, printable, relative
from audioclust.parameters import Natural, Probability, validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import REJECTED, Corpus

URMP = re.compile(r"AuSep_\d+_([a-z]+)_(\d+_.+)")
CODES = {
    "vn": "violin", "va": "viola", "vc": "cello", "db": "double bass", "fl": "flute", "ob": "oboe", "cl": "clarinet",
    "sax": "saxophone", "bn": "bassoon", "tpt": "trumpet", "hn": "horn", "tbn": "trombone", "tba": "tuba",
}  # fmt: skip

Names = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)]


@dataclass
class Stems:
    """``root`` is the folder of the pieces, or one above it."""

    instruments: Names = field(default_factory=lambda: ["piano", "violin", "cello"])  # wanted
    open_folders: str = "test*"  # pieces in folders of such a name are open; "" for none
    open_share: Probability = 0.25  # of the pieces, drawn where no folder names them; never trained on
    closed_share: Probability = 0.2  # of a training piece, its end, not trained on
    seed: Natural = 0  # of the parts

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Return the corpus: pieces of at least two of the instruments; shorter stems are padded with zeros.

        Raises:
            FileNotFoundError: no such pieces.
            ValueError: none of them can be read; a damaged ``metadata.yaml``.
        """
        validate(self)
        pieces = self._pieces(root)
        paths = sorted({path for stems in pieces.values() for some in stems.values() for path in some})
        found = dict(zip(paths, _files.decoded(paths, rate, workers), strict=True))
        named, kept, rejected = [], [], []
        for path, each in found.items():
            if each["rejected"]:
                rejected.append([printable(relative(path, root)), *each["rejected"]])
        for piece, stems in pieces.items():
            sounds = {name: _summed(some, found) for name, some in sorted(stems.items())}
            usable = {name: x for name, x in sounds.items() if x is not None and x.any()}
            length = max(map(len, usable.values()), default=0)
            if len(usable) < 2 or length < _files.SHORTEST * rate:
                rejected.append([piece, "too few", f"{len(usable)} instruments that sound; a mixture needs 2"])
                continue
            for name, x in usable.items():
                part = "open" if _files.named_open(f"{piece}/", self.open_folders, "") else ""
                kept.append(to_int16(x, length))
                named.append((f"{piece}/{name}", name, "", piece, part))
        table = pd.DataFrame(rejected, columns=REJECTED, dtype=str)
        if not kept:
            raise ValueError(f"stems: none of {len(pieces)} pieces below {root} can be used{_files.first(table)}")
        shares = {"open_share": self.open_share, "closed_share": self.closed_share, "seed": self.seed}
        return _files.assembled(kept, named, rate, table, **shares)

    def _pieces(self, root: Path) -> dict[str, dict[str, list[Path]]]:
        """Return piece -> instrument -> files, of the pieces that have two or more of the instruments."""
        pieces = defaultdict(lambda: defaultdict(list))
        tracks = {path.parent for path in root.rglob("metadata.yaml")}
        for track in sorted(tracks):
            for stem, name in _slakh(track / "metadata.yaml", self.instruments):
                files = [path for path in (track / "stems").glob(f"{stem}.*") if path.suffix.lower() in ENDINGS]
                pieces[printable(relative(track, root))][name] += files
        for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS):
            if path.parent.parent in tracks or path.parent in tracks:
                continue
            urmp = URMP.fullmatch(path.stem)
            name = CODES.get(urmp[1], urmp[1]) if urmp else re.sub(r"[\W\d_]+$", "", path.stem.lower())
            if name in self.instruments:
                pieces[printable(relative(path.parent, root))][name].append(path)
        found = {piece: {**stems} for piece, stems in sorted(pieces.items()) if sum(map(bool, stems.values())) > 1}
        if not found:
            raise FileNotFoundError(
                f"stems: no piece below {root} has two of {', '.join(self.instruments)}; looked for "
                "{piece}/{instrument}.wav, metadata.yaml with stems (Slakh) and AuSep_*.wav (URMP); set data.root to "
                "the folder of the pieces, or stems.instruments to those that there are"
            )
        return found


def _slakh(file: Path, wanted: list[str]) -> list[tuple[str, str]]:
    """Return stem and instrument, of those that are wanted: the MIDI programme's name is asked before its class."""
    try:
        stems = yaml.safe_load(file.read_text(encoding="utf-8"))["stems"]
        named = [
            (stem, f"{each.get('midi_program_name', '')} {each.get('inst_class', '')}") for stem, each in stems.items()
        ]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: no metadata.yaml of Slakh with its stems; remove it or the track") from error
    found = [(str(stem), next((one for one in wanted if one in name.lower().split()), None)) for stem, name in named]
    return [(stem, name) for stem, name in found if name]


def _summed(paths: list[Path], found: dict[Path, dict]) -> np.ndarray | None:
    """Return the sum (n,) of some stems, full scale at 1, float64; None where one of them cannot be read."""
    if any(found[path]["rejected"] for path in paths) or not paths:
        return None
    out = np.zeros(max(len(found[path]["samples"]) for path in paths))
    for path in paths:
        out[: len(found[path]["samples"])] += found[path]["samples"] / 32768
    return out / max(1.0, np.abs(out).max(initial=0))
