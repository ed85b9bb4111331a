"""What code a result depends on: the files it imports, and the pinned versions of the libraries these use.

DVC does not follow imports. Stage ``check`` writes a fingerprint for each stage, which is that stage's dependency: an
edit reruns what imports the edited file, and nothing else. Comments, docstrings and blank lines are no part of it.
"""

import ast
import hashlib
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import own_source

STAGES = Path(__file__).resolve().parent
SOURCE = Path(own_source.SOURCE)
PINS = STAGES.parent / "requirements.txt"
# They read parameters, find files, check values, spread work and keep the books: no result depends on how.
BOOKKEEPING = {
    *(STAGES / name for name in ("cached.py", "check.py", "fingerprints.py", "own_source.py", "params.py", "paths.py")),
    *(
        SOURCE / "audioclust" / name
        for name in (
            "__init__.py",  # names what others import from the package
            "cache.py",
            "kinds.py",  # stage check writes down what it sets
            *(f"parallel/{name}.py" for name in ("__init__", "local", "on_ray")),
            "parameters.py",
            "registry.py",
            "results/costs.py",
            "results/files.py",
            "results/unfinished.py",
        )
    ),
}
IRRELEVANT = {"joblib", "pydantic", "pooch", "requests", "threadpoolctl", "tqdm"}  # libraries, for the same reason
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
DISTRIBUTIONS = {"faiss": "faiss-cpu", "fast_bss_eval": "fast-bss-eval", "sklearn": "scikit-learn"}


def item(kind: str, name: str) -> list[Path]:
    """Return the files of ``audioclust/<kind>/<name>``, a file or a folder."""
    path = SOURCE / "audioclust" / kind.replace(".", "/") / name
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def stage(name: str, *items: tuple[str, str]) -> str:
    """Return the fingerprint of a stage that runs ``items``, pairs of kind and name."""
    return fingerprint(STAGES / f"{name}.py", *(file for each in items for file in item(*each)))


def item_in_grid(kind: str, name: str) -> str:
    """Return the fingerprint of one reducer or clusterer and of what runs it."""
    return fingerprint(SOURCE / "audioclust/runs/grid.py", *item(kind, name))


def fingerprint(*entries: Path) -> str:
    """Return one line per file that ``entries`` import, directly or through others, and one per pinned library."""
    files = sorted(closure(*entries))
    lines = [f"{file.relative_to(SOURCE.parent).as_posix()} {_digest(file)}" for file in files]
    libraries = {library for file in files for library in _imports(file)[1]}
    return "\n".join([*lines, *sorted(filter(None, map(_pin, libraries)))]) + "\n"


def closure(*entries: Path) -> set[Path]:
    """Return ``entries`` and all files of the project that they import, without the bookkeeping."""
    found: set[Path] = set()
    waiting = list(entries)
    while waiting:
        file = waiting.pop()
        if file not in found and file not in BOOKKEEPING:
            found.add(file)
            waiting += _imports(file)[0]
    return found


@cache
def _imports(file: Path) -> tuple[frozenset[Path], frozenset[str]]:
    """Return the project's files that ``file`` imports, and the names of other packages."""
    files, packages = set(), set()
    for node in _nodes(file.read_text(encoding="utf-8")):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] == "audioclust":
                files |= _files(name)
            elif (STAGES / f"{name.partition('.')[0]}.py").is_file():
                files.add(STAGES / f"{name.partition('.')[0]}.py")
            else:
                packages.add(name.partition(".")[0])
    return frozenset(files), frozenset(packages)


def _files(name: str) -> set[Path]:
    """Return the files that importing ``audioclust.a.b.c`` runs; the last part may be a name inside of ``b``."""
    found, path = set(), SOURCE
    for part in name.split("."):
        path = path / part
        found |= {file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()}
    return found


@cache
def _digest(file: Path) -> str:
    return hashlib.blake2b(essence(file.read_text(encoding="utf-8")).encode(), digest_size=12).hexdigest()


def essence(source: str) -> str:
    """Return Python source without comments, docstrings and blank lines."""
    lines, kept = source.split("\n"), set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    scopes = [node for node in _nodes(source) if isinstance(node, DOCUMENTED)]
    docstrings = [node.body[0].value for node in scopes if ast.get_docstring(node, clean=False)]
    for node in docstrings:
        if not lines[node.lineno - 1][: node.col_offset].strip():
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    for node in _nodes(source):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node not in docstrings:
            kept.update(range(node.lineno, node.end_lineno))  # blank lines inside of a string
    return "\n".join(line.rstrip() for row, line in enumerate(lines) if line.strip() or row in kept)


@cache
def _nodes(source: str) -> list[ast.AST]:
    """Return the nodes of the syntax tree."""
    return list(ast.walk(ast.parse(source)))


@cache
def _pin(package: str) -> str | None:
    """Return the line of ``requirements.txt`` that pins an imported package, without a local version (``+cpu``)."""
    name = DISTRIBUTIONS.get(package.lower(), package.lower())
    if name in IRRELEVANT:
        return None
    pin = re.search(rf"^{re.escape(name)}==[^\s;+]+", PINS.read_text(encoding="utf-8"), re.MULTILINE | re.IGNORECASE)
    return pin and pin[0]
