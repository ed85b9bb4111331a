"""A deep clustering method on two encoders' embeddings, one model per seed. Run by ``dvc repro pair@cmsc_dcca`` as
``python stages/pair.py cmsc_dcca byol_a_random text``."""

import sys

import deep
import own_source  # noqa: F401
from params import run


def main() -> None:
    name, one, other = sys.argv[1:]
    deep.train("pair", name, one, other)


if __name__ == "__main__":
    run(main)
