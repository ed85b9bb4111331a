"""How large the listening page is, and how fast a browser opens it: clips of half a second, a tone per cluster.

python benchmarks/page.py             # Debian's chromium and `npm ci --prefix tools/page`; a minute
"""

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage

from audioclust.report import page
from audioclust.report.summary import Cluster, Quartiles

CASES = [(450, 9, 30), (10_000, 30, 10), (100_000, 50, 20)]  # clips, clusters, sounds per cluster
RATE, SECONDS, NEIGHBOURS, PER_RECORDING = 16_000, 0.5, 10, 20
UNKNOWN = Quartiles(np.nan, np.nan, np.nan)


def made(n: int, k: int, folder: Path) -> page.Page:
    """Return a page of n clips in k clusters, whose sounds lie in ``folder``."""
    random = np.random.default_rng(0)
    labels = random.integers(0, k, n)
    rows = [np.flatnonzero(labels == cluster).tolist() for cluster in range(k)]
    tones = 6000 * np.sin(2 * np.pi * np.outer(200 + 100 * np.arange(k), np.arange(RATE * SECONDS)) / RATE)
    sounds = np.lib.format.open_memmap(folder / "audio.npy", "w+", np.int16, (n, tones.shape[1]))
    for row, label in enumerate(labels):
        sounds[row] = tones[label]
    recording, start = np.arange(n) // PER_RECORDING, np.arange(n) % PER_RECORDING * SECONDS
    clips = pd.DataFrame({
        "path": [f"site {r % 20:02d}/2023{1 + r % 12:02d}{1 + r % 28:02d}_{r % 24:02d}0000.wav" for r in recording],
        "start": start, "end": start + SECONDS, "cluster": labels, "name": "", "confidence": random.random(n).round(1),
        "is_exemplar": False, "label": "", "group": "", "level": random.normal(-30, 5, n),
    })  # fmt: skip
    return page.Page(
        title=f"{n} clips", chosen="a", why="", clips=clips, map_name="map",
        xy=random.normal(size=(k, 2))[labels] * 9 + random.normal(size=(n, 2)),
        labellings={"a": labels, "b": random.integers(0, k, n)},
        clusters=[_cluster(cluster, of, n) for cluster, of in enumerate(rows)],
        neighbours=random.integers(0, n, (n, NEIGHBOURS)), numbers=pd.DataFrame(),
        tree=linkage(random.normal(size=(k, 3)), "ward"), warnings=[], left_out=[],
        audio=folder / "audio.npy", rate=RATE, signal=np.full(n, SECONDS),
    )  # fmt: skip


def _cluster(cluster: int, rows: list[int], n: int) -> Cluster:
    spread = {"duration": UNKNOWN, "duration_rest": UNKNOWN, "level": UNKNOWN, "level_rest": UNKNOWN}
    return Cluster(
        cluster=cluster, clips=len(rows), share=len(rows) / n, purity=None, nearest=rows[:5], farthest=rows[-3:],
        bands=[], all_bands=None, terms=[], **spread,
    )  # fmt: skip


def main() -> None:
    print("clips     sounds   MB   written s   drawn s: WebGL, canvas   a filter s   heap MB")
    for n, k, sounds in CASES:
        with tempfile.TemporaryDirectory() as folder:
            shown, out = made(n, k, Path(folder)), Path(folder) / "index.html"
            begun = time.perf_counter()
            page.write(out, shown, page.Report(sounds=sounds))
            written = time.perf_counter() - begun
            command = ["node", Path(__file__).with_suffix(".mjs"), shutil.which("chromium"), out]
            webgl, canvas = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{n:7,}  {k * sounds:6,}  {out.stat().st_size / 1e6:5.1f}  {written:8.1f}"
                f"  {webgl['drawn']:12.1f}, {canvas['drawn']:.1f}  {webgl['filter']:18.2f}  {webgl['heap']:9.0f}"
            )


if __name__ == "__main__":
    main()
