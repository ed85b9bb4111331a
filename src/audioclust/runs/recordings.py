"""The recordings: found, fetched where they are not there, and listed with what their files hold.

DVC sees from the list what has changed. Its own dependency on a folder would stop at a name that is no UTF-8 and at a
link to nothing, would not look behind linked folders, and would change while a set is fetched.
"""

import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from audioclust.datasets._layout import printable

STAMP = ["bytes", "changed", "inode"]  # what changes when a file is edited or replaced


@dataclass
class Source:
    """Where recordings come from."""

    dataset: str  # a file of audioclust/datasets
    root: str = "data/raw"  # the folder of the recordings; public sets are fetched into it

    def find(self, dataset: Any, project: Path = Path()) -> tuple[Path, pd.DataFrame]:
        """Return the folder of the recordings and their list; a set that can be fetched (or rendered) is, if need be.

        Args:
            dataset: an instance of the data set's class.
            project: the working tree that this one is a copy of, as a queued experiment's is: the recordings are read
                there. What is not there, such as a set rendered with the experiment's parameters, comes into the copy.

        Raises:
            FileNotFoundError: the folder does not exist, or holds none and nothing can be fetched.
        """
        here = Path(self.root)
        if not here.is_absolute() and project.resolve() != Path().resolve():
            try:
                return project / here, dataset.recordings(project / here)
            except FileNotFoundError:
                if not hasattr(dataset, "download"):
                    raise
        try:
            return here, dataset.recordings(here)
        except FileNotFoundError:
            # A folder that does not exist is a slip of the pen, not a wish for gigabytes.
            if not hasattr(dataset, "download") or not here.is_dir():
                raise
        dataset.download(here)
        return here, dataset.recordings(here)


def write(recordings: pd.DataFrame, root: Path, out: Path, known: Path) -> str:
    """Write ``recordings.csv``, the list; ``files.csv``, what each file holds; and ``info.json``, which counts.

    Args:
        recordings: as a data set lists them, paths relative to ``root``.
        root: the folder of the recordings.
        out: the folder to write to.
        known: a file that keeps digests for the next time: a file whose ``STAMP`` is the same is not read again.

    Returns:
        How many there are, in a sentence.
    """
    paths = [os.path.join(root, path) for path in recordings["path"]]
    stamps = pd.DataFrame([_stamp(path) for path in paths], columns=STAMP)
    listed = recordings.assign(path=[printable(path) for path in recordings["path"]])
    files = listed[["path"]].assign(bytes=stamps["bytes"], digest=_digests(paths, stamps, known))
    total, others = int(stamps["bytes"].sum()), int(recordings.attrs.get("other_files", 0))
    info = {"recordings": len(files), "bytes": total, "other_files": others}
    out.mkdir(parents=True, exist_ok=True)
    for name, table in (("recordings", listed), ("files", files)):
        _replace(out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    _replace(out / "info.json", json.dumps(info, indent=1, sort_keys=True) + "\n")
    return f"{len(files)} recordings, {total / 1e6:.1f} MB, in {root}"


def _stamp(path: str) -> tuple[int, int, int]:
    """Return ``STAMP`` of a file; zeros for what is none or cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return (found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else (0, 0, 0)


def _digests(paths: list[str], stamps: pd.DataFrame, known: Path) -> list[str]:
    """Return a hash of what each file holds, "" for what cannot be read."""
    names = [printable(os.path.abspath(path)) for path in paths]
    keys = list(zip(names, *(stamps[name] for name in STAMP), strict=True))
    kept = _read(known)
    new = [i for i, key in enumerate(keys) if key not in kept]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashlib lets other threads run
        fresh = dict(zip(new, threads.map(_digest, [paths[i] for i in new]), strict=True))
    digests = [fresh[i] if i in fresh else kept[key] for i, key in enumerate(keys)]
    if new:
        kept |= {key: digest for key, digest in zip(keys, digests, strict=True) if digest}
        _keep(kept, known)
    return digests


def _digest(path: str) -> str:
    if not os.path.isfile(path):  # a pipe would never end
        return ""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def _read(known: Path) -> dict[tuple[str, int, int, int], str]:
    """Return the digests of files with their stamps; none where the file is not there or not whole."""
    try:
        table = pd.read_csv(known, dtype={"path": str, "digest": str}, keep_default_na=False)
        keys = zip(table["path"], *(table[name] for name in STAMP), strict=True)
        return dict(zip(keys, table["digest"], strict=True))
    except (FileNotFoundError, KeyError, ValueError):
        return {}


def _keep(digests: dict[tuple[str, int, int, int], str], known: Path) -> None:
    """Write digests, of each file the last."""
    last = {key[0]: (*key, digest) for key, digest in digests.items()}
    known.parent.mkdir(parents=True, exist_ok=True)
    _replace(known, pd.DataFrame(last.values(), columns=["path", *STAMP, "digest"]).to_csv(index=False))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
