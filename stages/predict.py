"""Which cluster other recordings lie in, by any cell of the table, as CSV:

    python stages/predict.py new.wav folder/ > clusters.csv
    python stages/predict.py --cell aisfx/tsne/spectral/0 --out clusters.csv new.wav
    python stages/predict.py --model elsewhere/model new.wav

Without ``--cell`` and ``--model`` it is the cell that stage ``report`` has reported, with the names of its clusters.

A line per recording that cannot be used goes to the standard error; the exit status is then 3.
"""

import argparse
import math
import os
import sys
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import own_source  # noqa: F401
from audioclust.results import files
from audioclust.runs.predict.export import Predict, fitted
from audioclust.runs.predict.model import COLUMNS, Model, Part
from audioclust.runs.predict.saved import load
from params import Params, run
from paths import MODEL, SCRATCH

UNUSABLE = 3  # exit status: some recordings have no cluster


def main() -> None:
    given = _arguments()
    with ExitStack() as stack:
        out = _whole(stack, given.out) if given.out else sys.stdout
        stack.enter_context(redirect_stdout(sys.stderr))  # what else is said is no row
        model = _of_project(given.cell) if given.cell else load(given.model)
        scratch = None if given.model != MODEL else SCRATCH / "predict"
        if scratch:
            scratch.mkdir(parents=True, exist_ok=True)
        try:
            lost = _write(model.parts(given.recordings, limit=given.limit, scratch=scratch), out)
        except BrokenPipeError:  # its reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
            lost = False
    if lost:
        sys.exit(UNUSABLE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description="Print the clusters of recordings as CSV.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cell", help="encoder/reducer/clusterer[/seed] of the table, or best")
    which.add_argument("--model", type=Path, default=MODEL, help="the folder of a model, data/model if none is named")
    parser.add_argument("--limit", type=_limit, help="distance beyond which a clip belongs to no cluster")
    parser.add_argument("--out", type=Path, help="a file to write in the place of the standard output")
    parser.add_argument("recordings", nargs="+", type=Path, help="recordings, and folders of them")
    return parser.parse_args()


def _limit(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text}: must be a number above 0")
    return value


def _whole(stack: ExitStack, path: Path) -> TextIO:
    """Return a file that takes its name at the end."""
    stream = stack.enter_context(files.whole(path))
    return stack.enter_context(os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", newline=""))


def _of_project(cell: str) -> Model:
    import fitted as project

    params = Params()
    outputs = project.outputs(params)
    limit = Predict(**params.section("predict", Predict)).limit
    return fitted(outputs, *outputs.find(project.named(cell)), limit=limit)


def _write(parts: Any, out: TextIO) -> bool:
    """Write rows as they are found; tell whether a recording has none, and say why."""
    lost, head = False, True
    for part in parts:
        part.clips.to_csv(out, columns=list(COLUMNS), header=head, index=False, lineterminator="\n")
        out.flush()
        head = False
        lost |= _said(part)
    return lost


def _said(part: Part) -> bool:
    """Say what has no cluster; tell whether whole recordings have none."""
    used, lost = {*part.clips["path"]}, False
    for path, start, reason in part.refused:
        where = f"{path}: at {start:g} s: " if path in used else f"{path}: "
        print(f"{where}{reason}", file=sys.stderr)
        lost |= path not in used
    return lost


if __name__ == "__main__":
    run(main)
