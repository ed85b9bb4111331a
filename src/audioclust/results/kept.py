"""Rows of arrays that stages wrote, kept under all they depend on: a later run computes the others alone.

A generation is one output as a hard link, which takes no room for as long as the output is the same file (DVC puts a
copy in its place and one into its cache, of which ``share`` makes the link), with a sealed index of its entries. An
entry is one row or several: a key, a check of each row, and what else is known of them. Rows are checked whenever they
are read: whoever writes into an output in place changes the link too.
"""

import hashlib
import json
import os
import platform
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audioclust.results import archive, files, sealed
from audioclust.results.pieces import Pieces

KEPT = 4e9  # bytes that nothing but this folder holds, at most; generations not used for longest go first
ORPHAN = 3600.0  # seconds after which an array without an index is what a killed run left
KEY = 16  # bytes
ARRAY, INDEX = ".npy", ".index"
LOOKED_AT = 64  # rows that tell whether a file is a generation's array
# What may decide the last bits of a float sum
PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")


def digest(row: Any) -> bytes:
    """Return a hash of the bytes of a row that identifies it."""
    return hashlib.blake2b(row, digest_size=KEY).digest()


def checksum(row: Any) -> bytes:
    """Return a checksum of the bytes of a row that tells damage, four times as fast as ``digest``."""
    return zlib.crc32(row).to_bytes(4, "little")


def row_keys(digests: np.ndarray, *more: np.ndarray) -> list[bytes]:
    """Return a key of each row, of the hashes (n, 16) uint8 of what it is made from and of numbers (n,)."""
    numbers = np.stack([digests.view("<i8").T[0], digests.view("<i8").T[1], *more], axis=1).astype("<i8")
    return [digest(row) for row in numbers]


class Rows(NamedTuple):
    """Where the rows of one entry lie, each of ``shape`` and ``dtype``, from byte ``start`` of ``file``."""

    file: Path
    start: int
    dtype: str
    shape: tuple[int, ...]
    checks: tuple[bytes, ...]
    about: Any

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def read(self, check: Callable[[Any], bytes]) -> Iterator[bytes]:
        """Yield the bytes of each row.

        Raises:
            Damaged: a row is not what was kept, or the file is no longer there.
        """
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.start)
                for expected in self.checks:
                    row = stream.read(self.size)
                    if check(row) != expected:
                        raise sealed.Damaged(f"{self.file} is damaged")
                    yield row
        except OSError as error:  # another run may have pruned it
            raise sealed.Damaged(f"{self.file}: {error}") from error

    def one(self, check: Callable[[Any], bytes]) -> np.ndarray | None:
        """Return the only row as an array; None where it is damaged."""
        with suppress(sealed.Damaged):
            (row,) = self.read(check)
            return np.frombuffer(row, self.dtype).reshape(self.shape)
        return None


class Kept:
    """The generations of arrays that depend on the same ``inputs``, and on the processor.

    Args:
        top: a folder; ``prune`` looks after all below it.
        inputs: what all rows depend on: code and parameters, as ``Pieces.key`` takes them.

    ``computed`` counts the rows that a stage had to compute, ``taken`` those that were kept.
    """

    def __init__(self, top: Path, *inputs: Any):
        self.top, self.key = top, Pieces.key(processor(), *inputs)
        self.folder, self.computed, self.taken = top / self.key, 0, 0

    def also(self, *inputs: Any) -> "Kept":
        """Return the generations that depend on more."""
        return Kept(self.top, self.key, *inputs)

    def count(self, computed: int, rows: int) -> None:
        """Take note that of so many rows some were computed."""
        self.computed += computed
        self.taken += rows - computed

    def said(self, what: str) -> str:
        """Return how many rows were computed and how many taken, in a few words."""
        return f"{what}: {self.computed} computed" + f", {self.taken} as an earlier run left them" * bool(self.taken)

    def find(self, keys: Sequence[bytes]) -> list[Rows | None]:
        """Return the rows of each entry; None where there are none."""
        found: list[Rows | None] = [None] * len(keys)
        wanted = np.array(keys, f"S{KEY}")
        for path in sorted(self.folder.glob(f"*{INDEX}"), key=_changed, reverse=True):
            generation = _Generation.open(path)
            places = generation.places(wanted) if generation else []
            for position, entry in places:
                found[position] = found[position] or generation.rows(entry)
            if places:
                with suppress(OSError):
                    os.utime(path)
        return found

    def keep(
        self, array: Path | np.ndarray, keys: Sequence[bytes], checks: Sequence[bytes],
        spans: Sequence[tuple[int, int]] | None = None, about: Sequence[Any] | None = None,
    ) -> None:  # fmt: skip
        """Keep an array that is written; what cannot be kept is not.

        Args:
            array: n rows, as an ``.npy`` file in the order of C, of which a link is kept, or as they are.
            keys: of the entries (m,).
            checks: of the rows (n,).
            spans: the first row of each entry, and how many it has (m,); None: row by row.
            about: what is to be known of each entry (m,), as JSON has it.
        """
        names = np.array(keys, f"S{KEY}")
        path = self.folder / f"{Pieces.key(names.view(np.uint8))}{INDEX}"
        spans = [(row, 1) for row in range(len(keys))] if spans is None else spans
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            if isinstance(array, Path):
                link(array, path.with_suffix(ARRAY))
            else:
                files.write_array(path.with_suffix(ARRAY), array)
            said = json.dumps({"about": about, **_layout(path.with_suffix(ARRAY))}).encode()
            index = archive.packed(
                keys=names, spans=np.array(spans, np.int64).reshape(-1, 2), said=np.frombuffer(said, np.uint8),
                checks=np.frombuffer(b"".join(checks), f"V{len(checks[0])}"),
            )  # fmt: skip
            sealed.write(path, index)
            self._drop_what_is_in(path, names)

    def _drop_what_is_in(self, kept: Path, names: np.ndarray) -> None:
        """Delete generations all of whose entries are in another one."""
        for path in self.folder.glob(f"*{INDEX}"):
            generation = None if path == kept else _Generation.open(path)
            if generation and np.isin(generation.keys, names).all():
                _delete(path)


class _Generation:
    """An index that is open, of the array beside it."""

    def __init__(self, file: Path, index: dict[str, np.ndarray]):
        self.file, self.keys = file, index["keys"]
        self._spans, self._checks, self._said = index["spans"], index["checks"], json.loads(index["said"].tobytes())

    @classmethod
    def open(cls, path: Path) -> "_Generation | None":
        """Open an index; None, and deleted, where it is damaged."""
        try:
            data = sealed.read(path)
            if data is not None:
                with np.load(BytesIO(data)) as index:
                    return cls(path.with_suffix(ARRAY), dict(index))
        except (OSError, ValueError):
            _delete(path)
        return None

    def is_in(self, file: Path) -> bool:
        """Tell whether a file has the array's size, and its rows in some places."""
        count = len(self._checks)
        check = {4: checksum, KEY: digest}[self._checks.dtype.itemsize]
        size = int(np.prod(self._said["shape"])) * np.dtype(self._said["dtype"]).itemsize
        with suppress(OSError), file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size != self.file.stat().st_size:
                return False
            for row in np.unique(np.linspace(0, count - 1, LOOKED_AT, dtype=np.int64)).tolist():
                stream.seek(self._said["start"] + row * size)
                if check(stream.read(size)) != self._checks[row].tobytes():
                    return False
            return True
        return False

    def places(self, wanted: np.ndarray) -> list[tuple[int, int]]:
        """Return the positions of wanted keys that are here, and of their entries."""
        order = np.argsort(self.keys)
        entries = order[np.minimum(np.searchsorted(self.keys[order], wanted), len(order) - 1)]
        here = np.flatnonzero(self.keys[entries] == wanted)
        return list(zip(here.tolist(), entries[here].tolist(), strict=True))

    def rows(self, entry: int) -> Rows:
        first, count = self._spans[entry].tolist()
        checks = tuple(check.tobytes() for check in self._checks[first : first + count])
        about = self._said["about"] and self._said["about"][entry]
        found = Rows(self.file, self._said["start"], self._said["dtype"], self._said["shape"], checks, about)
        return found._replace(start=found.start + first * found.size)


def _layout(file: Path) -> dict[str, Any]:
    """Return where the rows of an ``.npy`` file begin, of what type and shape each is."""
    with file.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        return {"start": stream.tell(), "dtype": dtype.str, "shape": shape[1:]}


def fill(
    rows: Sequence[Rows | None], check: Callable[[Any], bytes], compute: Callable[[list[int]], np.ndarray]
) -> tuple[np.ndarray, list[bytes], int]:
    """Return rows (b, ...), the check of each, and how many were computed.

    Args:
        rows: of entries of one row; None: there is none.
        check: of a row.
        compute: positions (m,) to their rows (m, ...), for those that are not there or damaged.
    """
    kept = {position: each.one(check) for position, each in enumerate(rows) if each is not None}
    new = [position for position in range(len(rows)) if kept.get(position) is None]
    if len(new) == len(rows):
        found = compute(new)
        return found, [check(row) for row in found], len(new)
    some = compute(new) if new else np.stack([*kept.values()])[:0]
    found = np.empty((len(rows), *some.shape[1:]), some.dtype)
    checks = [b"" if each is None else each.checks[0] for each in rows]
    for position, row in zip(new, some, strict=True):
        found[position], checks[position] = row, check(row)
    for position in kept.keys() - {*new}:
        found[position] = kept[position]
    return found, checks, len(new)


def share(top: Path, files: Iterable[Path]) -> None:
    """Make arrays below ``top`` that nothing else holds links of such of ``files`` as are the same."""
    for file in files:
        for path in top.glob(f"*/*{INDEX}"):
            array = path.with_suffix(ARRAY)
            with suppress(OSError):
                found = array.stat()
                if found.st_nlink == 1 and found.st_size == file.stat().st_size:
                    generation = _Generation.open(path)
                    if generation and generation.is_in(file):
                        link(file, array)


def prune(top: Path, most: float = KEPT) -> None:
    """Delete the generations below ``top`` that were not used for longest, until they take at most ``most`` bytes.

    An array that an output or DVC's cache holds too takes none. What killed runs left goes first.
    """
    for path in top.glob(f"*/*{ARRAY}"):
        with suppress(FileNotFoundError):  # other runs may prune too
            if not path.with_suffix(INDEX).exists() and time.time() - path.stat().st_ctime > ORPHAN:
                path.unlink()
    for path in top.glob(f"*/.*{files.PART}"):
        if files.abandoned(path):
            path.unlink(missing_ok=True)
    sizes = {path: _room(path) for path in sorted(top.glob(f"*/*{INDEX}"), key=_changed)}
    left = sum(sizes.values())
    for path, size in sizes.items():
        if left <= most:
            return
        if size:
            left -= size
            _delete(path)


def _room(index: Path) -> int:
    """Return the bytes that deleting a generation would free."""
    with suppress(FileNotFoundError):
        array = index.with_suffix(ARRAY).stat()
        return index.stat().st_size + (array.st_size if array.st_nlink == 1 else 0)
    return 0


def _changed(path: Path) -> float:
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _delete(index: Path) -> None:
    with suppress(OSError):
        index.unlink(missing_ok=True)
        index.with_suffix(ARRAY).unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """Make ``target`` another name of a file or, where the file system has no such links, a copy; in one step."""
    part = target.with_name(f".{target.name}.{threading.get_ident()}.{os.getpid()}{files.PART}")
    try:
        try:
            os.link(source.resolve(), part)
        except OSError:
            shutil.copyfile(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)  # of two names of one file, a rename leaves both


def processor() -> str:
    """Return what the processor is: the last bits of sums are its own."""
    with suppress(OSError):
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        lines = (line.partition(":") for line in first.splitlines())
        return json.dumps({name.strip(): value.strip() for name, _, value in lines if name.strip() in PROCESSOR})
    return platform.processor()
