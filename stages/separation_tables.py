"""Print the tables of separation over several runs: ``python stages/separation_tables.py [FILE|EXPERIMENT|COMMIT]...``

Each argument is a ``metrics/separation.csv`` that was kept, an experiment of ``dvc exp show``, or a commit. The file of
the workspace, if there is one, comes last.
"""

import io
import sys
from pathlib import Path

import pandas as pd

import experiments
import own_source  # noqa: F401
from audioclust.report import separation
from params import run
from paths import METRICS

TABLE = METRICS / "separation.csv"


def main() -> None:
    texts = [_text(name) for name in sys.argv[1:]]
    if TABLE.is_file():
        texts.append(TABLE.read_text(encoding="utf-8"))
    if not texts:
        raise FileNotFoundError(f"{TABLE}: no such file; `dvc repro separate` writes it, or name an experiment")
    # A run may be named and in the workspace, and runs have their baselines in common.
    tables = pd.concat([separation.read(io.StringIO(text)) for text in texts], ignore_index=True)
    print(separation.markdown(tables.drop_duplicates()))


def _text(name: str) -> str:
    """Return a table: the content of a file, or what an experiment or a commit holds."""
    if Path(name).is_file():
        return Path(name).read_text(encoding="utf-8")
    try:
        return experiments.kept(name, TABLE)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: neither a file nor an experiment or commit with {TABLE}") from error


if __name__ == "__main__":
    run(main)
