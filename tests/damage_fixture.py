"""Damage to kept files, each kind that disks and hands do: none of them may be taken for what was written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

KINDS = ("a bit flipped", "a byte changed", "cut", "zeros", "swapped")


def damage(path: Path, other: Path, rng: np.random.Generator) -> str:
    """Damage a file at random, or swap it with another one of its kind; return what was done. The bytes do change."""
    kind, data = str(rng.choice(KINDS)), bytearray(path.read_bytes())
    place = int(rng.integers(len(data)))
    if kind == "swapped":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif kind == "cut":
        path.write_bytes(data[:place])
    else:
        end = min(place + int(rng.integers(1, 64)), len(data)) if kind == "zeros" else place + 1
        data[place:end] = {
            "a bit flipped": lambda: bytes([data[place] ^ (1 << int(rng.integers(8)))]),
            "a byte changed": lambda: bytes([(data[place] + int(rng.integers(1, 256))) % 256]),
            "zeros": lambda: bytes(end - place),
        }[kind]()
        path.write_bytes(data)
    return kind


def accepted(paths: list[Path], read: Callable[[Path], object], times: int = 300) -> list[str]:
    """Damage files ``times`` times, one at a time; return the damages after which ``read`` gave something.

    Args:
        paths: files of one kind with different contents, at least two.
        read: returns None for a file that is damaged.
        times: how often.
    """
    rng, wrong = np.random.default_rng(0), []
    whole = {path: path.read_bytes() for path in paths}
    for _ in range(times):
        path, other = (paths[i] for i in rng.permutation(len(paths))[:2])
        kind = damage(path, other, rng)
        changed = path.read_bytes() != whole[path]  # zeros may have been there before
        if changed and read(path) is not None:
            wrong.append(kind)
        for each in (path, other):
            each.write_bytes(whole[each])
    return wrong
