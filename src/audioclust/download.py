"""Fetch a corpus: checksum, progress, and going on where a cut connection stopped.

pooch drives the fetch and checks the sum; its own downloader starts again from nothing, so ``Resuming`` replaces it.
"""

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import IO

import pooch
import requests
from tqdm import tqdm

CHUNK = 1 << 20
TRIES = 5  # connections; each goes on behind what the ones before brought


class Resuming:
    """A downloader for ``pooch`` that keeps what it received in ``part`` and asks for the rest by an HTTP range.

    Args:
        part: the file that holds what has come so far; it outlives a killed process.
        timeout: seconds of silence after which a connection counts as cut.
    """

    def __init__(self, part: Path, timeout: float = 60.0):
        self.part, self.timeout = part, timeout

    def __call__(self, url: str, output_file: str | IO[bytes], pooch_instance: object) -> None:
        """Write the content of ``url`` to ``output_file``, as pooch asks its downloaders to.

        Raises:
            ConnectionError: the connection failed again and again; what came is kept.
        """
        for attempt in range(TRIES):
            try:
                self._receive(url)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == TRIES - 1:
                    got = self.part.stat().st_size if self.part.is_file() else 0
                    raise ConnectionError(
                        f"{url}: cut off {TRIES} times; {got} bytes are kept in {self.part}"
                    ) from error
        target = Path(output_file if isinstance(output_file, str) else output_file.name)
        shutil.move(self.part, target)

    def _receive(self, url: str) -> None:
        have = self.part.stat().st_size if self.part.is_file() else 0
        headers = (
            {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
        )
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as answer:
            if answer.status_code == 416 and answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                return  # everything had come before
            if answer.status_code == 416:
                self.part.unlink()
                raise requests.ConnectionError(f"{url}: the file there is shorter than what was kept")
            answer.raise_for_status()
            if answer.status_code != 206:
                have = 0  # the server knows no ranges and sends all of it
            self._append(answer, have)

    def _append(self, answer: requests.Response, have: int) -> None:
        expected = int(answer.headers["Content-Length"]) + have if "Content-Length" in answer.headers else None
        name = self.part.name.removesuffix(".part")
        with (
            self.part.open("ab" if have else "wb") as stream,
            tqdm(total=expected, initial=have, desc=name, unit="B", unit_scale=True, mininterval=2) as progress,
        ):
            for block in answer.iter_content(CHUNK):
                stream.write(block)
                progress.update(len(block))
            if expected is not None and stream.tell() < expected:
                raise requests.ConnectionError(f"{answer.url}: {stream.tell()} of {expected} bytes came")


def fetch(url: str, checksum: str | None, path: Path, size: int | None = None) -> Path:
    """Return ``path`` with the content of ``url``; one that is there and has the right sum is not fetched again.

    Args:
        url: http or https.
        checksum: "sha256:..." or "md5:...", None where none is known.
        path: the file to write; what has come of it so far is ``<path>.part``.
        size: bytes, to see beforehand whether they fit on the disk.

    Raises:
        ValueError: the sum is wrong; the bad file was removed.
        RuntimeError: unreachable, or no room on the disk; says where to put the file by hand.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if size is not None and not path.is_file() and free < size:
        raise RuntimeError(
            f"{path.name}: {size / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free in {path.parent}"
        )
    part = path.with_name(path.name + ".part")
    try:
        pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=Resuming(part))
    except (requests.RequestException, ConnectionError) as error:
        raise RuntimeError(f"{url}: {error}; run again to go on, or put the file at {path} by hand") from error
    except ValueError as error:
        path.unlink(missing_ok=True)
        raise ValueError(f"{path.name} from {url} has a wrong checksum and was removed: {error}") from error
    return path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or .tar.gz into ``folder``: beside it first, then moved, so that a kill leaves no half of a file.

    Raises:
        ValueError: no such archive, or a member that would land outside ``folder``.
    """
    aside = archive.with_name(archive.name + ".unpacking")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as stream:
            outside = [
                name for name in stream.namelist() if not (aside / name).resolve().is_relative_to(aside.resolve())
            ]
            if outside:
                raise ValueError(f"{archive.name}: the member {outside[0]!r} would land outside the folder")
            stream.extractall(aside)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as stream:
            try:
                stream.extractall(aside, filter="data")
            except tarfile.FilterError as error:
                raise ValueError(f"{archive.name}: {error}") from error
    else:
        raise ValueError(f"{archive.name}: neither a .zip nor a .tar.gz; delete it and run again")
    _merge(aside, folder)
    shutil.rmtree(aside)


def _merge(source: Path, target: Path) -> None:
    """Move every file of ``source`` to the same place below ``target``: an archive may be one of many for one folder."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)


def fetch_and_unpack(url: str, checksum: str | None, archive: Path, folder: Path, size: int | None) -> None:
    """Fetch ``archive``, unpack it into ``folder`` and remove it; a note beside it says that this was done."""
    done = archive.with_name(archive.name + ".done")
    if done.is_file():
        return
    unpack(fetch(url, checksum, archive, size), folder)
    done.write_text(f"{url}\n", encoding="utf-8")
    archive.unlink()
