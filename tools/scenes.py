"""Write the table of scenes into README.md and docs/RESULTS.md, of `metrics/table.csv`: `python tools/scenes.py`.

Of each encoder the cell with the highest AMI, and the deep methods. Run it after a `dvc repro` that moved scores, and
read what the pages say around the table: `git diff --word-diff` shows which figures moved.
"""

import csv
from pathlib import Path

import yaml

PAGES = ("README.md", "docs/RESULTS.md")
HEAD = "| encoder | reducer | clusterer | weights | AMI | NMI | ACC | choice |"
SCORES = ("ami", "nmi", "acc", "choice")


def rows(path: str | Path = "metrics/table.csv") -> list[str]:
    """Return the lines of the table's body, the highest AMI first."""
    with open(path, newline="", encoding="utf-8") as file:
        cells = [cell for cell in csv.DictReader(file) if cell["ami_mean"]]
    for cell in cells:
        cell["weights"] = cell["weights"].partition(";")[0]  # without the licence
    methods = yaml.safe_load(Path(__file__).parents[1].joinpath("params.yaml").read_text(encoding="utf-8"))["methods"]
    cells.sort(key=lambda cell: -float(cell["ami_mean"]))
    first = {cell["encoder"]: cell for cell in reversed(cells)}
    shown = [cell for cell in cells if cell["clusterer"] in methods or cell is first[cell["encoder"]]]
    names = ("encoder", "reducer", "clusterer", "weights")
    return [f"| {' | '.join([*map(cell.get, names), *(_score(cell, name) for name in SCORES)])} |" for cell in shown]


def _score(cell: dict[str, str], name: str) -> str:
    mean, deviation = float(cell[f"{name}_mean"]), float(cell[f"{name}_std"] or 0)
    return f"{mean:.3f}" + (f" ± {deviation:.3f}" if deviation >= 0.0005 else "")


def replaced(page: str, body: list[str]) -> str:
    """Return a page with another body of its table."""
    lines = page.splitlines()
    start = lines.index(HEAD) + 2
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("|"))
    return "\n".join([*lines[:start], *body, *lines[end:]]) + "\n"


if __name__ == "__main__":
    for name in PAGES:
        Path(name).write_text(replaced(Path(name).read_text(encoding="utf-8"), rows()), encoding="utf-8")
