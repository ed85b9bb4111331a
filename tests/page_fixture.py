"""A small listening page: three clusters and noise, well apart on the map, each with a tone of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage

from audioclust.report.page import Page
from audioclust.report.summary import Cluster, Quartiles

RATE, SECONDS = 8000, 0.5
PER_RECORDING = 4  # clips, but of the last two recordings, which have one
LABELS = np.repeat([0, 1, 4, -1], [24, 14, 8, 4])
N = len(LABELS)
CENTRES = {0: (-4, 3), 1: (4, 3), 4: (4, -3), -1: (-4, -3)}
CELL = "aisfx/tsne/spectral/0"


def page(folder: Path, **changes) -> Page:
    """Return a page whose sounds lie in ``folder``; what is named replaces what it has."""
    random = np.random.default_rng(0)
    # On a grid, so that no point covers another.
    within = {c: iter(np.ndindex(6, 5)) for c in CENTRES}
    xy = np.array([np.add(CENTRES[c], np.array(next(within[c])) * 0.5) for c in LABELS], np.float32)
    other = LABELS.copy()
    other[:6], other[30:33] = 1, 0
    clips = _clips()
    found = Page(
        title="Five sites",
        chosen=CELL,
        why="Other encoders see these clusters best.",
        clips=clips,
        xy=xy,
        map_name="t-SNE of aisfx",
        labellings={CELL: LABELS, "logmel_stats/none/kmeans/0": other},
        clusters=[_cluster(c) for c in (0, 1, 4, -1)],
        neighbours=_nearest(4),
        numbers=pd.DataFrame({"k": [2, 3, 4], "found_again": [0.9, 1.0, 0.7], "kappa": [0.5, 0.6, np.nan]}),
        tree=linkage(np.array([[0.0], [1.0], [5.0]]), "average"),
        warnings=["Cluster 4 follows the level."],
        left_out=["Two files that are no sound."],
        audio=_audio(folder, random),
        rate=RATE,
        advice="Three clusters.",
        signal=np.where(np.arange(N) % 2, SECONDS, 0.3),
    )
    return replace(found, **changes)


def _nearest(m: int) -> np.ndarray:
    """Return (N, m) the other clips whose numbers are nearest, the lower one first."""
    apart = np.abs(np.arange(N)[:, None] - np.arange(N)).astype(float)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :m]


def _clips() -> pd.DataFrame:
    single = np.arange(N) >= N - 2
    recording = np.where(single, np.arange(N), np.arange(N) // PER_RECORDING)
    start = np.where(single, 0, np.arange(N) % PER_RECORDING * SECONDS)
    return pd.DataFrame(
        {
            "path": [f"site {r % 2}/20230501_{r % 24:02d}{r:02d}00.wav" for r in recording],
            "start": start,
            "end": start + SECONDS,
            "cluster": LABELS,
            "name": np.where(LABELS == 1, "dog", ""),
            "confidence": np.where(LABELS < 0, np.nan, 0.7),
            "is_exemplar": np.arange(N) % 24 == 0,
            "label": np.where(np.arange(N) % 5 == 0, "", np.where(LABELS == 1, "bark", "rain")),
            "group": [f"site {r % 2}" for r in recording],
            "level": np.where(np.arange(N) == 3, np.nan, -30.0),
        }
    )


def _cluster(number: int) -> Cluster:
    rows = np.flatnonzero(np.equal(LABELS, number)).tolist()
    spread = Quartiles(0.4, 0.5, 0.6)
    return Cluster(
        cluster=number,
        clips=len(rows),
        share=round(len(rows) / N, 4),
        purity=None if number < 0 else 0.9,
        nearest=[] if number < 0 else rows[:3],
        farthest=[] if number < 0 else rows[-2:],
        bands=[(200.0, 500.0, 6.2)],
        all_bands=-4.0,
        duration=spread,
        duration_rest=spread,
        level=Quartiles(-50.0, -48.0, -45.0),
        level_rest=Quartiles(-31.0, -30.0, np.nan),
        terms=["bark"] if number == 1 else [],
    )


def _audio(folder: Path, random: np.random.Generator) -> Path:
    t = np.arange(round(RATE * SECONDS)) / RATE
    tones = np.sin(2 * np.pi * np.outer(400 + 500 * LABELS, t)) * 6000
    path = folder / "audio.npy"
    np.save(path, (tones + random.normal(0, 50, tones.shape)).astype(np.int16))
    return path
