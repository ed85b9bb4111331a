"""The rooms of the library: imports go down the list, and no room is a drawer."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src/audioclust"
# From the top: a room imports from itself and from those below it. docs/ARCHITECTURE.md says what each is for.
ROOMS = [
    "runs", "methods", "pretext", "separation", "report", "reducers", "clusterers", "encoders", "datasets", "synthesis",
    "clips", "training", "views", "networks", "points", "results", "registry", "parallel", "cache", "devices",
    "threads", "parameters", "kinds",
]  # fmt: skip


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the rooms that a file imports from, other than its own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "audioclust":
            parts = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            found |= set(parts)
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("audioclust.")}
    return found - {room(path)}


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_imports_go_down(path):
    assert imported(path) <= set(ROOMS[ROOMS.index(room(path)) + 1 :])


def test_every_room_is_in_the_list_and_described():
    assert {room(path) for path in FILES} == set(ROOMS)
    described = (SOURCE.parents[1] / "docs/ARCHITECTURE.md").read_text()
    assert [name for name in ROOMS if f"`{name}" not in described] == []
