"""Fetch a corpus: checksum, progress, and resuming where a connection was cut.

pooch drives the fetch and checks the sum; its own downloader starts again from nothing, so ``Resuming`` replaces it.
Resuming follows RFC 9110, sections 13.1.5 (If-Range) and 14 (ranges).
"""

import shutil
import time
from pathlib import Path
from typing import IO

import pooch
import requests
from tqdm import tqdm

from audioclust.datasets._unpack import Contents, check_space, unpack

CHUNK = 1 << 14  # bytes; requests drops the chunk in which a connection is cut
TRIES = 5  # attempts in a row without a new byte
PAUSE = 0.5  # seconds before the second attempt, doubled for each one after it
BUSY = {408, 429, 500, 502, 503, 504}  # answers that ask to come again later
CUT = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Resuming:
    """A downloader for ``pooch`` that keeps what it received in ``part`` and asks for the rest by an HTTP range.

    Args:
        part: the file that holds what has come so far; it outlives a killed process. The server's mark of the version
            (ETag, else Last-Modified) lies beside it as ``<part>.version``: bytes of two versions are never joined.
        timeout: seconds of silence after which a connection counts as cut.
    """

    def __init__(self, part: Path, timeout: float = 60.0):
        self.part, self.timeout = part, timeout

    @property
    def _version(self) -> Path:
        return self.part.with_name(self.part.name + ".version")

    def __call__(self, url: str, output_file: str | IO[bytes], pooch_instance: object) -> None:
        """Write the content of ``url`` to ``output_file``, as pooch asks its downloaders to.

        Raises:
            ConnectionError: ``TRIES`` attempts in a row brought nothing; what came before is kept.
            requests.HTTPError: the server refuses, for instance because there is no such file.
        """
        failures, furthest = 0, received(self.part)
        while True:
            try:
                self._receive(url)
                break
            except CUT as error:
                failures = failures + 1 if received(self.part) <= furthest else 1
                furthest = max(furthest, received(self.part))
                if failures == TRIES:
                    kept = f"{received(self.part)} bytes are kept in {self.part}"
                    raise ConnectionError(f"{url}: {TRIES} attempts brought nothing ({error}); {kept}") from error
                time.sleep(PAUSE * 2 ** (failures - 1))
        shutil.move(self.part, output_file if isinstance(output_file, str) else output_file.name)
        self._version.unlink(missing_ok=True)

    def _receive(self, url: str) -> None:
        have = received(self.part)
        with requests.get(url, headers=self._headers(have), stream=True, timeout=self.timeout) as answer:
            if answer.status_code in BUSY:
                raise requests.ConnectionError(f"the server answers {answer.status_code} {answer.reason}")
            if answer.status_code == 416 and answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                return  # everything had come before
            if answer.status_code == 416 or (answer.status_code == 206 and not self._continues(answer, have)):
                self._forget()
                raise requests.ConnectionError("the file there is another one than the part that was kept")
            answer.raise_for_status()
            if answer.status_code != 206:  # the start, or a server without ranges, or the file has changed: all of it
                have = 0
                self._forget()
                self._version.write_text(_version_of(answer), encoding="utf-8")
            self._append(answer, have)

    def _headers(self, have: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}  # a range counts the bytes as they are sent
        if have:
            headers["Range"] = f"bytes={have}-"
            if version := self._kept_version():
                headers["If-Range"] = version
        return headers

    def _kept_version(self) -> str:
        return self._version.read_text(encoding="utf-8") if self._version.is_file() else ""

    def _continues(self, answer: requests.Response, have: int) -> bool:
        same = self._kept_version() in ("", _version_of(answer)) or not _version_of(answer)
        return same and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def _append(self, answer: requests.Response, have: int) -> None:
        expected = int(answer.headers["Content-Length"]) + have if "Content-Length" in answer.headers else None
        name = self.part.name.removesuffix(".part")
        with (
            self.part.open("ab") as stream,
            tqdm(total=expected, initial=have, desc=name, unit="B", unit_scale=True, mininterval=2) as progress,
        ):
            for block in answer.iter_content(CHUNK):
                stream.write(block)
                progress.update(len(block))
            if expected is not None and stream.tell() < expected:
                raise requests.ConnectionError(f"{stream.tell()} of {expected} bytes came")


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
    part = path.with_name(path.name + ".part")
    if size is not None and not path.is_file():
        check_space(path.parent, size - received(part), path.name)
    try:
        pooch.retrieve(url, checksum, fname=path.name, path=path.parent, downloader=Resuming(part))
    except (requests.RequestException, ConnectionError) as error:
        raise RuntimeError(
            f"{error}; run again to resume, or fetch {url} by other means and put it at {path}"
        ) from error
    except ValueError as error:
        path.unlink(missing_ok=True)
        raise ValueError(
            f"{path.name} from {url} has a wrong checksum and was removed: {error} Run again; if it stays so, the "
            f"published file has changed: unpack it into {path.parent} by hand"
        ) from error
    return path


def received(path: Path) -> int:
    """Return the size of ``path`` in bytes, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def fetch_and_unpack(url: str, checksum: str | Contents, archive: Path, folder: Path, size: int | None) -> None:
    """Fetch ``archive``, unpack it into ``folder`` and remove it; nothing to do where that ``is_unpacked``.

    ``checksum`` is that of the archive, or says what it must contain.
    """
    if is_unpacked(archive, folder):
        return
    contents = checksum if isinstance(checksum, Contents) else None
    fetch(url, None if contents else checksum, archive, size)
    names = unpack(archive, folder, contents)
    _note(archive).write_text("\n".join(names), encoding="utf-8")
    archive.unlink()


def is_unpacked(archive: Path, folder: Path) -> bool:
    """Tell whether ``fetch_and_unpack`` has done this archive and what it added is still there.

    A note beside the archive's place lists what it added to ``folder``.
    """
    names = _note(archive).read_text(encoding="utf-8").split("\n") if _note(archive).is_file() else []
    return bool(names) and all(name and (folder / name).exists() for name in names)


def _note(archive: Path) -> Path:
    return archive.with_name(archive.name + ".done")


def _version_of(answer: requests.Response) -> str:
    """Return a mark that changes with the file; a weak ETag ("W/...") does not promise equal bytes."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
