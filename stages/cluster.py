"""Cluster a folder of recordings and say what was found: ``make cluster FOLDER=/path [K=8] [KIND=words]``.

It is ``dvc exp run -S folder.path=/path -S k=8 report`` with the path quoted as DVC wants it, without the networks that
are trained on the recordings, which take most of the time, and with the paragraph of stage ``report`` at the end.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys

import own_source  # noqa: F401
from audioclust import registry
from audioclust.parameters import types
from audioclust.report import edits
from params import Params, run
from paths import CLUSTERS, EDITS

BACK = "git checkout params.yaml dvc.lock metrics plots && dvc checkout"


def main() -> None:
    parser = argparse.ArgumentParser(prog="cluster.py", description="Cluster a folder of recordings.")
    parser.add_argument("folder", help="of the recordings")
    parser.add_argument("-k", default="auto", help="number of clusters; auto: of the classes, or 10 without labels")
    parser.add_argument("--kind", default="any", help="what is to be heard: words, voices, sounds, music, any")
    given = parser.parse_args()
    wanted = edits.read(EDITS)
    if wanted.number():
        print(f"{EDITS} is applied at the end; for other recordings keep a copy of it and run git checkout {EDITS}")
    command = ["dvc", "exp", "run", *_changes(_folder(given.folder), given.k, given.kind), "report"]
    print("$", shlex.join(command), flush=True)
    status = subprocess.run(command).returncode
    if not status:
        print(f"\n{(CLUSTERS / 'report.txt').read_text(encoding='utf-8')}")
    print(f"This is an experiment of DVC's, and params.yaml is changed. Back to what is committed: {BACK}")
    if status:
        sys.exit(status)


def _changes(folder: str, k: str, kind: str) -> list[str]:
    """Return what ``dvc exp run`` changes of params.yaml: no network is trained."""
    changes = [f"folder.path={quoted(folder)}", f"k={k}", f"kind={kind}", "pretexts=[]"]
    if k != "auto":  # who names a number wants none of those that find another one
        given = Params().items("clusterers")
        told = [name for name in given if "k" in types(registry.get(registry.clusterer_room(name), name))]
        changes.append(f"clusterers=[{','.join(told)}]")
    changes += [f"~{room}.{name}" for room in ("methods", "pairs") for name in getattr(Params(), room)()]
    return [part for change in changes for part in ("-S", change)]


def _folder(given: str) -> str:
    """Return the folder, of the user's home where that was left to us."""
    if "${" in given:
        raise ValueError(f"FOLDER = {given}: DVC would replace the ${{...}}: rename the folder, or link to it")
    return given if os.path.exists(given) else os.path.expanduser(given)


def quoted(text: str) -> str:
    """Return a text as the grammar of ``-S`` takes it: in double quotes, these and backslashes before them escaped."""
    return '"' + re.sub(r'(\\*)("|\Z)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), text) + '"'


if __name__ == "__main__":
    run(main)
