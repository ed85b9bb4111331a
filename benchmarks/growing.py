"""A folder that grows: what keeping costs the first run, and what is left to do when recordings are added.

``python benchmarks/growing.py [--recordings 200] [--added 2] [--seconds 4] [--encoders byol_a_random]`` prints a
Markdown table of processor seconds: of a first run that keeps nothing, of one that keeps, their ratio, of the next run
after some recordings were added, and how many it had to compute. Statistics of the log-mels are frozen. The smallest of
``--times`` is taken, in turns.
"""

import argparse
import resource
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from tables import Table

from audioclust.clips.logmel import FrontEnd, LogMel
from audioclust.results.kept import Kept
from audioclust.runs.embed import Embed
from audioclust.runs.logmel import compute
from audioclust.runs.prepare import Prepare
from audioclust.runs.recordings import digests, stamps_of

STATISTICS = (-9.0, 4.0)


def record(folder: Path, numbers: range, seconds: float) -> None:
    """Write stereo recordings of noise, each of another length."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng([*numbers])
    for i in numbers:
        x = rng.normal(0, 0.1, (round(44100 * seconds) + i, 2))
        soundfile.write(folder / f"{i * 7919 % 10_000:05d}.wav", x, 44100, subtype="PCM_16")


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the seconds that work took all cores together."""
    before = spent()
    work()
    return spent() - before


def spent() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def measured(root: Path, out: Path, seconds: float, encoders: list[str], keep: bool) -> dict[str, tuple[float, int]]:
    """Run the stages over a folder; return the processor seconds of each, and how much it computed."""
    paths = sorted(path.name for path in root.iterdir())
    table = pd.DataFrame({"path": paths, "group": ""})
    files = [root / path for path in paths]
    digests(files, stamps_of(files), out / "digests.csv")  # as stage recordings does
    shelf = {name: Kept(out / "kept", name) if keep else None for name in ("prepare", "logmel", *encoders)}
    found = {}

    def take(name: str, work: Callable[[], object]) -> None:
        found[name] = processor_seconds(work), shelf[name].computed if keep else len(paths)

    take("prepare", lambda: Prepare(clip_seconds=seconds).run(
        table, root, out, scratch=out / "scratch", kept=shelf["prepare"], known=out / "digests.csv"))  # fmt: skip
    audio, durations = np.load(out / "audio.npy", mmap_mode="r"), np.load(out / "durations.npy")
    more = {"digests": np.load(out / "digests.npy")}
    take("logmel", lambda: compute(
        audio, 16000, out / "logmel.npy", FrontEnd(), durations=durations, statistics=STATISTICS,
        kept=shelf["logmel"], **more))  # fmt: skip
    source = {"logmel": out / "logmel.npy", "waveform": out / "audio.npy"}
    for name in encoders:
        take(name, lambda name=name: Embed().run(
            name, {}, source, 16000, STATISTICS, durations, out / f"{name}.npy", kept=shelf[name], **more))  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--added", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--encoders", nargs="+", default=["logmel_stats", "byol_a_random"])
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    given = parser.parse_args()
    LogMel(FrontEnd())  # imports and caches before the clock
    runs = {"nothing kept": [], "kept": [], "added": []}
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for time in range(given.times):
            root, out = top / f"in{time}", top / f"out{time}"
            record(root, range(given.recordings), given.seconds)
            for what, keep in (("nothing kept", False), ("kept", True)):
                out.mkdir()
                runs[what].append(measured(root, out, given.seconds, given.encoders, keep))
                if not keep:
                    shutil.rmtree(out)
            record(root, range(given.recordings, given.recordings + given.added), given.seconds)
            runs["added"].append(measured(root, out, given.seconds, given.encoders, True))
            shutil.rmtree(out)
    columns = ("what", "first run, s", "first run that keeps, s", "ratio", f"{given.added} added, s", "computed")
    table = Table(given.out, "growing", *columns)
    for what in runs["kept"][0]:
        first, kept, added = (min(run[what][0] for run in each) for each in runs.values())
        computed = runs["added"][0][what][1]
        table.add(what, f"{first:.2f}", f"{kept:.2f}", f"{kept / first:.2f}", f"{added:.2f}", str(computed))


if __name__ == "__main__":
    main()
