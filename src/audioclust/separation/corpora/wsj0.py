"""wsj0: WSJ0 (LDC93S6A, to be bought) with the lists of WSJ0-2mix and WSJ0-3mix (Hershey et al. 2016).

``{lists}/mix_{2,3}_spk_{tr,cv,tt}.txt`` have lines ``wav1 gain1 wav2 gain2 [wav3 gain3]``, paths as
``wsj0/si_tr_s/01t/01to030v.wav`` or without ``wsj0/``; github.com/mpariente/pywsj0-mix has them in ``metadata``. What
tr mixes is trained on, cv is the closed set and tt the open one. Levels are those of ``activlev/*.txt`` beside the
lists (lines ``name level``) where they are there, else measured. Genders are read from ``spkrinfo.txt`` (lines
``01t M ...``) in ``root``, its ``doc`` or ``wsj0/doc``.

The published mixtures are resampled by ``scipy.signal.resample_poly``, these by soxr: their samples differ a little.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from audioclust.parameters import validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixtures import COLUMNS, genders_of

LICENSE = "LDC User Agreement: no redistribution"
CITATION = (
    "J. R. Hershey et al., Deep clustering: discriminative embeddings for segmentation and separation, ICASSP 2016"
)
SETS = {"cv": "closed", "tt": "open", "tr": "train"}  # an utterance in two of them is of the first


@dataclass
class WSJ0:
    """``root`` holds ``si_tr_s``, ``si_dt_05`` and ``si_et_05``, or ``wsj0`` with these."""

    lists: str = "metadata"  # the folder of the lists, relative to ``root``

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Return the corpus with the published mixtures.

        Raises:
            FileNotFoundError: no lists, or recordings that they name are not there as WAV.
            ValueError: a line that is none of a list.
        """
        validate(self)
        mixtures = _mixtures(root / self.lists)
        table = _recordings(mixtures, root, _levels(root / self.lists))
        corpus = _files.corpus(table, root, rate, workers)
        corpus.tests = _published(mixtures, corpus)
        return corpus


def _mixtures(lists: Path) -> list[tuple[str, list[str], list[float]]]:
    """Return set, paths and gains of each line of the lists."""
    found = [(name, path) for name in SETS for path in sorted(lists.glob(f"mix_[23]_spk_{name}.txt"))]
    missing = {"tr", "tt"} - {name for name, _ in found}
    if missing:
        raise FileNotFoundError(
            f"wsj0: no mix_2_spk_{sorted(missing)[0]}.txt in {lists}; set wsj0.lists to the folder of the lists (those "
            "of github.com/mpariente/pywsj0-mix are in its metadata)"
        )
    return [
        (name, *_line(line, path)) for name, path in found for line in path.read_text().splitlines() if line.strip()
    ]


def _line(line: str, path: Path) -> tuple[list[str], list[float]]:
    fields = line.split()
    try:
        if len(fields) not in (4, 6):
            raise ValueError
        return fields[::2], [float(gain) for gain in fields[1::2]]
    except ValueError as error:
        raise ValueError(f"{path}: {line!r} is no line of wav1 gain1 wav2 gain2 [wav3 gain3]") from error


def _recordings(mixtures: list, root: Path, levels: dict[str, float]) -> pd.DataFrame:
    """Return what ``_files.corpus`` wants of every recording that the lists name."""
    parts = {}
    for name, part in SETS.items():
        for path in (path for each, paths, _ in mixtures if each == name for path in paths):
            parts.setdefault(path, part)
    sexes, found, absent = _sexes(root), [], []
    for path, part in sorted(parts.items()):
        below = next((p for p in (path, path.removeprefix("wsj0/"), f"wsj0/{path}") if (root / p).is_file()), None)
        if below is None:
            absent.append(path)
            continue
        pure = PurePosixPath(path)
        speaker = pure.parent.name
        row = {"path": below, "utterance": path, "speaker": speaker, "gender": sexes.get(speaker.lower(), "")}
        found.append(row | {"part": part, "level": levels.get(pure.stem, np.nan)})
    if absent:
        sphere = any((root / p).with_suffix(".wv1").is_file() for path in absent[:1] for p in (path, path[5:]))
        way_out = "convert the *.wv1 files, not *.wv2, with sph2pipe -f wav" if sphere else "set data.root to WSJ0"
        raise FileNotFoundError(
            f"wsj0: {len(absent)} of {len(parts)} recordings are not below {root}, the first is {absent[0]}; {way_out}"
        )
    return pd.DataFrame(found)


def _levels(lists: Path) -> dict[str, float]:
    """Return name -> published level."""
    lines = [line.split() for path in sorted(lists.glob("activlev/*.txt")) for line in path.read_text().splitlines()]
    return {PurePosixPath(line[0]).stem: float(line[1]) for line in lines if len(line) == 2}


def _sexes(root: Path) -> dict[str, str]:
    """Return speaker -> gender by the first ``spkrinfo.txt``; ";" begins a comment."""
    for folder in (root, root / "doc", root / "wsj0/doc"):
        if (file := folder / "spkrinfo.txt").is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            rows = [line.split() for line in lines if not line.startswith(";")]
            rows = [row for row in rows if len(row) > 1]
            return dict(zip([row[0].lower() for row in rows], _files.sexes(row[1] for row in rows), strict=True))
    return {}


def _published(mixtures: list, corpus: Corpus) -> pd.DataFrame:
    """Return the mixtures of cv and tt of which all utterances could be read."""
    known, rows = corpus.utterances.set_index("utterance"), []
    for name, paths, gains in mixtures:
        if name == "tr" or known.index.isin(paths).sum() != len(set(paths)):
            continue
        used = known.loc[paths]
        stems = [f"{PurePosixPath(path).stem}_{gain:g}" for path, gain in zip(paths, gains, strict=True)]
        samples = int(used["length"].min())
        row = ("_".join(stems), SETS[name], len(paths), samples, genders_of(used), "wsj0")
        rows.append((*row, paths, [0] * len(paths), gains))
    return pd.DataFrame(rows, columns=COLUMNS)
