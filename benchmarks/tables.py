"""A benchmark's table: Markdown on the terminal and, with ``--out FOLDER``, the same rows as ``FOLDER/<name>.csv``."""

import csv
from pathlib import Path


class Table:
    """A table that grows row by row, on the terminal and in its file, so that a run cut short keeps what it has.

    Args:
        folder: of the CSV file, which is replaced; None: there is none.
        name: of the file, without ``.csv``.
        columns: their names, each of them once.
    """

    def __init__(self, folder: Path | None, name: str, *columns: str):
        self.path = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / f"{name}.csv"
            self.path.unlink(missing_ok=True)
        print()
        self.add(*columns)
        print("|" + "---|" * len(columns), flush=True)

    def add(self, *cells: str) -> None:
        print(f"| {' | '.join(cells)} |", flush=True)
        if self.path is not None:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(cells)
