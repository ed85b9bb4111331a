"""Any folder of recordings: the user's own, labelled or not.

Labels come from a table ``labels.csv`` (path,label[,group], paths relative to the folder), else from the first level of
subfolders, else there are none. With a table, only the recordings that it lists are used.
"""

from pathlib import Path
from typing import Literal

import pandas as pd

from audioclust.datasets import _layout

LICENSE = "the user's"
CITATION = ""
LABELS = ("label",)
ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au")


def recordings(
    root: Path, *, labels: Literal["auto", "subfolders", "csv", "none"] = "auto", csv: str = "labels.csv"
) -> pd.DataFrame:
    """Return path, group and label of every recording below ``root``.

    Args:
        root: the folder.
        labels: where labels come from; "auto" takes the table if it is there, else subfolders if all recordings lie in
            some, else none.
        csv: the table's name, relative to ``root``.

    Raises:
        FileNotFoundError: no such folder, no recordings in it, or none where the table says so.
        ValueError: the table lacks a column or lists a recording twice.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"data.root = {root}: no such folder")
    if labels == "csv" or (labels == "auto" and (root / csv).is_file()):
        return _layout.table(_from_csv(root, root / csv), LABELS)
    paths = sorted(path.relative_to(root) for path in root.rglob("*") if _is_recording(path, root))
    if not paths:
        raise FileNotFoundError(f"folder: no recordings below {root}; looked for {', '.join(ENDINGS)}")
    subfolders = labels == "subfolders" or (labels == "auto" and all(len(path.parts) > 1 for path in paths))
    rows = [
        {"path": path.as_posix(), "group": "", "label": path.parts[0] if subfolders and len(path.parts) > 1 else ""}
        for path in paths
    ]
    return _layout.table(rows, LABELS)


def _is_recording(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in ENDINGS and not hidden and path.is_file()


def _from_csv(root: Path, file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        raise FileNotFoundError(f"folder.csv = {file.name}: no such file in {root}")
    listed = pd.read_csv(file, dtype=str, keep_default_na=False)
    missing = {"path", "label"} - set(listed.columns)
    if missing:
        raise ValueError(f"{file}: the column {min(missing)!r} is missing; it has {', '.join(listed.columns)}")
    twice = listed["path"][listed["path"].duplicated()]
    if len(twice):
        raise ValueError(f"{file}: lists {twice.iloc[0]!r} twice ({len(twice)} such rows)")
    absent = [path for path in listed["path"] if not (root / path).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{file}: {len(absent)} of {len(listed)} files are not there, the first is {absent[0]!r}"
        )
    if not len(listed):
        raise FileNotFoundError(f"{file}: lists no recordings")
    group = listed["group"] if "group" in listed else pd.Series("", index=listed.index)
    return [{"path": p, "group": g, "label": x} for p, g, x in zip(listed["path"], group, listed["label"], strict=True)]
