"""Tables of runs that recipes kept, one ``metrics/table.csv`` per set."""

from pathlib import Path

import pandas as pd


def read(path: str) -> pd.DataFrame:
    """Return a table.

    Raises:
        FileNotFoundError: it is not there.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; a recipe that prints this keeps it, see recipes/_grids.sh")
    return pd.read_csv(path)
