"""Recordings to the samples of a corpus: decoded side by side, and what cannot be used listed with the reason."""

import fnmatch
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from audioclust import parallel
from audioclust.clips.audio import gain, open_recording, resampled, to_int16
from audioclust.clips.rejected import Rejected
from audioclust.datasets._layout import printable
from audioclust.results import files
from audioclust.separation.corpus import COLUMNS, REJECTED, Corpus, nothing_rejected, split
from audioclust.separation.levels import active_level

SHORTEST = 0.5  # seconds
TASK = 1 << 24  # bytes of the recordings that one task decodes, about


def corpus(recordings: pd.DataFrame, root: Path, rate: int, workers: int, join: float = 0.0) -> Corpus:
    """Decode recordings to utterances; parts are still to be made.

    Args:
        recordings: ``path`` (relative to ``root``), ``speaker``, ``gender``; if it has them, ``part``, ``level`` (NaN:
            measured) and ``utterance`` (its name; else the path).
        root: the folder of the recordings.
        rate: wanted, Hz.
        workers: processes; -1: one per core.
        join: seconds that recordings of one speaker are strung together to; 0: each is an utterance of its own.

    Returns:
        The corpus, without those that cannot be read, are silent, shorter than 0.5 s, hold samples that are no numbers,
        or repeat another one's samples; ``rejected`` lists these.

    Raises:
        ValueError: none can be used.
    """
    found = decoded([root / path for path in recordings["path"]], rate, workers)
    rows, rejected, known = [], [], {}
    for recording, each in zip(recordings.to_dict("records"), found, strict=True):
        path = printable(recording["path"])
        shortest = 0.0 if join else SHORTEST
        reason = each["rejected"] or _unusable(each["samples"], shortest * rate, rate) or _copy(each, path, known)
        if reason:
            rejected.append([path, *reason])
            continue
        given = recording.get("level", np.nan)
        named = {"utterance": recording.get("utterance", path), "part": recording.get("part", "")}
        level = each["level"] if np.isnan(given) else given
        rows.append(recording | named | {"samples": each["samples"], "level": level})
    table = pd.DataFrame(rejected, columns=REJECTED, dtype=str)
    if not rows:
        raise ValueError(f"none of {len(recordings)} recordings below {root} can be used{first(table)}")
    rows = _joined(rows, join, rate) if join else rows
    lengths = [len(row["samples"]) for row in rows]
    utterances = pd.DataFrame(rows).assign(piece="", length=lengths, start=np.cumsum([0, *lengths[:-1]]))
    return Corpus(rate, np.concatenate([row["samples"] for row in rows]), utterances[COLUMNS], table)


def assembled(
    sounds: list[np.ndarray], named: list[tuple[str, str, str, str, str]], rate: int,
    rejected: pd.DataFrame | None = None, **shares: Any,
) -> Corpus:  # fmt: skip
    """Return the corpus of sounds that lie in memory, its parts made.

    Args:
        sounds: (n,) int16 each.
        named: utterance, speaker, gender, piece and part ("" to be drawn) of each.
        rate: of the sounds, Hz.
        rejected: recordings that are not among them; None: none.
        shares: ``open_share``, ``closed_share`` and ``seed``, see ``split``.
    """
    lengths = [len(x) for x in sounds]
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    rows = [
        (*name, start, length, level(x, rate), part)
        for (*name, part), start, length, x in zip(named, starts, lengths, sounds, strict=True)
    ]
    table = split(pd.DataFrame(rows, columns=COLUMNS), rate, **shares)
    return Corpus(rate, np.concatenate(sounds), table, nothing_rejected() if rejected is None else rejected)


def first(rejected: pd.DataFrame) -> str:
    """Return the end of a message: the first recording that was rejected, and why."""
    if not len(rejected):
        return ""
    row = rejected.iloc[0]
    return f"; the first is {row.path!r}, {row.reason}: {row.detail}"


def decoded(paths: list[Path], rate: int, workers: int) -> list[dict[str, Any]]:
    """Return samples (n,) int16 at ``rate``, level and digest of each recording, or why it is ``rejected``."""
    tasks, size = [[]], 0
    for path in paths:
        length = files.stamp(path)[0]
        if tasks[-1] and size + length > TASK:
            tasks.append([])
            size = 0
        tasks[-1].append(path)
        size += length
    shards = parallel.run(_shard, [(task, rate) for task in tasks], workers=workers, name="mixtures")
    return [each for shard in shards for each in shard]


def named_open(path: str, pattern: str, speaker: str) -> bool:
    """Tell whether a folder above a recording, other than its speaker's own, has a name like ``pattern``."""
    folders = PurePosixPath(path).parent.parts
    return bool(pattern) and any(fnmatch.fnmatch(folder, pattern) for folder in folders if folder != speaker)


def sexes(values: Iterable[str]) -> list[str]:
    """Return "m", "f" or "" for what a table calls M, F, male, female, man, woman."""
    known = {"m": "m", "male": "m", "man": "m", "f": "f", "female": "f", "woman": "f"}
    return [known.get(str(value).strip().lower(), "") for value in values]


def _shard(paths: list[Path], rate: int) -> list[dict[str, Any]]:
    return [_decode(path, rate) for path in paths]


def _decode(path: Path, rate: int) -> dict[str, Any]:
    each = {"samples": None, "level": 0.0, "digest": "", "rejected": None}
    try:
        with closing(open_recording(path)) as recording:
            blocks = [block[:, 0] for block in resampled(recording, rate)]
            recording.finish()
    except Rejected as error:
        return each | {"rejected": (error.reason, error.detail)}
    samples = _fitted(np.concatenate(blocks)) if blocks else np.zeros(0, np.int16)
    digest = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
    return each | {"samples": samples, "level": level(samples, rate), "digest": digest}


def _fitted(x: np.ndarray) -> np.ndarray:
    """Return ``x`` (n,) as int16, scaled where 16 bits do not hold it: no mixture depends on that scale."""
    return to_int16(x * np.float32(gain(float(np.abs(x).max(initial=0)))), len(x))


def _unusable(samples: np.ndarray, shortest: float, rate: int) -> tuple[str, str] | None:
    if len(samples) < shortest:
        return "too short", f"{len(samples) / rate:.3f} s; at least {shortest / rate} s"
    return None if samples.any() else ("silent", "all samples are zero")


def _copy(each: dict[str, Any], path: str, known: dict[str, str]) -> tuple[str, str] | None:
    """Two speakers who say the same samples cannot be told apart, and one speaker's copy would be trained on."""
    original = known.setdefault(each["digest"], path)
    return None if original == path else ("copy", f"the same samples as {original}")


def _joined(rows: list[dict[str, Any]], seconds: float, rate: int) -> list[dict[str, Any]]:
    """String recordings of one speaker and part together, each time until they last for ``seconds``.

    What is left over of a speaker goes to his last utterance.
    """
    speakers = defaultdict(list)
    for row in rows:
        speakers[row["speaker"], row["part"]].append(row)
    out = []
    for own in speakers.values():
        groups, lengths = [], []
        for row in own:
            if not groups or lengths[-1] >= seconds * rate:
                groups.append([])
                lengths.append(0)
            groups[-1].append(row["samples"])
            lengths[-1] += len(row["samples"])
        if len(groups) > 1 and lengths[-1] < seconds * rate:
            rest = groups.pop()
            groups[-1] += rest
        first = np.cumsum([0, *map(len, groups)])
        for place, group in zip(first, groups, strict=False):
            samples = np.concatenate(group)
            out.append(own[place] | {"samples": samples, "level": level(samples, rate)})
    return out


def level(samples: np.ndarray, rate: int) -> float:
    """Return the active level with as many digits as every machine agrees on."""
    return float(f"{active_level(samples / 32768, rate):.6g}")
