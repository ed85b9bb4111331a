"""Reproduce a part of the pipeline and fail where a committed score does not come out again.

The part: the frozen encoders, one encoder trained here and one method on it. On one machine the scores are equal to the
last digit. On another one float sums round differently, and a cell may then end in another local optimum, as it does
under another seed; so a cell may differ by FACTOR times its own standard deviation over seeds, and by FLOOR at least (a
deterministic cell has no spread of its own, yet DBSCAN or MeanShift move by a few clips when a chosen eps or bandwidth
moves in its last digits).
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

PART = {"pretexts": ["simclr"], "methods": {"spice": "simclr"}}
FLOOR = 0.05
FACTOR = 4.0
KEY = ["encoder", "reducer", "clusterer"]
SCORES = ["nmi", "ari", "acc"]
PARAMS, TABLE = Path("params.yaml"), Path("metrics/table.csv")


def main() -> int:
    committed, params = pd.read_csv(TABLE).set_index(KEY), PARAMS.read_bytes()
    try:
        PARAMS.write_text(yaml.safe_dump(yaml.safe_load(params) | PART, sort_keys=False), encoding="utf-8")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["dvc", "repro"], check=True, env=environment)
    finally:
        PARAMS.write_bytes(params)
    return compare(committed, pd.read_csv(TABLE).set_index(KEY))


def compare(committed: pd.DataFrame, computed: pd.DataFrame) -> int:
    """Print the cells whose scores are outside the tolerance; return 1 where there are any."""
    unknown = set(computed.index) - set(committed.index)
    if unknown:
        print(f"cells that the committed table does not have: {sorted(unknown)}")
        return 1
    committed = committed.loc[computed.index]
    worst, failed = 0.0, 0
    for score in SCORES:
        spread = committed[f"{score}_std"].fillna(0).clip(lower=computed[f"{score}_std"].fillna(0))
        allowed = (FACTOR * spread).clip(lower=FLOOR)
        difference = (committed[f"{score}_mean"] - computed[f"{score}_mean"]).abs().fillna(0)
        worst = max(worst, difference.max())
        for cell in committed.index[difference > allowed]:
            failed += 1
            print(f"{'/'.join(cell)} {score}: off by {difference[cell]:.4f}, {allowed[cell]:.4f} allowed")
    print(f"{len(committed)} cells compared, largest difference {worst:.4f}, {failed} outside the tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
