"""librimix: LibriSpeech with the published mixtures of Libri2Mix and Libri3Mix (Cosentino et al. 2020), without noise.

``{metadata}/**/libri{2,3}mix_{subset}.csv`` have the columns ``mixture_ID``, ``source_1_path``, ``source_1_gain``, ...,
and ``libri{2,3}mix_{subset}_info.csv`` beside them ``speaker_1_ID``, ``speaker_1_sex``, ...: the folder ``metadata`` of
github.com/JorisCos/LibriMix. Of the subsets that are there, train-* is trained on and the mixtures of test-* are the
open set; dev-* is not used. Their length is that of the shortest utterance ("min").
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from audioclust.parameters import Natural, Probability, validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import Corpus, split
from audioclust.separation.mixtures import COLUMNS, genders_of

LICENSE = "CC BY 4.0"
CITATION = "J. Cosentino et al., LibriMix: an open-source dataset for generalizable speech separation, arXiv 2005.11262"


@dataclass
class LibriMix:
    """``root`` holds the subsets of LibriSpeech, or ``LibriSpeech`` with these."""

    metadata: str = "metadata"  # the folder of the tables, relative to ``root``
    closed_share: Probability = 0.1  # of a training speaker's utterances, not trained on
    seed: Natural = 0  # of the parts

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Return the corpus with the published mixtures of its open set.

        Raises:
            FileNotFoundError: no tables, or recordings that they name are not there.
            ValueError: a table without its columns.
        """
        validate(self)
        mixtures = _mixtures(root / self.metadata)
        corpus = _files.corpus(_recordings(mixtures, root, _sexes(root / self.metadata)), root, rate, workers)
        corpus.utterances = split(
            corpus.utterances, rate, open_share=0.0, closed_share=self.closed_share, seed=self.seed
        )
        corpus.tests = _published(mixtures, corpus)
        return corpus


def _mixtures(folder: Path) -> list[tuple[str, str, list[str], list[float]]]:
    """Return subset, name, paths and gains of each mixture."""
    tables = sorted(path for path in folder.rglob("libri[23]mix_*.csv") if not path.stem.endswith("_info"))
    tables = [path for path in tables if _subset(path).startswith(("train", "test"))]
    for kind in ("train", "test"):
        if not any(_subset(path).startswith(kind) for path in tables):
            raise FileNotFoundError(
                f"librimix: no libri2mix_{kind}-*.csv below {folder}; set librimix.metadata to the folder of the "
                "tables (those of github.com/JorisCos/LibriMix are in its metadata)"
            )
    return [mixture for path in tables for mixture in _table(path)]


def _table(path: Path) -> list[tuple[str, str, list[str], list[float]]]:
    table, count = pd.read_csv(path), int(path.stem[5])
    paths, gains = ([f"source_{k}_{what}" for k in range(1, count + 1)] for what in ("path", "gain"))
    missing = {"mixture_ID", *paths, *gains} - {*table.columns}
    if missing:
        raise ValueError(f"{path}: no column {min(missing)!r}; take the table of LibriMix as it was published")
    rows = zip(table["mixture_ID"], table[paths].values.tolist(), table[gains].values.tolist(), strict=True)
    return [(_subset(path), str(name), *row) for name, *row in rows]


def _subset(path: Path) -> str:
    return path.stem.partition("_")[2]


def _recordings(mixtures: list, root: Path, sexes: dict[str, str]) -> pd.DataFrame:
    """Return what ``_files.corpus`` wants of every recording that the tables name."""
    named = {path: subset for subset, _, paths, _ in mixtures for path in paths}
    rows, absent = [], []
    for path, subset in sorted(named.items()):
        below = next((p for p in (path, f"LibriSpeech/{path}") if (root / p).is_file()), None)
        if below is None:
            absent.append(path)
            continue
        speaker = PurePosixPath(path).stem.split("-")[0]
        row = {"path": below, "utterance": path, "speaker": speaker, "gender": sexes.get(speaker, "")}
        rows.append(row | {"part": "open" if subset.startswith("test") else ""})
    if absent:
        raise FileNotFoundError(
            f"librimix: {len(absent)} of {len(named)} recordings are not below {root}, the first is {absent[0]}; set "
            "data.root to LibriSpeech with all subsets that the tables name, or remove the tables of the others"
        )
    return pd.DataFrame(rows)


def _sexes(folder: Path) -> dict[str, str]:
    """Return speaker -> gender by the tables ``*_info.csv``."""
    found = {}
    for path in sorted(folder.rglob("libri[23]mix_*_info.csv")):
        table = pd.read_csv(path, dtype=str)
        for k in range(1, int(path.stem[5]) + 1):
            found |= dict(zip(table[f"speaker_{k}_ID"], _files.sexes(table[f"speaker_{k}_sex"]), strict=True))
    return found


def _published(mixtures: list, corpus: Corpus) -> pd.DataFrame:
    """Return the mixtures of test-* of which all utterances could be read."""
    known, rows = corpus.utterances.set_index("utterance"), []
    for subset, name, paths, gains in mixtures:
        if not subset.startswith("test") or known.index.isin(paths).sum() != len(set(paths)):
            continue
        used = known.loc[paths]
        decibels = [float(20 * np.log10(gain)) for gain in gains]
        row = (name, "open", len(paths), int(used["length"].min()), genders_of(used), "librimix")
        rows.append((*row, paths, [0] * len(paths), decibels))
    return pd.DataFrame(rows, columns=COLUMNS)
