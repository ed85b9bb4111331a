"""Fails where a committed score is not reproduced: ``metrics/table.csv`` as committed against the one just written.

On one machine the two files are equal byte for byte. On another one float sums round differently, and a cell may then
end in another local optimum, as it does under another seed; so a cell may differ by FACTOR times its own standard
deviation over seeds, and by FLOOR at least (a deterministic cell has no spread of its own, yet DBSCAN or MeanShift
move by a few clips when a chosen eps or bandwidth moves in its last digits).
"""

import io
import subprocess
import sys

import pandas as pd

FLOOR = 0.05
FACTOR = 4.0
KEY = ["encoder", "reducer", "clusterer"]
SCORES = ["nmi", "ari", "acc"]


def main() -> int:
    shown = subprocess.run(["git", "show", "HEAD:metrics/table.csv"], capture_output=True, text=True, check=True)
    committed = pd.read_csv(io.StringIO(shown.stdout)).set_index(KEY)
    computed = pd.read_csv("metrics/table.csv").set_index(KEY)
    if set(committed.index) != set(computed.index):
        print(f"cells differ: {sorted(set(committed.index) ^ set(computed.index))}")
        return 1
    computed = computed.loc[committed.index]
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
