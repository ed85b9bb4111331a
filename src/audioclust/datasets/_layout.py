"""What the corpora's loaders share: finding a corpus under a folder and laying out its table."""

import os
from pathlib import Path

import pandas as pd


def find(root: Path, marker: str, names: tuple[str, ...], corpus: str) -> Path:
    """Return the folder that holds ``marker``: ``root`` itself or one of ``names`` below it.

    Raises:
        FileNotFoundError: names what was looked for, where, and the way out.
    """
    for folder in (root, *(root / name for name in names)):
        if (folder / marker).exists():
            return folder
    below = f" nor in its {', '.join(names)}" if names else ""
    raise FileNotFoundError(
        f"{corpus}: no {marker} in {root}{below}; set data.root to the corpus' folder, or to an empty one to fetch it"
    )


def table(rows: list[dict[str, str]], labels: tuple[str, ...]) -> pd.DataFrame:
    """Return path, group and the labellings as strings, sorted by path."""
    frame = pd.DataFrame(rows, columns=["path", "group", *labels]).fillna("").astype(str)
    return frame.sort_values("path", ignore_index=True)


def relative(path: Path, root: Path) -> str:
    """Return ``path`` below ``root`` with forward slashes."""
    return path.relative_to(root).as_posix()


def printable(name: str) -> str:
    """Return a name on the disk with those of its bytes escaped that are no UTF-8: ``\\xe9``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
