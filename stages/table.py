"""Print the table with the seconds and peak memory of this machine's last run: ``make table``."""

import pandas as pd

import own_source  # noqa: F401
from audioclust import registry
from audioclust.report import table
from params import run
from paths import COSTS, METRICS


def main() -> None:
    path = METRICS / "table.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `make repro` writes it")
    result = pd.read_csv(path)
    print(table.markdown(result, table.spent(COSTS)), *table.warnings(result, registry.names("methods")), sep="\n")


if __name__ == "__main__":
    run(main)
