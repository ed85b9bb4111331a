"""Any folder of recordings: the user's own, labelled or not.

Labels come from a table (``labels.csv``: path,label[,group], paths relative to the folder), else from the first level
of subfolders, else there are none. With a table, only the recordings that it lists are used, and its column
``transcript`` or ``caption`` is their text: such a table needs no column ``label``. Links are followed; hidden files
are skipped.
"""

import csv
import io
import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from audioclust.datasets import _layout
from audioclust.datasets._layout import ENDINGS
from audioclust.parameters import validate

LICENSE = "the user's"
CITATION = ""
LABELS = ("label",)
TABLE = "labels.csv"
TEXTS = ("transcript", "caption")  # columns of the table that hold texts; the first that is there is taken
MOST = 100  # subfolders; more are not taken for labels unasked
# No-break spaces become blanks, zero-width characters go.
UNSEEN = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ") | dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


@dataclass
class Folder:
    """``root`` is the folder: that of the section ``data``, or ``path``."""

    # The folder of the recordings; it takes the place of data.dataset and data.root
    path: Annotated[str, Field(min_length=1)] | None = None
    # "auto" takes the table where there is one, else the subfolders where every recording lies in one of 2 to 100, else
    # none. With "subfolders" a recording beside them has no label.
    labels: Literal["auto", "subfolders", "csv", "none"] = "auto"  # where labels come from
    csv: str | None = None  # the table, relative to the folder; None: ``labels.csv`` if it is there

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return path, group, label and, where the table has any, text of every recording below ``root``.

        Names that are no UTF-8 stand in ``path`` with surrogate escapes. ``attrs["other_files"]`` counts the files that
        are no recordings by their ending; ``attrs["said"]`` lists sentences to print: where labels and texts come from,
        and what is not used.

        Raises:
            FileNotFoundError: no such folder, no recordings in it, no table, or the table lists files that are absent.
            ValueError: the table is no UTF-8 or no CSV, lacks a column, lists a recording twice or one outside; there
                are no subfolders; or all labels are the same.
        """
        validate(self)
        if not root.is_dir():
            key = "folder.path" if self.path is not None and Path(self.path) == root else "data.root"
            raise FileNotFoundError(
                f"{key} = {root}: no such folder; set {key} to the folder of the recordings, in -S within double "
                f"quotes of its own: -S '{key}=\"/a (b), c\"'"
            )
        tree = _walk(root)
        file = root / (self.csv or TABLE)
        if self.labels == "csv" or (self.labels == "auto" and (self.csv is not None or file.is_file())):
            rows, said = _by_table(root, file, tree)
        else:
            rows, said = self._by_subfolder(root, tree)
        labels = {row["label"] for row in rows} - {""}
        if len(labels) == 1:
            raise ValueError(
                f"folder.labels = {self.labels}: every label is {labels.pop()!r} ({said[0]}), and one class is nothing "
                f"to compare clusters with; set folder.labels to none to cluster without labels"
            )
        table = _layout.table(rows, LABELS)
        tables = {TABLE, posixpath.normpath(self.csv or TABLE)}
        table.attrs["other_files"] = sum(path not in tables for path in tree.others)
        table.attrs["said"] = [*said, *_differ_by_case(labels), *tree.odd()]
        return table

    def _by_subfolder(self, root: Path, tree: "Tree") -> tuple[list[dict[str, str]], list[str]]:
        """Return the rows, and where their labels come from."""
        if not tree.recordings:
            endings = f"no recordings below {root}; looked for {', '.join(ENDINGS)} in any case"
            raise FileNotFoundError("; ".join([f"folder: {endings}", *tree.odd()]))
        labels = [_label(_layout.printable(path.split("/")[0])) if "/" in path else "" for path in tree.recordings]
        classes, held = len({*labels} - {""}), sum(map(bool, labels))
        if self.labels == "subfolders" and not classes:
            raise ValueError(f"folder.labels = subfolders: all recordings lie in {root} itself, none in a subfolder")
        if self.labels == "subfolders" or (self.labels == "auto" and held == len(labels) and 2 <= classes <= MOST):
            said = _from("labels", f"{classes} subfolders", labels)
        else:
            said = "labels: none"
            if self.labels == "auto":
                said += (
                    f"; folder.labels = auto takes 2 to {MOST} subfolders that hold all recordings, and here "
                    f"{classes} hold {held} of {len(labels)}"
                )
            labels = [""] * len(labels)
        rows = zip(tree.recordings, labels, strict=True)
        return [{"path": path, "group": "", "label": label} for path, label in rows], [said]


@dataclass
class Tree:
    """What lies below a folder: paths relative to it, with forward slashes."""

    recordings: list[str] = field(default_factory=list)  # by their ending
    others: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # links to nothing that are no recordings by their ending
    linked: list[str] = field(default_factory=list)  # links to folders
    circles: list[str] = field(default_factory=list)  # links to a folder that they lie in, not followed
    closed: list[str] = field(default_factory=list)  # folders that may not be read

    def odd(self) -> list[str]:
        """Return a sentence on each kind of thing that is not used, or not watched by DVC."""
        kinds = {
            "linked folders, behind which DVC sees no change (then run dvc repro -s -f prepare)": self.linked,
            "links that lead nowhere": self.broken,
            "links back to a folder that they lie in, not followed": self.circles,
            "folders that cannot be read": self.closed,
        }
        return [f"{kind}: {len(paths)}, the first is {min(paths)!r}" for kind, paths in kinds.items() if paths]


def _walk(root: Path) -> Tree:
    """Find what lies below ``root``, also behind links; the disk is asked once per folder, not once per file."""
    tree, left = Tree(), [("", frozenset())]
    while left:
        folder, above = left.pop()
        try:
            status = os.stat(root / folder)
            with os.scandir(root / folder) as entries:
                entries = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            tree.closed.append(folder or ".")
            continue
        here = (status.st_dev, status.st_ino)
        if here in above:
            tree.circles.append(folder)
            continue
        if folder and os.path.islink(root / folder):
            tree.linked.append(folder)
        for entry in entries:
            path = posixpath.join(folder, entry.name)
            # For a link in a circle of links is_dir raises, isdir does not.
            if os.path.isdir(entry) if entry.is_symlink() else entry.is_dir():
                left.append((path, above | {here}))
            elif entry.name.lower().endswith(ENDINGS):
                tree.recordings.append(path)
            elif entry.is_symlink() and not os.path.exists(entry):
                tree.broken.append(path)
            else:
                tree.others.append(path)
    return tree


def _by_table(root: Path, file: Path, tree: Tree) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the table's rows, checked, with paths as they stand on the disk; and where labels and texts are from."""
    (rows, column), known = _read(file), {*tree.recordings}
    alike = {_spelling(path): path for path in [*tree.others, *tree.recordings]}
    lines, absent = {}, []
    for row in rows:
        line, path = row["line"], posixpath.normpath(row["path"] or "/")
        if path == ".." or path.startswith(("/", "../")):
            raise ValueError(f"{file}: line {line}: the path {row['path']!r} must be relative to {root} and below it")
        if path not in known and not os.path.isfile(root / path):
            path = alike.get(_spelling(path))
        if path is None:
            absent.append(row)
            continue
        if lines.setdefault(path, line) != line:
            raise ValueError(f"{file}: lists {path!r} twice, in lines {lines[path]} and {line}; keep one of them")
        row["path"] = path
    if absent:
        raise FileNotFoundError(
            f"{file}: {len(absent)} of {len(rows)} files are not there, the first is {absent[0]['path']!r} in line "
            f"{absent[0]['line']}; paths are relative to {root}, with forward slashes; correct or remove these rows"
        )
    said = [_from("labels", file.name, [row["label"] for row in rows]), *_of_texts(column, file.name, rows)]
    unlisted = known - lines.keys()
    if unlisted:
        said.append(f"recordings that {file.name} does not list: {len(unlisted)}, the first is {min(unlisted)!r}")
    return rows, said


def _read(file: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Return line, path as it is written, label, group and text of each row; and the column of the texts, if any."""
    if not file.is_file():
        raise FileNotFoundError(f"folder.csv = {file.name}: no such file in {file.parent}")
    lines = _lines(file)
    header = [name.strip() for name in lines[0][1]] if lines else []
    column = next((name for name in TEXTS if name in header), None)
    needed = ["path"] if column else ["path", "label"]
    wrong = [name for name in needed if name not in header]
    wrong += [name for name in ("path", "label", "group", *TEXTS) if header.count(name) > 1]
    if wrong:
        raise ValueError(
            f"{file}: the column {wrong[0]!r} is missing or stands there twice; the first line must name "
            f"path,label[,group][,{'|'.join(TEXTS)}] with commas, it is {','.join(header)!r}"
        )
    if len(lines) == 1:
        raise FileNotFoundError(f"{file}: lists no recordings")
    rows = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise ValueError(
                f"{file}: line {line} has {len(fields)} fields, and the first line names {len(header)}: "
                f"{','.join(fields)!r}; put a value with a comma into double quotes, and fill up what is missing"
            )
        row = dict(zip(header, fields, strict=True))
        label, group, text = (_label(row.get(name, "")) for name in ("label", "group", column))
        rows.append({"line": line, "path": row["path"], "label": label, "group": group, _layout.TEXT: text})
    return rows, column


def _lines(file: Path) -> list[tuple[int, list[str]]]:
    """Return number and fields of each row that is not blank."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{file}: line {line}: the byte 0x{error.object[error.start]:02x} is no UTF-8; save the table as UTF-8 (in "
            f"Excel: CSV UTF-8)"
        ) from error
    for pattern, what in (("\0", "a NUL byte"), ("\r(?!\n)", "a carriage return without a line feed")):
        if found := re.search(pattern, text):
            line = text.count("\n", 0, found.start()) + 1
            raise ValueError(
                f"{file}: line {line} holds {what}; save the table as UTF-8 text with line ends LF or CRLF"
            )
    # Only LF ends a line here, or a quoted value would lose its own line ends.
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True, skipinitialspace=True)
    rows, line = [], 1
    try:
        for fields in reader:
            if any(map(str.strip, fields)):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{file}: line {line}: {error}; check the double quotes from there on") from error
    return rows


def _spelling(path: str) -> str:
    """Return what two spellings of a path share: tables lose blanks at its ends, and Macs write accents apart (NFD)."""
    return unicodedata.normalize("NFC", path.strip())


def _label(text: str) -> str:
    """Return a label or group without what cannot be seen, so that it makes no class of its own."""
    return unicodedata.normalize("NFC", text.translate(UNSEEN)).strip()


def _from(what: str, source: str, values: list[str]) -> str:
    """Return where labels or texts come from and how many recordings have none."""
    without = values.count("")
    return f"{what}: from {source}" + (f"; recordings without one: {without} of {len(values)}" if without else "")


def _of_texts(column: str | None, source: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return where texts come from, and a warning if they tell labels; nothing without a column of them."""
    if column is None:
        return []
    said = [_from("texts", f"column {column!r} of {source}", [row[_layout.TEXT] for row in rows])]
    told = sum(_holds(row[_layout.TEXT], row["label"]) for row in rows)
    if told:
        said.append(
            f"warning: texts that hold their own label as a word: {told} of {len(rows)}; scores of an encoder of texts "
            f"then tell little"
        )
    return said


def _holds(text: str, label: str) -> bool:
    """Tell whether a label stands in a text, in any case, other than within a word."""
    return bool(label and re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE))


def _differ_by_case(labels: Iterable[str]) -> list[str]:
    """Return a warning if labels differ by case alone."""
    alike = defaultdict(list)
    for label in sorted(labels):
        alike[label.casefold()].append(label)
    pairs = [" and ".join(map(repr, each)) for each in alike.values() if len(each) > 1]
    return [f"warning: labels that differ by case alone stay classes of their own: {', '.join(pairs)}"] if pairs else []
