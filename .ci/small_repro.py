"""Reproduce a part of the pipeline and fail where a committed score does not come out again.

The part: the frozen encoders, one encoder trained here and one method on it; and one model that separates, whose gains
may differ by DECIBELS. On one machine the scores are equal to the
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
SEPARATOR = "trio"
FLOOR = 0.05
FACTOR = 4.0
KEY = ["encoder", "reducer", "clusterer"]
SCORES = ["nmi", "ari", "acc"]
DECIBELS = 2.0  # by which a network that ended in another place separates better or worse
CELL = ["corpus", "model", "set", "count", "method", "part"]
PARAMS, TABLE, SEPARATION = Path("params.yaml"), Path("metrics/table.csv"), Path("metrics/separation.csv")


def main() -> int:
    committed, params = pd.read_csv(TABLE).set_index(KEY), PARAMS.read_bytes()
    gains, whole = separation(), yaml.safe_load(params)
    part = PART | {"separators": {SEPARATOR: whole["separators"][SEPARATOR]}}
    try:
        PARAMS.write_text(yaml.safe_dump(whole | part, sort_keys=False), encoding="utf-8")
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["dvc", "repro"], check=True, env=environment)
    finally:
        PARAMS.write_bytes(params)
    return max(compare(committed, pd.read_csv(TABLE).set_index(KEY)), compare_gains(gains, separation()))


def separation() -> pd.Series:
    """Return the gains in dB of the separator that is run here."""
    table = pd.read_csv(SEPARATION, keep_default_na=False)
    return table[table["model"] == SEPARATOR].set_index(CELL)["sdr_improvement"].astype(float)


def compare_gains(committed: pd.Series, computed: pd.Series) -> int:
    """Print how far the gains are from the committed ones; return 1 where it is too far."""
    if set(committed.index) != set(computed.index):
        print(f"cells of separation that differ: {sorted(set(committed.index) ^ set(computed.index))}")
        return 1
    worst = (committed - computed).abs().max()
    print(f"{len(committed)} gains of {SEPARATOR} compared, largest difference {worst:.2f} dB, {DECIBELS} allowed")
    return int(worst > DECIBELS)


def compare(committed: pd.DataFrame, computed: pd.DataFrame) -> int:
    """Print the cells whose scores are outside the tolerance; return 1 where there are any."""
    skipped = computed.index.get_level_values("clusterer") == "skipped"  # whose weights could not be fetched
    for encoder, *_ in computed.index[skipped]:
        print(f"{encoder} was skipped: {computed.loc[encoder, 'reason'].iloc[0]}")
    computed = computed[~skipped]
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
