"""What `dvc repro` costs beside its computing: every stage anew, then once more with nothing to do.

    python benchmarks/repro.py [--out FOLDER]

Run it in a clone of its own, on a machine that does nothing else: it deletes `.scratch`, and `dvc.lock` changes where
the results of this machine differ. The computing is what the stages measured of themselves (`.scratch/costs`):
trainings side by side count as the longest of them, the grid's cells as their sum over the cores. The rest is DVC,
imports and the start of processes.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from tables import Table

SCRATCH = Path(".scratch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder for a CSV file")
    table = Table(parser.parse_args().out, "repro", "run", "wall s", "CPU s", "wall / CPU", "computing s", "overhead")
    shutil.rmtree(SCRATCH, ignore_errors=True)
    wall, cpu = timed("dvc", "repro", "-q", "-f", "--no-run-cache")
    computing = sum(map(seconds, sorted((SCRATCH / "costs").glob("*.json"))))
    share = f"{1 - computing / wall:.0%}"
    table.add("all stages", f"{wall:.0f}", f"{cpu:.0f}", f"{wall / cpu:.2f}", f"{computing:.0f}", share)
    wall, cpu = timed("dvc", "repro", "-q")
    table.add("nothing to do", f"{wall:.1f}", f"{cpu:.1f}", f"{wall / cpu:.2f}", "0", "")


def timed(*command: str) -> tuple[float, float]:
    """Run a command; return its seconds by the clock and of the CPU, its children's with them."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def seconds(path: Path) -> float:
    """Return how long a stage computed, by the file of its costs."""
    spent = [cost["seconds"] for cost in json.loads(path.read_text(encoding="utf-8"))]
    return sum(spent) / (os.cpu_count() or 1) if path.name.startswith("grid") else max(spent)


if __name__ == "__main__":
    main()
