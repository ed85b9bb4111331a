"""Seconds and peak memory of a piece of work, kept in a side file: they differ from run to run by nature."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audioclust.results import files


@contextmanager
def measured(**names: Any) -> Iterator[dict[str, Any]]:
    """Yield a dict that holds ``names`` and, after the block, ``seconds`` and ``peak_mb``.

    Seconds that the block puts there, of work done before in another process, are added to its own. ``peak_mb`` is the
    largest resident memory of this process so far, in MB.
    """
    cost = dict(names)
    start = time.perf_counter()
    yield cost
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    cost["seconds"] = round(cost.get("seconds", 0) + time.perf_counter() - start, 3)
    cost["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)


def write(folder: Path, stage: str, costs: list[dict[str, Any]]) -> None:
    """Write the costs of one stage to ``folder/<stage>.json``."""
    files.write_text(folder / f"{stage}.json", json.dumps(costs, indent=1) + "\n")


def read(folder: Path, prefix: str = "") -> list[dict[str, Any]]:
    """Return the costs of all stages whose names begin with ``prefix``, with ``stage``."""
    return [
        {"stage": path.stem, **cost}
        for path in sorted(folder.glob(f"{prefix}*.json"))
        for cost in json.loads(path.read_text(encoding="utf-8"))
    ]
