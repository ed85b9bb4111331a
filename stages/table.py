"""Print the table with the seconds and peak memory of this machine's last run: ``make table``.

Under it stands what the sources print for the deep methods that ran.
"""

import pandas as pd

import own_source  # noqa: F401
from audioclust import registry
from audioclust.report import literature, table
from params import run
from paths import COSTS, FIGURES, METRICS


def main() -> None:
    path = METRICS / "table.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `make repro` writes it")
    result = pd.read_csv(path)
    methods = registry.names("methods")
    print(table.markdown(result, table.spent(COSTS)), *table.remarks(result, methods), sep="\n")
    print(literature.beside(result, literature.read(FIGURES), methods), end="")


if __name__ == "__main__":
    run(main)
