"""Print a method's variants beside its source's figures: ``python stages/ablation.py METHOD [EXPERIMENT|COMMIT]...``

Without names it takes all experiments of the commit that is checked out, as a recipe's queue leaves them; those that
did not run the method are left out.
"""

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

import experiments
import own_source  # noqa: F401
from audioclust import registry
from audioclust.report import literature
from params import Params, run
from paths import FIGURES, METRICS

TABLE = METRICS / "table.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("method", choices=registry.names("methods"))
    parser.add_argument("runs", nargs="*", metavar="EXPERIMENT|COMMIT")
    given = parser.parse_args()
    names = given.runs or experiments.of_head()
    if not names:
        raise FileNotFoundError("no experiment of this commit; recipes/*_ablation.sh queue some, or name others")
    found = [_run(name, given.method) for name in names]
    runs = [each for each in found if each is not None]
    print(literature.ablation(runs, literature.read(FIGURES), given.method))


def _run(name: str, method: str) -> dict[str, Any] | None:
    """Return a run's parameters of the method and its table; None where it did not run the method."""
    with tempfile.TemporaryDirectory() as folder:  # what reads parameters reads a file
        path = Path(folder) / "params.yaml"
        path.write_text(experiments.kept(name, Path("params.yaml")), encoding="utf-8")
        params = Params(path)
    if method not in params.methods():
        return None
    section = params.section(method, registry.get("methods", method))
    return {"name": name, "section": section, "table": pd.read_csv(io.StringIO(experiments.kept(name, TABLE)))}


if __name__ == "__main__":
    run(main)
