"""Mixtures of single speakers: the mixing laws, and the fixed mixtures that separation is scored on.

The laws are those of the published sets: WSJ0-2mix (Hershey et al. 2016; pywsj0-mix ``generate_wsjmix.py``) and
LibriMix (Cosentino et al. 2020; ``create_librimix_from_metadata.py``).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from audioclust.separation.corpus import Corpus

PEAK = 0.9  # of the loudest sample, where the sum would exceed full scale
RANGE = 2.5  # dB: a pair's gains are +g and -g, g up to here, so that they differ by 0 to 5 dB
FAINT = 1e-3  # of the active level: the mean power below which a cut is nearly silent, -30 dB
TRIES = 50  # draws of one mixture until no source of it is nearly silent
COLUMNS = ["mixture", "set", "count", "samples", "genders", "law", "utterances", "starts", "gains_db"]


def mix(
    sources: Sequence[np.ndarray],
    gains_db: Sequence[float],
    levels: Sequence[float],
    length: Literal["min", "max"] = "min",
) -> tuple[np.ndarray, np.ndarray]:
    """Mix as WSJ0-2mix does.

    Each source is scaled by 10^(gain/20) / sqrt(level); the sum is cut to the shortest source or padded to the longest;
    then all is divided by max(1, largest sample of the mixture and the sources) / 0.9, and rounded to 16 bits.

    Args:
        sources: (n_j,) each, of any scale.
        gains_db: of each source.
        levels: power of the active parts of each source, ITU-T P.56 (``levels.active_level``) or as published.
        length: of the mixture.

    Returns:
        The mixture (n,) and the sources in it (s, n), int16. Their sum is the mixture within a step per source.

    Raises:
        ValueError: a source is silent or holds samples that are no numbers, or a level is not above 0.
    """
    for number, (source, level) in enumerate(zip(sources, levels, strict=True), start=1):
        if not np.isfinite(source).all():
            raise ValueError(f"source {number} of {len(sources)} holds samples that are NaN or infinite; leave it out")
        if not level > 0:
            raise ValueError(
                f"source {number} of {len(sources)} has level {level}: it must be above 0; leave silence out"
            )
    weights = [10 ** (gain / 20) / np.sqrt(level) for gain, level in zip(gains_db, levels, strict=True)]
    mixture, scaled = add(sources, weights, length)
    gain = max(1.0, np.abs(mixture).max(initial=0), np.abs(scaled).max(initial=0)) / PEAK
    return _quantised(mixture / gain), _quantised(scaled / gain)


def add(
    sources: Sequence[np.ndarray], weights: Sequence[float], length: Literal["min", "max"] = "min"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted sum (n,) and its terms (s, n), float64: LibriMix's law, whose weights are published.

    They are cut to the shortest source, or padded with zeros to the longest.
    """
    n = (min if length == "min" else max)(len(source) for source in sources)
    terms = np.zeros((len(sources), n))
    for term, source, weight in zip(terms, sources, weights, strict=True):
        term[: len(source)] = weight * np.asarray(source[:n], np.float64)
    return terms.sum(axis=0), terms


def gain_pattern(count: int) -> np.ndarray:
    """Return (count, ceil(count / 2)): the gains in dB are this times g, each g uniform in 0 to 2.5.

    Sources go in pairs +g, -g; an odd one out has 0 dB.
    """
    pattern = np.zeros((count, -(-count // 2)))
    for source in range(count - count % 2):
        pattern[source, source // 2] = 1 - 2 * (source % 2)
    return pattern


def tests(
    corpus: Corpus,
    *,
    two: int = 100,
    three: int = 100,
    seconds: float | None = None,
    length: Literal["min", "max"] = "min",
    sets: Sequence[str] = ("closed", "open"),
    seed: int = 0,
) -> pd.DataFrame:
    """Draw the mixtures of the closed and of the open set.

    Where the corpus brings published mixtures of a set and count, a draw of these is taken. Otherwise speakers differ,
    pairs of genders (of music, the instruments) take turns as far as there are speakers for them, and a mixture that is
    nearly silent in a source (30 dB below its level) is drawn again. Of music, all sources are of one piece at the same
    time.

    Args:
        corpus: with its parts.
        two: mixtures of two sources in each set; ``three``: of three.
        seconds: the longest cut of an utterance, at a random start; None: whole utterances.
        length: of the mixture: its shortest or its longest utterance.
        sets: parts of the corpus.
        seed: of the draw.

    Returns:
        One row per mixture: ``mixture`` (its name), ``set``, ``count`` of sources, ``samples``, ``genders`` ("ff",
        "fm", "ffm", ...; "" unknown), ``law`` ("wsj0" or "librimix"), and lists with a value per source:
        ``utterances``, ``starts`` of the cuts in samples and ``gains_db``.

    Raises:
        ValueError: fewer speakers (instruments of a piece) in a set than sources, or nearly silent ones alone.
    """
    rows = []
    for name, (count, number) in itertools.product(sets, ((2, two), (3, three))):
        rng = np.random.default_rng([seed, ("train", "closed", "open").index(name), count])
        known = _published(corpus, name, count)
        if len(known):
            chosen = np.sort(rng.choice(len(known), min(number, len(known)), replace=False))
            rows += known.iloc[chosen].to_dict("records")
        elif number:
            rows += _drawn(corpus, name, count, number, seconds, length, rng)
    return pd.DataFrame(rows, columns=COLUMNS)


def render(corpus: Corpus, row: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return one mixture (n,) and its sources (s, n), float32, by a row of ``tests`` (also as ``itertuples`` gives it).

    Raises:
        ValueError: the corpus lacks one of its utterances.
    """
    found = corpus.utterances.set_index("utterance")
    absent = [name for name in row.utterances if name not in found.index]
    if absent:
        raise ValueError(f"mixture {row.mixture!r}: the corpus holds no utterance {absent[0]!r}; draw the tests anew")
    utterances = [found.loc[name] for name in row.utterances]
    cuts = [corpus.signal(each, start, row.samples) for each, start in zip(utterances, row.starts, strict=True)]
    padded = [np.pad(cut, (0, row.samples - len(cut))) for cut in cuts]
    if row.law == "librimix":
        mixture, sources = add(padded, [10 ** (gain / 20) for gain in row.gains_db])
        return mixture.astype(np.float32), sources.astype(np.float32)
    mixture, sources = mix(padded, row.gains_db, [each["level"] for each in utterances])
    return mixture.astype(np.float32) / 32768, sources.astype(np.float32) / 32768


def genders_of(rows: pd.DataFrame) -> str:
    """Return the genders of some utterances, sorted: "fm"; "" where one is unknown."""
    return "".join(sorted(rows["gender"])) if (rows["gender"] != "").all() else ""


def _quantised(x: np.ndarray) -> np.ndarray:
    return np.clip(np.round(32768 * x), -32768, 32767).astype(np.int16)


def _published(corpus: Corpus, name: str, count: int) -> pd.DataFrame:
    if corpus.tests is None:
        return pd.DataFrame(columns=COLUMNS)
    return corpus.tests[(corpus.tests["set"] == name) & (corpus.tests["count"] == count)]


def _drawn(
    corpus: Corpus, name: str, count: int, number: int, seconds: float | None, length: str, rng: np.random.Generator
) -> list[dict[str, Any]]:
    pool = corpus.part(name)
    draw = _of_pieces(pool, count) if (pool["piece"] != "").any() else _of_speakers(pool, count)
    if draw is None:
        raise ValueError(_too_few(pool, name, count))
    pattern, rows, known = gain_pattern(count), [], set()
    for place in range(number):
        for _ in range(TRIES):
            chosen = pool.iloc[draw(place, rng)]
            starts, samples = _cut(chosen, seconds, corpus.rate, length, rng)
            key = tuple(sorted(zip(chosen["utterance"], starts, strict=True)))
            audible = _audible(corpus, chosen, starts, samples)
            if audible and key not in known:
                break
        if not audible:
            raise ValueError(
                f"{TRIES} draws of a mixture of {count} sources from the {name} set were nearly silent in one of them, "
                f"the last in one of {', '.join(chosen['utterance'])}; remove silent recordings"
            )
        known.add(key)
        gains = np.round(pattern @ rng.uniform(0, RANGE, pattern.shape[1]), 4)
        rows.append(
            {
                "mixture": f"{name}{count}-{place:04d}", "set": name, "count": count, "samples": samples,
                "genders": genders_of(chosen), "law": "wsj0", "utterances": list(chosen["utterance"]),
                "starts": starts, "gains_db": gains.tolist(),
            }
        )  # fmt: skip
    return rows


Draw = Callable[[int, np.random.Generator], np.ndarray]  # place of a mixture in its set -> positions of its utterances


def _of_speakers(pool: pd.DataFrame, count: int) -> Draw | None:
    """Return what draws utterances of different speakers, of each combination of genders in turn; None: too few."""
    people: dict[str, list[np.ndarray]] = {}
    for (gender, _), positions in sorted(pool.groupby(["gender", "speaker"]).indices.items()):
        people.setdefault(gender, []).append(positions)
    kinds = itertools.combinations_with_replacement(sorted(people), count)
    kinds = [kind for kind in kinds if all(kind.count(gender) <= len(people[gender]) for gender in kind)]

    def draw(place: int, rng: np.random.Generator) -> np.ndarray:
        chosen, kind = [], kinds[place % len(kinds)]
        for gender in sorted({*kind}):
            for speaker in rng.choice(len(people[gender]), kind.count(gender), replace=False):
                chosen.append(rng.choice(people[gender][speaker]))
        return rng.permutation(chosen)

    return draw if kinds else None


def _of_pieces(pool: pd.DataFrame, count: int) -> Draw | None:
    """Return what draws stems of one piece, of each combination of instruments in turn; None: too few."""
    pieces: dict[str, dict[str, int]] = {}
    for position, row in enumerate(pool.itertuples()):
        pieces.setdefault(row.piece, {})[row.speaker] = position
    full: dict[tuple[str, ...], list[str]] = {}
    for piece, stems in sorted(pieces.items()):
        for kind in itertools.combinations(sorted(stems), count):
            full.setdefault(kind, []).append(piece)
    kinds = sorted(full)

    def draw(place: int, rng: np.random.Generator) -> np.ndarray:
        kind = kinds[place % len(kinds)]
        stems = pieces[full[kind][rng.integers(len(full[kind]))]]
        return rng.permutation([stems[instrument] for instrument in kind])

    return draw if kinds else None


def _too_few(pool: pd.DataFrame, name: str, count: int) -> str:
    music = bool((pool["piece"] != "").any())
    what = "instruments of one piece" if music else "speakers"
    have = pool.groupby("piece")["speaker"].nunique().max() if music else pool["speaker"].nunique()
    return (
        f"mixtures of {count} sources need {count} {what}, and the {name} set has {have}: add some, raise {name}_share "
        f"of the corpus, or ask for 0 mixtures of {count} sources"
    )


def _cut(
    rows: pd.DataFrame, seconds: float | None, rate: int, length: str, rng: np.random.Generator
) -> tuple[list[int], int]:
    """Return where each cut starts in its utterance, of one piece everywhere at the same time; and how long all is."""
    lengths = rows["length"].to_numpy()
    cuts = lengths if seconds is None else np.minimum(lengths, max(1, round(seconds * rate)))
    samples = int(cuts.min() if length == "min" else cuts.max())
    room = np.maximum(lengths - (samples if length == "min" else cuts), 0) * (seconds is not None)
    if (rows["piece"] != "").any():
        return [int(rng.integers(room.min() + 1))] * len(rows), samples
    return [int(rng.integers(each + 1)) for each in room], samples


def _audible(corpus: Corpus, rows: pd.DataFrame, starts: list[int], samples: int) -> bool:
    """Tell whether every source has, over the length of the mixture, more than a thousandth of its level."""
    for row, start in zip(rows.itertuples(), starts, strict=True):
        cut = corpus.signal(row, start, samples)
        if np.sum(cut.astype(np.float64) ** 2) <= FAINT * row.level * samples:
            return False
    return True
