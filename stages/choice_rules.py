"""Print what each rule of choosing without labels costs: ``python stages/choice_rules.py SET:LABELLING=FILE...``

Each file is a ``metrics/table.csv`` that was kept; ``recipes/choice.sh`` makes them.
"""

import re
import sys

import pandas as pd

import kept
import own_source  # noqa: F401
from audioclust.report import rules
from params import run

ARGUMENT = re.compile(r"([^:=]+):([^:=]+)=(.+)")


def main() -> None:
    sets: dict[str, dict[str, pd.DataFrame]] = {}
    for argument in sys.argv[1:]:
        named = ARGUMENT.fullmatch(argument)
        if named is None:
            raise ValueError(f"{argument!r}: must be SET:LABELLING=FILE, as in digits:speaker=table.csv")
        sets.setdefault(named[1], {})[named[2]] = kept.read(named[3])
    if not sets:
        raise ValueError("no table is named: give some as SET:LABELLING=FILE")
    found = rules.regrets(sets)
    print(rules.markdown(found))
    chosen = found[found["rule"] == "choice"]
    for row in chosen.to_dict("records"):
        print(f"{row['set']}: {row['cell']}, which follows {row['follows']}")


if __name__ == "__main__":
    run(main)
