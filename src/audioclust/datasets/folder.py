"""Any folder of recordings: the user's own, labelled or not.

Labels come from a table (``labels.csv``: path,label[,group], paths relative to the folder), else from the first level
of subfolders, else there are none. With a table, only the recordings that it lists are used. Hidden files are skipped.
"""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from audioclust.datasets import _layout
from audioclust.parameters import validate

LICENSE = "the user's"
CITATION = ""
LABELS = ("label",)
ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au")
TABLE = "labels.csv"


@dataclass
class Folder:
    """``root`` is the folder."""

    # "auto" takes the table where there is one, else the subfolders where recordings lie in two or more, else none. A
    # recording beside labelled subfolders has no label.
    labels: Literal["auto", "subfolders", "csv", "none"] = "auto"  # where labels come from
    csv: str | None = None  # the table, relative to the folder; None: ``labels.csv`` if it is there

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group and label of every recording below ``root``.

        Raises:
            FileNotFoundError: no such folder, no recordings in it, no table, or the table lists files that are absent.
            ValueError: the table lacks a column, lists a recording twice or one outside; or there are no subfolders.
        """
        validate(self)
        if not root.is_dir():
            raise FileNotFoundError(
                f"data.root = {root}: no such folder; set data.root to the folder of the recordings"
            )
        named = self.csv is not None or (root / TABLE).is_file()
        if self.labels == "csv" or (self.labels == "auto" and named):
            return _layout.table(_listed(root, root / (self.csv or TABLE)), LABELS)
        paths = list(_found(root))
        if not paths:
            raise FileNotFoundError(f"folder: no recordings below {root}; looked for {', '.join(ENDINGS)} in any case")
        labelled = self._labelled(root, paths)
        rows = [
            {"path": path, "group": "", "label": path.split("/")[0] if labelled and "/" in path else ""}
            for path in paths
        ]
        return _layout.table(rows, LABELS)

    def _labelled(self, root: Path, paths: list[str]) -> bool:
        """Tell whether subfolders are labels."""
        subfolders = {path.split("/")[0] for path in paths if "/" in path}
        if self.labels == "subfolders" and not subfolders:
            raise ValueError(f"folder.labels = subfolders: all recordings lie in {root} itself, none in a subfolder")
        return self.labels == "subfolders" or (self.labels == "auto" and len(subfolders) > 1)


def _found(root: Path) -> Iterator[str]:
    """Yield the recordings' paths below ``root``; os.walk asks the disk once per folder, not once per file."""
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield _layout.relative(Path(folder, name), root)


def _listed(root: Path, file: Path) -> list[dict[str, str]]:
    """Return the rows of the table, checked."""
    table = _read(file)
    table["path"] = [posixpath.normpath(path) if path else path for path in table["path"]]
    outside = table["path"][[not path or path.startswith(("/", "..")) for path in table["path"]]]
    if len(outside):
        raise ValueError(f"{file}: the path {outside.iloc[0]!r} must be relative to {root} and below it")
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise ValueError(f"{file}: lists {twice.iloc[0]!r} twice ({len(twice)} such rows); keep one row per recording")
    absent = [path for path in table["path"] if not (root / path).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{file}: {len(absent)} of {len(table)} files are not there, the first is {absent[0]!r}; paths are "
            f"relative to {root}; correct or remove these rows"
        )
    return table.to_dict("records")


def _read(file: Path) -> pd.DataFrame:
    """Return path, label and group as strings."""
    if not file.is_file():
        raise FileNotFoundError(f"folder.csv = {file.name}: no such file in {file.parent}")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, skipinitialspace=True, index_col=False)
    except ValueError as error:  # pandas' parser errors and wrong encodings
        raise ValueError(f"{file}: not readable as a UTF-8 table path,label[,group]: {error}") from error
    missing = [column for column in ("path", "label") if column not in table]
    if missing:
        raise ValueError(
            f"{file}: the column {missing[0]!r} is missing; the first line must name path,label[,group] with commas, "
            f"it is {','.join(map(str, table.columns))!r}"
        )
    if not len(table):
        raise FileNotFoundError(f"{file}: lists no recordings")
    if "group" not in table:
        table["group"] = ""
    return table[["path", "label", "group"]]
