"""Print runs on several sets beside each other: ``python stages/sets.py SET=FILE...``

Each file is a ``metrics/table.csv`` that was kept, as recipes that run set after set leave them.
"""

import sys

import kept
import own_source  # noqa: F401
from audioclust.report import sets
from params import run


def main() -> None:
    tables = {}
    for argument in sys.argv[1:]:
        name, given, path = argument.partition("=")
        if not (name and given and path):
            raise ValueError(f"{argument!r}: must be SET=FILE, as in digits=table.csv")
        tables[name] = kept.read(path)
    if not tables:
        raise ValueError("no table is named: give some as SET=FILE")
    print(sets.leaders(tables))
    print(sets.rows(tables))


if __name__ == "__main__":
    run(main)
