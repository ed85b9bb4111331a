"""What the corpora's loaders share: finding a corpus under a folder and laying out its table."""

import os
from pathlib import Path

import pandas as pd

ENDINGS = (
    ".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".m4a", ".m4b", ".mp4", ".aac",
    ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".wma", ".webm", ".mka", ".mkv", ".amr", ".ac3", ".3gp", ".wv",
    ".mov", ".avi", ".ts",
)  # fmt: skip
TEXT = "text"  # the column of what is said or written of a recording; it is no labelling


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
    """Return path, group, the labellings and, where a row has one, the text, as strings, sorted by path.

    A text stands on one line: runs of white space become one blank.
    """
    texts = [" ".join(row.get(TEXT, "").split()) for row in rows]
    frame = pd.DataFrame(rows, columns=["path", "group", *labels]).fillna("").astype(str)
    if any(texts):
        frame[TEXT] = texts
    return frame.sort_values("path", ignore_index=True)


def relative(path: Path, root: Path) -> str:
    """Return ``path`` below ``root`` with forward slashes."""
    return path.relative_to(root).as_posix()


def a_recording(root: Path, passed_over: set[str]) -> str | None:
    """Return the path below ``root`` of a recording, by its ending, that is not in one of some folders in ``root``.

    Linked folders are looked into, hidden ones are not. None where there is none.
    """
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # a link in a circle
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        left = {name for name in folders if not name.startswith(".")}
        folders[:] = sorted(left - passed_over if Path(folder) == root else left)
        for name in sorted(files):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                return relative(Path(folder, name), root)
    return None


def printable(name: str) -> str:
    """Return a name on the disk, what is no UTF-8 and what splits a row of a table escaped: ``\\xe9``, ``\\r``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\r", "\\r")
