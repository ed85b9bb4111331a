"""Print the table with the seconds and peak memory of this machine's last run: ``make table``."""

import pandas as pd

from audioclust import costs, table
from params import run
from paths import COSTS, METRICS


def main() -> None:
    path = METRICS / "table.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `make repro` writes it")
    print(table.markdown(pd.read_csv(path), pd.DataFrame([*costs.read(COSTS, "baseline"), *costs.read(COSTS, "deep")])))


if __name__ == "__main__":
    run(main)
