"""What many clips cost: each stage on recordings of a second, and the grid on synthetic embeddings.

    python benchmarks/scale.py clips [--sizes 10000 100000] [--encoders logmel_stats] [--out FOLDER]
    python benchmarks/scale.py points [--sizes 10000 100000 1000000] [--dims 128] [--out FOLDER]

`clips` writes recordings of ten kinds of tones into folders of a temporary project and runs the stages, one after the
other; `points` runs reducers and clusterers on blobs, one after the other on one thread. Printed are seconds by the
clock and of the processor, the most memory that the processes of a stage held at once (without memory maps of files,
which the system drops when it needs the room), and the growth: the exponent of the seconds from the size before.
"""

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import soundfile
import yaml
from tables import Table

from audioclust import registry
from audioclust.parallel import run
from audioclust.parameters import types
from audioclust.report.metrics import ami
from audioclust.results.pieces import Pieces
from audioclust.results.spaces import Space
from audioclust.runs.baseline import Baseline
from audioclust.runs.grid import Item
from audioclust.runs.grid import _cell as cell_of
from audioclust.runs.reduce import Reduce
from audioclust.threads import one_thread

ROOT = Path(__file__).resolve().parents[1]
KINDS, RATE, FOLDER = 10, 16000, 1000  # recordings per folder
REDUCERS = ("none", "pca", "tsne")
CLUSTERERS = ("kmeans", "gmm", "dbscan", "meanshift", "agglomerative", "spectral")
COLUMNS = ("wall s", "CPU s", "memory, GB", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("clips", "points"))
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--encoders", nargs="+", default=["logmel_stats"])
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--scratch", type=Path, help="folder for recordings and outputs")
    parser.add_argument("--out", type=Path, help="folder for a CSV file")
    given = parser.parse_args()
    if given.what == "clips":
        clips(given.sizes or [10_000, 100_000], given.encoders, given.scratch, given.out)
    else:
        points(given.sizes or [10_000, 100_000, 1_000_000], given.dims, given.out)


class Growth:
    """The exponent of what the same work took at the size before."""

    def __init__(self) -> None:
        self.before: dict[str, tuple[int, float]] = {}

    def of(self, work: str, n: int, seconds: float) -> str:
        size, earlier = self.before.get(work, (n, seconds))
        self.before[work] = n, seconds
        return f"{math.log(seconds / earlier) / math.log(n / size):.2f}" if size < n and earlier > 0 else ""


class Spent:
    """Seconds and memory of a piece of work."""

    wall = cpu = memory = 0.0

    def row(self, growth: str) -> list[str]:
        return [f"{self.wall:.1f}", f"{self.cpu:.1f}", f"{self.memory / 1e9:.2f}", growth]


@contextmanager
def measured(whose: int, processor: Callable[[], float]) -> Iterator[Spent]:
    """Measure what runs inside; the memory is that of a process ``whose`` and of its children."""
    spent, over = Spent(), threading.Event()
    spent.memory = anonymous(whose)

    def watch() -> None:
        while not over.wait(0.2):
            spent.memory = max(spent.memory, anonymous(whose))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    start, before = time.perf_counter(), processor()
    yield spent
    spent.wall, spent.cpu = time.perf_counter() - start, processor() - before
    over.set()
    watching.join()


def anonymous(process: int) -> int:
    """Return the bytes of memory of a process and its children that no file is behind."""
    total = 0
    for each in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        try:
            lines = Path(f"/proc/{each.pid}/status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    return total


# Clips


def clips(sizes: list[int], encoders: list[str], scratch: Path | None, out: Path | None) -> None:
    table, growth = Table(out, "scale_clips", "clips", "stage", *COLUMNS), Growth()
    for n in sizes:
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            project = Path(name).resolve() / "project"
            lay_out(project, encoders)
            list(run(record, [(project / "recordings", i, min(FOLDER, n - i)) for i in range(0, n, FOLDER)]))
            whole = Spent()
            for stage in stages(encoders):
                with measured(os.getpid(), children) as spent:
                    subprocess.run([sys.executable, "-u", *stage], cwd=project, check=True, capture_output=True)
                label = " ".join(stage).removeprefix("stages/").replace(".py", "")
                table.add(f"{n}", label, *spent.row(growth.of(label, n, spent.wall)))
                whole.wall, whole.cpu = whole.wall + spent.wall, whole.cpu + spent.cpu
                whole.memory = max(whole.memory, spent.memory)
            table.add(f"{n}", "all", *whole.row(growth.of("all", n, whole.wall)))
            best = json.loads((project / "metrics/summary.json").read_text())["best"]
            print(json.dumps({key: best[key] for key in ("encoder", "reducer", "clusterer", "ami") if key in best}))


def lay_out(project: Path, encoders: list[str]) -> None:
    """Make a project of the stages, of one seed, and of encoders and cells that need no training."""
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, project / name)
    (project / "docs").mkdir()
    for name in ("requirements.txt", "clusters.yaml", "docs/reference_table.csv"):
        shutil.copy(ROOT / name, project / name)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["data"] |= {"dataset": "folder", "root": "recordings", "clip_seconds": 1.0, "label": "auto"}
    content |= {"encoders": encoders, "pretexts": [], "methods": {}, "separators": {}, "seeds": [0], "k": KINDS}
    content |= {"reducers": list(REDUCERS), "clusterers": ["kmeans", "gmm", "agglomerative", "spectral"]}
    (project / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def record(root: Path, first: int, count: int) -> None:
    """Write recordings of a second, of kinds in turn: a tone of its own with overtones, a vibrato, noise."""
    folder, t = root / f"{first // FOLDER:04d}", np.arange(RATE) / RATE
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        rng, kind = np.random.default_rng(number), number % KINDS
        pitch = 110 * 1.3**kind * rng.uniform(0.97, 1.03)
        phase = 2 * np.pi * pitch * t + rng.uniform(0, 3) * np.sin(2 * np.pi * rng.uniform(3, 7) * t)
        x = sum(np.sin(overtone * phase) / overtone ** (1 + kind % 3) for overtone in (1, 2, 3))
        x = 0.2 * x * rng.uniform(0.3, 1) + rng.normal(0, 0.02, RATE)
        soundfile.write(folder / f"kind-{kind}_{number}.wav", x, RATE)


def stages(encoders: list[str]) -> list[list[str]]:
    """Return the commands of the stages, in order."""
    first = ["check", "recordings", "prepare", "label", "texts", "logmel"]
    embedded = [["stages/embed.py", encoder] for encoder in encoders]
    grids = [["stages/grid.py", encoder] for encoder in encoders]
    return [*([f"stages/{name}.py"] for name in first), *embedded, *grids, ["stages/evaluate.py"], ["stages/report.py"]]


def children() -> float:
    """Return the processor's seconds of processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


# Points


def points(sizes: list[int], dims: int, out: Path | None) -> None:
    columns = ("points", "reducer", "clusterer", *COLUMNS, "fitted", "AMI")
    table, growth = Table(out, "scale_points", *columns), Growth()
    for n in sizes:
        x, truth = blobs(n, dims)
        for reducer in REDUCERS:
            space = laid_out(table, growth, x, reducer)
            for clusterer in CLUSTERERS:
                clustered(table, growth, space, truth, reducer, clusterer)


def blobs(n: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, dims) float32 in overlapping blobs within 20 dimensions, and noise in all; and their blobs."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, KINDS, n)
    x = rng.standard_normal((n, dims), dtype=np.float32) * np.float32(0.3)
    x[:, :20] += rng.normal(0, 1.2, (KINDS, 20)).astype(np.float32)[truth]
    return x, truth


def laid_out(table: Table, growth: Growth, x: np.ndarray, reducer: str) -> Space:
    """Add a row of what a space takes, and return it."""
    reduce, kind = Reduce(), registry.get("reducers", reducer)
    with one_thread(), measured(os.getpid(), time.process_time) as spent:
        placed = reduce.points(x)
        found = reduce.space(placed, kind, {}, 0)
    fitted = len(x) if getattr(kind, "linear", False) else len(placed.rows)
    row = spent.row(growth.of(f"space {reducer}", len(x), spent.wall))
    table.add(f"{len(x)}", reducer, "its space", *row, f"{fitted}", "")
    x, distances, indices, nearest = (array[None] for array in found)
    return Space(x, distances, indices, placed.rows, nearest)


def clustered(table: Table, growth: Growth, space: Space, truth: np.ndarray, reducer: str, clusterer: str) -> None:
    """Add a row of what a cell takes in its space."""
    item = Item("clusterers", clusterer)
    item = item.with_k(KINDS if "k" in types(item.kind) else None)
    with tempfile.TemporaryDirectory() as folder, one_thread(), measured(os.getpid(), time.process_time) as spent:
        found = cell_of(space, item, (reducer, clusterer, 0, 0), Baseline(), Pieces(Path(folder)))
    n, labels = len(truth), found.labels[""]
    row = spent.row(growth.of(f"{reducer} {clusterer}", n, spent.wall))
    fitted = found.reason or f"{found.chosen.get('fitted', n)}"
    table.add(f"{n}", reducer, clusterer, *row, fitted, f"{ami(truth, labels):.3f}")


if __name__ == "__main__":
    main()
