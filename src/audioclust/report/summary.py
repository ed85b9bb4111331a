"""What the clusters of one cell are like, in figures and words that need no label.

Of the clip table path, start, duration, level and ``text`` are read and nothing else: labels meet clusters in the
scores alone.

Shapes: n clips, d dimensions, f mel bands, t frames, k clusters.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from scipy.signal import find_peaks
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

from audioclust.datasets._layout import TEXT
from audioclust.points.neighbours import Neighbours
from audioclust.points.subset import subset
from audioclust.report.plots import by_size
from audioclust.report.table import rounded

NEAREST, FARTHEST = 5, 3  # clips at the centre and at the edge
NEIGHBOURS = 10  # of a clip, which tell the purity
RANGES, TERMS = 3, 5  # at most, per cluster
WIDTH = 3.0  # dB: a range ends where the difference is that far below its peak, and a peak stands that far out
LEAST = 1.0  # dB that a peak must stand above the mean of all bands: about what can be heard
DECIBELS = 10 / np.log(10)  # of a natural logarithm of power
BLOCK = 256  # clips read at a time
WORD = r"\w[\w'’]*"


@dataclass(frozen=True)
class Quartiles:
    """Lower quartile, median and upper quartile; NaN where no value is known."""

    q1: float
    median: float
    q3: float


@dataclass(frozen=True)
class Cluster:
    """What one cluster is like; the rest are all other clips, noise among them. None or NaN: nothing to compare."""

    cluster: int  # -1: noise
    clips: int
    share: float  # of all clips
    purity: float | None  # share of the nearest neighbours of its clips that lie in it
    nearest: list[int]  # rows of the clips at its centre, the nearest first; none of noise
    farthest: list[int]  # rows of the clips at its edge, the farthest first
    bands: list[tuple[float, float, float]]  # Hz from, Hz to, dB against the rest, the highest first
    all_bands: float | None  # dB against the rest, mean of all bands
    duration: Quartiles  # s
    duration_rest: Quartiles
    level: Quartiles  # dBFS (RMS)
    level_rest: Quartiles
    terms: list[str]  # the heaviest first


def describe(
    clips: pd.DataFrame,
    clusters: np.ndarray,
    x: np.ndarray | None,
    means: np.ndarray,
    edges: np.ndarray,
    sample: int = 2000,
) -> list[Cluster]:
    """Return what each cluster is like, the largest first, noise last.

    Args:
        clips: ``duration`` (s), ``level`` (dBFS), NaN or "" where unknown, and where there are transcripts ``text``.
        clusters: (n,) integers, -1 for noise.
        x: embedding (n, d), an array or a memory map, in which distances are Euclidean; None: ``means`` take its place.
        means: (n, f) mean log-mel of each clip in nats, from ``band_means``.
        edges: (f + 1,) Hz, from ``band_edges``.
        sample: clips among which neighbours are searched.

    Raises:
        ValueError: the lengths differ.
    """
    clusters, x = np.asarray(clusters), means if x is None else x
    lengths = {len(clips), len(clusters), len(x), len(means)}
    if len(lengths) > 1 or not len(clips):
        raise ValueError(f"one row of each per clip, at least one clip: got {sorted(lengths)} rows")
    known = {name: pd.to_numeric(clips[name]).to_numpy(np.float64) for name in ("duration", "level")}
    near, pure = exemplars(x, clusters), purity(x, clusters, sample=sample)
    words = terms(clips[TEXT].to_numpy(), clusters) if TEXT in clips else {}
    total, found = means.sum(axis=0, dtype=np.float64), []
    for cluster, size in by_size(clusters).items():
        inside = clusters == cluster
        difference = _difference(means, total, inside)
        found.append(
            Cluster(
                cluster=cluster,
                clips=size,
                share=rounded(size / len(clusters)),
                purity=pure[cluster],
                nearest=near[cluster][0],
                farthest=near[cluster][1],
                bands=[] if difference is None else outstanding(difference, edges),
                all_bands=None if difference is None else rounded(difference.mean(), 1),
                duration=quartiles(known["duration"][inside], 3),
                duration_rest=quartiles(known["duration"][~inside], 3),
                level=quartiles(known["level"][inside], 1),
                level_rest=quartiles(known["level"][~inside], 1),
                terms=words.get(cluster, []),
            )
        )
    return found


def band_means(logmel: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the mean (n, f) float32 of each band over the frames of a clip that hold signal.

    Args:
        logmel: (n, f, t); a memory map is read in blocks.
        frames: (n,) how many of the t hold signal, at least one.
    """
    n, f, t = logmel.shape
    means = np.empty((n, f), np.float32)
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        signal = (np.arange(t) < frames[rows, None]).astype(np.float32)
        block = np.asarray(logmel[rows], dtype=np.float32)
        means[rows] = np.einsum("bft,bt->bf", block, signal) / frames[rows, None]
    return means


def band_edges(centres: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the borders (f + 1,) of bands of those ``centres`` (f,), half way between them; ``low`` and ``high`` end.

    All in Hz. Mel bands overlap: each reaches to its neighbours' centres.
    """
    centres = np.asarray(centres, dtype=np.float64)
    return np.r_[low, (centres[1:] + centres[:-1]) / 2, high]


def _difference(means: np.ndarray, total: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """Return the dB (f,) by which the clips ``inside`` lie above the others; None where there are no others.

    ``total`` (f,) is the sum of all ``means`` (n, f).
    """
    m, of = int(inside.sum()), means[inside].sum(axis=0, dtype=np.float64)
    return None if m == len(means) else DECIBELS * (of / m - (total - of) / (len(means) - m))


def outstanding(difference: np.ndarray, edges: np.ndarray) -> list[tuple[float, float, float]]:
    """Return the ranges of bands that stand out: Hz from, Hz to and mean dB, the highest peak first.

    A range is what lies around a peak of ``difference`` within ``WIDTH`` and above the mean of all bands, so that a
    cluster which is quieter than the rest throughout has ranges too, those where it is least so.

    Args:
        difference: (f,) dB.
        edges: (f + 1,) Hz.
    """
    average = difference.mean()
    # Lower than all bands on both sides: a peak may be the first or the last band.
    padded = np.pad(difference, 1, constant_values=difference.min() - 2 * WIDTH)
    peaks = find_peaks(padded, prominence=WIDTH)[0] - 1
    peaks = peaks[difference[peaks] >= average + LEAST]
    found = []
    for peak in peaks[np.argsort(-difference[peaks], kind="stable")][:RANGES]:
        outside = np.flatnonzero(difference <= max(difference[peak] - WIDTH, average))
        first = outside[outside < peak].max(initial=-1) + 1
        last = outside[outside > peak].min(initial=len(difference))
        decibels = difference[first:last].mean()
        found.append((rounded(edges[first], 0), rounded(edges[last], 0), rounded(decibels, 1)))
    return found


def exemplars(x: np.ndarray, clusters: np.ndarray) -> dict[int, tuple[list[int], list[int]]]:
    """Return of each cluster the rows nearest to the mean of its clips and, of the others, those farthest from it.

    Noise has no centre and no exemplars. Clips as near as the nearest one are not at the edge: a cluster of equal
    clips has none there. On a tie the lower row comes first.

    Args:
        x: (n, d), an array or a memory map, which is read in blocks.
        clusters: (n,) integers, -1 for noise.
    """
    names, codes = np.unique(clusters, return_inverse=True)
    distances = _to_centres(x, codes)
    found: dict[int, tuple[list[int], list[int]]] = {}
    for i, name in enumerate(names):
        rows = np.flatnonzero(codes == i) if name != -1 else np.empty(0, np.int64)
        order = rows[np.argsort(distances[rows], kind="stable")]
        nearest, others = order[:NEAREST], np.sort(order[NEAREST:])
        others = others[distances[others] > distances[rows].min(initial=np.inf)]
        farthest = others[np.argsort(-distances[others], kind="stable")][:FARTHEST]
        found[int(name)] = nearest.tolist(), farthest.tolist()
    return found


def _to_centres(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the distance (n,) of each row of ``x`` (n, d) to the mean of the rows of its code, 0 .. k - 1."""
    sums = np.zeros((int(codes.max()) + 1, x.shape[1]))
    for rows, block in _blocks(x):
        there, each = np.unique(codes[rows], return_inverse=True)
        sums[there] += csr_array((np.ones(len(block)), (each, np.arange(len(block))))) @ block
    centres = sums / np.bincount(codes)[:, None]
    return np.concatenate([np.linalg.norm(block - centres[codes[rows]], axis=1) for rows, block in _blocks(x)])


def _blocks(x: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, np.asarray(x[rows], dtype=np.float64)


def purity(
    x: np.ndarray, clusters: np.ndarray, neighbours: int = NEIGHBOURS, sample: int = 2000
) -> dict[int, float | None]:
    """Return of each cluster the share of its clips' nearest neighbours that lie in it, mean over its clips.

    Of a cluster that is smaller than their number as many neighbours are asked for as it has other clips, so that 1 is
    within reach of any. None of a cluster with one clip, and where all clips are at one point.

    Args:
        x: embedding (n, d); Euclidean distances.
        clusters: (n,) integers; noise counts as one cluster.
        neighbours: of each clip, at most.
        sample: clips among which neighbours are searched, drawn as for the silhouette: a search is quadratic.
    """
    chosen = subset(len(x), sample)
    x, there = np.asarray(x[chosen]), clusters[chosen]
    found: dict[int, float | None] = dict.fromkeys(np.unique(clusters).tolist())
    if len(x) < 2 or not np.ptp(x, axis=0).any():
        return found
    nearest = there[Neighbours(x).query(min(neighbours, len(x) - 1))[1]]  # (n, neighbours)
    for cluster in found:
        inside = there == cluster
        asked = min(neighbours, int(inside.sum()) - 1)
        if asked > 0:
            found[cluster] = rounded((nearest[inside, :asked] == cluster).mean())
    return found


def terms(texts: np.ndarray, clusters: np.ndarray) -> dict[int, list[str]]:
    """Return the words of each cluster with the highest class-based TF-IDF, the heaviest first.

    Grootendorst 2022, "BERTopic", https://arxiv.org/abs/2203.05794, eq. 2, with the root of a word's frequency in the
    cluster, as the author's ``reduce_frequent_words`` takes it: what every text has, such as articles, weighs less.
    Only words that are more frequent in the cluster than in the others count.

    Args:
        texts: (n,) transcripts, "" where there is none.
        clusters: (n,) integers; noise counts as one cluster.
    """
    names = np.unique(clusters)
    documents = [" ".join(texts[clusters == name]) for name in names]
    if not any(re.search(WORD, document) for document in documents):
        return {}
    vectoriser = CountVectorizer(token_pattern=WORD)
    counts = vectoriser.fit_transform(documents)
    words, totals = vectoriser.get_feature_names_out(), counts.sum(axis=0).A1
    average = totals.sum() / len(names)
    found = {}
    for i, name in enumerate(names.tolist()):
        count = counts[[i]].toarray()[0]
        frequency = count / max(count.sum(), 1)
        elsewhere = (totals - count) / max((totals - count).sum(), 1)
        weights = np.where(frequency > elsewhere, np.sqrt(frequency) * np.log1p(average / totals), 0)
        heaviest = np.argsort(-weights, kind="stable")[:TERMS]
        found[name] = words[heaviest[weights[heaviest] > 0]].tolist()
    return found


def quartiles(values: np.ndarray, digits: int) -> Quartiles:
    """Return the quartiles of those ``values`` (m,) that are known, rounded."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Quartiles(np.nan, np.nan, np.nan)
    return Quartiles(*(rounded(value, digits) for value in np.percentile(known, (25, 50, 75))))


def table(found: list[Cluster], clips: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cluster; lists are JSON, exemplars ``path`` and ``start`` of the clip.

    Args:
        found: from ``describe``.
        clips: ``path`` and ``start`` (s).
    """
    return pd.DataFrame([_row(each, clips) for each in found])


def _row(each: Cluster, clips: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {}
    for field in fields(each):
        value = getattr(each, field.name)
        if isinstance(value, Quartiles):
            row |= {f"{field.name}_{name}": number for name, number in asdict(value).items()}
        elif field.name in ("nearest", "farthest"):
            places = [{"path": clips["path"].iloc[i], "start": float(clips["start"].iloc[i])} for i in value]
            row[field.name] = json.dumps(places, ensure_ascii=False)
        elif field.name == "bands":
            row["bands"] = json.dumps([dict(zip(("from_hz", "to_hz", "db"), band, strict=True)) for band in value])
        else:
            row[field.name] = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
    return row
