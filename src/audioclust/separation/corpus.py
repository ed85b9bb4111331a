"""A corpus of single speakers or instruments, and which of it is trained on.

Three parts: "train"; "closed", what the training speakers say elsewhere; "open", speakers that are never trained on. Of
music, where a mixture is one piece at one time, "closed" is the end of the training pieces and "open" other pieces.
"""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audioclust.results import files

PARTS = ("train", "closed", "open")
COLUMNS = ["utterance", "speaker", "gender", "piece", "start", "length", "level", "part"]
REJECTED = ["path", "reason", "detail"]
LISTS = ["utterances", "starts", "gains_db"]  # columns of mixtures with one value per source
TAIL = 3.0  # seconds: closed part of a speaker of whom there is one utterance
LEAST = 3  # speakers, or of a piece seconds: fewer make no open set


def nothing_rejected() -> pd.DataFrame:
    """Return an empty list of rejected recordings."""
    return pd.DataFrame(columns=REJECTED, dtype=str)


@dataclass(eq=False)
class Corpus:
    """Utterance after utterance at one rate.

    ``utterances`` has a row for each: ``utterance`` (its name), ``speaker`` (or instrument), ``gender`` ("m", "f", ""
    unknown), ``piece`` (of music, else ""), ``start`` and ``length`` in samples, ``level`` (power of its active parts,
    full scale at 1) and ``part`` (one of ``PARTS``). Rows of one piece and part begin at the same moment of the music.
    """

    rate: int  # Hz
    samples: np.ndarray  # (total,) int16
    utterances: pd.DataFrame
    rejected: pd.DataFrame = field(default_factory=nothing_rejected)  # path, reason, detail
    tests: pd.DataFrame | None = None  # published mixtures, as ``mixtures.tests`` returns them

    def part(self, name: str) -> pd.DataFrame:
        """Return the utterances of one part."""
        return self.utterances[self.utterances["part"] == name]

    def signal(self, utterance: Any, start: int = 0, samples: int | None = None) -> np.ndarray:
        """Return ``samples`` of a row of ``utterances`` from ``start`` on, float32, full scale at 1.

        They end with the utterance, where it ends before.
        """
        begin, end = utterance.start + start, utterance.start + utterance.length
        stop = end if samples is None else min(begin + samples, end)
        return self.samples[begin:stop].astype(np.float32) / 32768

    def save(self, folder: Path) -> None:
        """Write ``samples.npy``, ``utterances.csv``, ``rejected.csv``, ``format.json`` and, if any, ``tests.csv``."""
        files.write_array(folder / "samples.npy", self.samples)
        _write(folder / "utterances.csv", self.utterances[COLUMNS])
        _write(folder / "rejected.csv", self.rejected[REJECTED])
        files.write_text(folder / "format.json", json.dumps({"sample_rate": self.rate}) + "\n")
        if self.tests is not None:
            write_mixtures(folder / "tests.csv", self.tests)

    @classmethod
    def load(cls, folder: Path) -> "Corpus":
        """Return what ``save`` wrote; the samples stay on the disk, as a memory map."""
        tests = folder / "tests.csv"
        return cls(
            rate=json.loads((folder / "format.json").read_text())["sample_rate"],
            samples=np.load(folder / "samples.npy", mmap_mode="r"),
            utterances=_read(folder / "utterances.csv", {"start": int, "length": int, "level": float}),
            rejected=_read(folder / "rejected.csv", {}),
            tests=read_mixtures(tests) if tests.is_file() else None,
        )


def write_mixtures(path: Path, table: pd.DataFrame) -> None:
    """Write a table of mixtures; its lists become JSON."""
    _write(path, table.assign(**{name: [json.dumps(list(each)) for each in table[name]] for name in LISTS}))


def read_mixtures(path: Path) -> pd.DataFrame:
    """Return a table that ``write_mixtures`` wrote."""
    table = _read(path, {"count": int, "samples": int})
    return table.assign(**{name: [json.loads(each) for each in table[name]] for name in LISTS})


def _write(path: Path, table: pd.DataFrame) -> None:
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _read(path: Path, types: dict[str, type]) -> pd.DataFrame:
    text = io.StringIO(path.read_text(encoding="utf-8"), newline="\n")
    table = pd.read_csv(text, dtype=str, keep_default_na=False)
    return table.astype(types)


def split(utterances: pd.DataFrame, rate: int, *, open_share: float, closed_share: float, seed: int) -> pd.DataFrame:
    """Divide utterances among the parts, by speaker; music by piece.

    Args:
        utterances: ``COLUMNS``; where a ``part`` is "open" already its speakers (pieces) are the open part and no
            others, else all are "".
        rate: Hz.
        open_share: of the speakers (pieces), in proportion of the genders; at least three of them, as far as three are
            left to train on.
        closed_share: of the utterances of each training speaker, at least one; of a speaker's only utterance the last
            3 s, or its second half if it has less than 6 s; of a piece its end.
        seed: of the draw.

    Returns:
        The table with all parts, and a row more for each utterance or stem of which a part is closed.

    Raises:
        ValueError: one speaker (piece) or none.
    """
    music = bool((utterances["piece"] != "").any())
    unit = "piece" if music else "speaker"
    if utterances["speaker"].nunique() < 2:
        found = sorted(utterances["speaker"].unique())
        raise ValueError(f"the corpus has {len(found)} speakers ({', '.join(found)}): a mixture needs 2; add others")
    table = utterances.reset_index(drop=True)
    rng = np.random.default_rng(seed)
    if not (table["part"] == "open").any():
        chosen = _drawn(table.groupby(unit)["gender"].first(), open_share, rng)
        table["part"] = np.where(table[unit].isin(chosen), "open", "train")
    else:
        table["part"] = np.where(table[unit].isin(table[unit][table["part"] == "open"]), "open", "train")
    if closed_share == 0:
        return table
    return _closed_pieces(table, closed_share) if music else _closed_speech(table, rate, closed_share, rng)


def _drawn(genders: pd.Series, share: float, rng: np.random.Generator) -> list[str]:
    """Draw speakers (the index) in proportion of their genders."""
    count = 0 if share == 0 else min(max(round(share * len(genders)), LEAST), max(len(genders) - LEAST, 0))
    places = pd.Series(rng.permutation(len(genders)), genders.index)
    within = (places.groupby(genders).rank() - 0.5) / genders.groupby(genders).transform("size")
    order = pd.DataFrame({"within": within, "place": places}).sort_values(["within", "place"])
    return list(order.index[:count])


def _closed_speech(table: pd.DataFrame, rate: int, share: float, rng: np.random.Generator) -> pd.DataFrame:
    tails = []
    for _, own in table[table["part"] == "train"].groupby("speaker"):
        if len(own) > 1:
            count = min(max(round(share * len(own)), 1), len(own) - 1)
            table.loc[rng.choice(own.index, count, replace=False), "part"] = "closed"
        else:
            length = int(own["length"].iloc[0])
            tails.append((own.index[0], min(round(TAIL * rate), length // 2)))
    return _cut(table, tails)


def _closed_pieces(table: pd.DataFrame, share: float) -> pd.DataFrame:
    train = table[table["part"] == "train"]
    return _cut(table, [(place, round(share * length)) for place, length in train["length"].items()])


def _cut(table: pd.DataFrame, tails: list[tuple[int, int]]) -> pd.DataFrame:
    """Make the last samples of some rows rows of their own, of the closed part.

    The level stays that of the whole utterance.
    """
    if not tails:
        return table
    places, lengths = map(list, zip(*tails, strict=True))
    closed = table.loc[places].copy()
    closed["start"] += closed["length"] - lengths
    closed["length"], closed["part"] = lengths, "closed"
    closed["utterance"] += "@end"
    table.loc[places, "length"] -= lengths
    return pd.concat([table, closed[closed["length"] > 0]], ignore_index=True)
