"""Unpack an archive that may be hostile: plain files and folders alone, checked, and moved into place when all is well.

tarfile's own filter "data" is not relied on: in many releases of Python links get past it (CVE-2025-4517,
CVE-2025-4330, CVE-2025-4138, CVE-2024-12718). Here no link is made, so that a name says where its file lands.
"""

import hashlib
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO


@dataclass(frozen=True)
class Contents:
    """The part of an archive that is used, and its checksum, where the bytes of the archive itself are not promised.

    GitHub packs the archive of a tag when it is asked for it.
    """

    folder: str  # within the archive; nothing else of it is unpacked
    sha256: str  # of the folder, by ``digest``


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise ``RuntimeError`` where fewer than ``needed`` bytes are free for ``what`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RuntimeError(
            f"{what}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free in {folder}; make room, or set "
            "AUDIOCLUST_CACHE to a folder on a larger disk"
        )


def unpack(archive: Path, folder: Path, contents: Contents | None = None) -> list[str]:
    """Unpack a .zip or .tar.gz into ``folder``; return the names that it added there.

    The members are written beside the archive and then moved, a whole new subfolder at once: whatever a kill leaves
    in ``folder`` is complete, and unpacking again mends the rest.

    Args:
        contents: unpack only this part, and check it before anything is moved.

    Raises:
        ValueError: no such archive, a damaged one, one with a member that is no file or folder inside ``folder``, or
            with other contents.
        RuntimeError: no room on the disk.
    """
    aside = archive.with_name(archive.name + ".unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _extract(archive, aside, contents.folder if contents else "")
        if contents and (found := digest(aside / contents.folder)) != contents.sha256:
            raise ValueError(
                f"{archive}: the files in {contents.folder} have the checksum {found}, expected {contents.sha256}; "
                f"delete it and run again; if it stays so, what is published has changed: unpack it into {folder} by "
                "hand"
            )
        names = sorted(path.name for path in aside.iterdir())
        folder.parent.mkdir(parents=True, exist_ok=True)
        _move(aside, folder)
    except _Unsafe as error:
        raise ValueError(f"{archive}: refused, as {error}; unpack what you trust of it into {folder} by hand") from None
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, FileExistsError, NotADirectoryError) as error:
        raise ValueError(f"{archive}: damaged ({error}); delete it and run again") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return names


def digest(folder: Path) -> str:
    """Return a SHA-256 of the names and the bytes of all files below ``folder``, whatever their order on the disk.

    It is that of what ``sha256sum`` prints for them, sorted by name: ``LC_ALL=C sha256sum * | sha256sum``.
    """
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    listed = "".join(f"{_sha256(path)}  {name}\n" for name, path in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Unsafe(Exception):
    """A member of an archive that is not to be unpacked."""


@dataclass(frozen=True)
class _Member:
    name: str  # as it stands in the archive
    kind: str  # "file", "folder", or "other": a link, a device, a pipe
    open: Callable[[], IO[bytes] | None]


def _extract(archive: Path, aside: Path, part: str) -> None:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as stream:
            check_space(aside, sum(member.file_size for member in stream.infolist()), f"unpacking {archive.name}")
            _write(_zipped(stream), aside, part)
    elif tarfile.is_tarfile(archive):
        check_space(aside, archive.stat().st_size, f"unpacking {archive.name}")  # a tar does not tell what it holds
        with tarfile.open(archive) as stream:
            _write(_tarred(stream), aside, part)
    else:
        raise ValueError(f"{archive}: neither a .zip nor a .tar.gz; delete it and run again")


def _tarred(stream: tarfile.TarFile) -> Iterator[_Member]:
    for member in stream:
        kind = "folder" if member.isdir() else "file" if member.isfile() else "other"
        yield _Member(member.name, kind, partial(stream.extractfile, member))


def _zipped(stream: zipfile.ZipFile) -> Iterator[_Member]:
    for member in stream.infolist():
        mode = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was packed on a system without modes
        kind = "folder" if member.is_dir() or mode == stat.S_IFDIR else "file"
        kind = kind if mode in (0, stat.S_IFREG, stat.S_IFDIR) else "other"
        yield _Member(member.orig_filename, kind, partial(stream.open, member))


def _write(members: Iterable[_Member], aside: Path, part: str) -> None:
    """Write the files and folders of an archive; their modes, owners and times are not taken over."""
    for member in members:
        _check(member)
        if part and not PurePosixPath(member.name).is_relative_to(part):
            continue
        path = aside / member.name
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)


def _check(member: _Member) -> None:
    """Raise ``_Unsafe`` for what is no plain file or folder, or has a name that leads out, on whatever system."""
    if member.kind == "other":
        raise _Unsafe(f"its member {member.name!r} is neither a file nor a folder")
    absolute = member.name.startswith("/") or re.match("[A-Za-z]:", member.name)
    if absolute or ".." in member.name.split("/") or re.search(r"[\\\0]", member.name):
        raise _Unsafe(f"its member {member.name!r} could land outside the folder")


def _move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``; go into a folder that is there, for an archive may be one of many for it."""
    if source.is_dir() and target.is_dir():
        for path in sorted(source.iterdir()):
            _move(path, target / path.name)
    else:
        source.replace(target)
