"""Files as an experiment of ``dvc exp show`` or a commit holds them, read from Git."""

import subprocess
from pathlib import Path


def kept(name: str, path: Path) -> str:
    """Return a file's content.

    Args:
        name: an experiment or a commit.
        path: relative to the folder that the program runs in.

    Raises:
        FileNotFoundError: neither is there, or it has no such file.
    """
    commit = next((ref for ref in _refs() if ref.endswith(f"/{name}")), name)
    found = _git("show", f"{commit}:./{path.as_posix()}")
    if found.returncode:
        raise FileNotFoundError(f"{name}: no experiment or commit with {path} ({found.stderr.strip()})")
    return found.stdout


def of_head() -> list[str]:
    """Return the names of the experiments of the commit that is checked out, the oldest first."""
    head = _git("rev-parse", "HEAD").stdout.strip()
    # DVC keeps an experiment as refs/exps/<2 digits of the commit that it began from>/<the others>/<name>.
    return [ref.rpartition("/")[2] for ref in _refs() if ref.startswith(f"refs/exps/{head[:2]}/{head[2:]}/")]


def _refs() -> list[str]:
    return _git("for-each-ref", "--sort=committerdate", "--format=%(refname)", "refs/exps").stdout.split()


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("git", *arguments), capture_output=True, encoding="utf-8")
