"""The recordings: found, fetched where they are not there, and listed with what their files hold.

DVC sees from the list what has changed. Its own dependency on a folder would stop at a name that is no UTF-8 and at a
link to nothing, would not look behind linked folders, and would change while a set is fetched.
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from audioclust import cache, registry
from audioclust.datasets._layout import a_recording, printable
from audioclust.results import files, sealed

STAMP = ["bytes", "changed", "inode"]  # what ``files.stamp`` returns


@dataclass
class Source:
    """Where recordings come from."""

    dataset: str  # a file of audioclust/datasets
    root: str = "data/raw"  # the folder of the recordings; a public set that is not there comes into the cache

    def find(self, dataset: Any, project: Path = Path()) -> tuple[Path, pd.DataFrame]:
        """Return the folder of the recordings and their list; a set that can be fetched (or rendered) is, if need be.

        It comes into ``root`` where that is empty, else into a folder of its own in the cache, which all checkouts
        share. Processes that want it at the same time wait for the one that fetches it.

        Args:
            dataset: an instance of the data set's class.
            project: the working tree that this one is a copy of, as a queued experiment's is: the recordings are
                looked for there first.

        Raises:
            FileNotFoundError: the folder does not exist, holds none and nothing can be fetched, or holds others.
            RuntimeError: the set cannot be fetched or written.
        """
        here = Path(self.root)
        copied = not here.is_absolute() and project.resolve() != Path().resolve()
        roots = [project / here, here] if copied else [here]
        name = getattr(dataset, "cached", self.dataset)
        home = next((root for root in roots if root.is_dir()), here)
        free = home.is_dir() and cache.is_free(home, name)  # asked first: not so once another process has filled it
        for root in roots:
            try:
                return root, dataset.recordings(root)
            except FileNotFoundError as error:
                absent = error
        if not hasattr(dataset, "download"):
            raise absent
        if free:
            return _filled(dataset, home, name)
        self._refuse_others(home, absent)
        return _filled(dataset, cache.base() / "datasets" / name, name)

    def _refuse_others(self, root: Path, absent: FileNotFoundError) -> None:
        """Raise where ``root`` does not exist, or holds recordings outside of the folders of the known data sets."""
        if not root.is_dir():  # a slip of the pen, not a wish for gigabytes
            raise FileNotFoundError(
                f"data.root = {root}: no such folder; set data.root to the folder of the recordings, or to an empty "
                f"one or {Source.root} to have {self.dataset} fetched"
            )
        modules = [registry.module("datasets", name) for name in registry.names("datasets")]
        known = {folder for module in modules for folder in getattr(module, "FOLDERS", ())}
        if (first := a_recording(root, known)) is not None:
            missing = str(absent).partition(";")[0]  # what follows is another way out
            raise FileNotFoundError(
                f"data.root = {root}: {missing}, and there are others, such as {printable(first)!r}; these look like "
                f"your own recordings: set data.dataset=folder, or set data.root to the folder of {self.dataset}, or "
                f"to an empty one or {Source.root} to have it fetched"
            ) from absent


def _filled(dataset: Any, folder: Path, name: str) -> tuple[Path, pd.DataFrame]:
    """Return ``folder`` and the list of the set in it, fetched where it is not there."""
    found = _listed(dataset, folder)
    if found is None:
        with cache.filling(folder, name):
            if _listed(dataset, folder) is None:  # nor has another process just fetched it
                dataset.download(folder)
            found = dataset.recordings(folder)
    return folder, found


def _listed(dataset: Any, folder: Path) -> pd.DataFrame | None:
    """Return the list of the recordings in ``folder``, None where the set is not there."""
    try:
        return dataset.recordings(folder)
    except FileNotFoundError:
        return None


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
    stamps = stamps_of(paths)
    listed = recordings.assign(path=[printable(path) for path in recordings["path"]])
    contents = listed[["path"]].assign(bytes=stamps["bytes"], digest=digests(paths, stamps, known))
    total, others = int(stamps["bytes"].sum()), int(recordings.attrs.get("other_files", 0))
    info = {"recordings": len(contents), "bytes": total, "other_files": others}
    out.mkdir(parents=True, exist_ok=True)
    for name, table in (("recordings", listed), ("files", contents)):
        files.write_text(out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    files.write_text(out / "info.json", json.dumps(info, indent=1, sort_keys=True) + "\n")
    return f"{len(contents)} recordings, {total / 1e6:.1f} MB, in {root}"


def stamps_of(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return the ``STAMP`` of files."""
    return pd.DataFrame([files.stamp(path) for path in paths], columns=STAMP)


def digests(paths: Sequence[str | Path], stamps: pd.DataFrame, known: Path | None = None) -> list[str]:
    """Return a hash of what each file holds, "" for what cannot be read.

    Args:
        paths: the files.
        stamps: of each, see ``stamps_of``.
        known: a file that keeps digests for the next time; None: all are read.
    """
    names = [printable(os.path.abspath(path)) for path in paths]
    keys = list(zip(names, *(stamps[name] for name in STAMP), strict=True))
    kept = _read(known) if known else {}
    new = [i for i, key in enumerate(keys) if key not in kept]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashlib lets other threads run
        fresh = dict(zip(new, threads.map(_digest, [paths[i] for i in new]), strict=True))
    found = [fresh[i] if i in fresh else kept[key] for i, key in enumerate(keys)]
    if new and known:
        kept |= {key: digest for key, digest in zip(keys, found, strict=True) if digest}
        _keep(kept, known)
    return found


def _digest(path: str | Path) -> str:
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
        content = sealed.read(known)
    except sealed.Damaged:
        return {}
    if content is None:
        return {}
    table = pd.read_csv(io.BytesIO(content), dtype={"path": str, "digest": str}, keep_default_na=False)
    keys = zip(table["path"], *(table[name] for name in STAMP), strict=True)
    return dict(zip(keys, table["digest"], strict=True))


def _keep(digests: dict[tuple[str, int, int, int], str], known: Path) -> None:
    """Write digests, of each file the last."""
    last = {key[0]: (*key, digest) for key, digest in digests.items()}
    table = pd.DataFrame(last.values(), columns=["path", *STAMP, "digest"])
    sealed.write(known, table.to_csv(index=False).encode())
