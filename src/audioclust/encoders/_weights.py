"""Published checkpoint files: found, fetched, verified, and loaded strictly. None is kept in the repository."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import torch

from audioclust.cache import base
from audioclust.results.files import whole


@dataclass(frozen=True)
class Checkpoint:
    """One published file.

    Args:
        name: the file's name in the cache.
        url: where it is published.
        licence: what its authors allow.
        size: bytes, about.
        sha256: its SHA-256 where one is known.
        git_blob: else the id of its blob in the authors' Git repository, SHA-1 over ``blob <size>\\0`` and the bytes.
    """

    name: str
    url: str
    licence: str
    size: int
    sha256: str | None = None
    git_blob: str | None = None


def cache() -> Path:
    """Return the folder of fetched weights, below ``$AUDIOCLUST_CACHE`` or the user's cache folder."""
    return base() / "weights"


def find(checkpoint: Checkpoint, encoder: str, path: str | None = None) -> Path:
    """Return the checkpoint's file: ``path`` if the user gives one, else the verified one in the cache, fetched once.

    A file that the user names is taken as it is; only fetched ones are compared with the published checksum. Where none
    is published, that of the first use is kept beside the file, and a file that has changed since is refused.

    Raises:
        FileNotFoundError: ``path`` is no file.
        RuntimeError: absent and unreachable, or damaged; names the file, the URL, the licence and where to put it.
    """
    if path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{encoder}.weights = {path}: no such file; {_way_out(checkpoint, encoder)}")
        return Path(path)
    file = cache() / checkpoint.name
    if not file.is_file():
        _fetch(checkpoint, encoder, file)
    _verify(checkpoint, encoder, file)
    return file


def load(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: object) -> None:
    """Make ``state`` the weights of ``module``, in float32, strict on keys and shapes.

    ``module`` may be on the meta device: then nothing is initialised in vain and no random number is drawn.

    Raises:
        RuntimeError: names the first key that is missing, unexpected or of another shape.
    """
    own = module.state_dict()
    for key, value in own.items():
        if key not in state:
            raise RuntimeError(
                f"{source}: the key {key!r} is missing; this is no checkpoint of {type(module).__name__}"
            )
        if state[key].shape != value.shape:
            raise RuntimeError(f"{source}: {key!r} has shape {tuple(state[key].shape)}, {tuple(value.shape)} is needed")
    unexpected = [key for key in state if key not in own]
    if unexpected:
        raise RuntimeError(
            f"{source}: unexpected key {unexpected[0]!r}; this is no checkpoint of {type(module).__name__}"
        )
    module.load_state_dict(state, assign=True)
    module.float()


def read(path: Path) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a checkpoint file, also where they lie under ``state_dict``; no code in it is run.

    Raises:
        RuntimeError: the file holds no state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler or zip reader does
        raise RuntimeError(f"{path}: not readable as a checkpoint: {error}") from error
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping):
        raise RuntimeError(f"{path}: holds {type(content).__name__}, a state dict is needed")
    return content


def _fetch(checkpoint: Checkpoint, encoder: str, file: Path) -> None:
    try:
        pooch.retrieve(checkpoint.url, None, fname=file.name, path=file.parent, progressbar=True)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise RuntimeError(f"{checkpoint.name} cannot be fetched ({error}); {_way_out(checkpoint, encoder)}") from error


def _verify(checkpoint: Checkpoint, encoder: str, file: Path) -> None:
    pairs = [
        (checkpoint.sha256, hashlib.sha256()),
        (checkpoint.git_blob, hashlib.sha1(b"blob %d\0" % file.stat().st_size)),
    ]
    if checkpoint.sha256 is checkpoint.git_blob is None:
        pairs = [(_first(file), hashlib.sha256())]
    for expected, digest in pairs:
        if expected:
            check(file, digest, expected, "checksum", _way_out(checkpoint, encoder))


def check(file: Path, digest: Any, expected: str, name: str, way_out: str) -> None:
    """Set a file aside whose ``digest``, of hashlib, is not what is expected.

    Raises:
        RuntimeError: it is not; what the digest is called, both, and the way out.
    """
    received = _digest(file, digest)
    if received == expected:
        return
    aside = file.with_suffix(file.suffix + ".damaged")
    file.replace(aside)
    _record(file).unlink(missing_ok=True)  # the next file is another one
    raise RuntimeError(f"{file}: {name} {received}, expected {expected}; set aside as {aside.name}; {way_out}")


def _first(file: Path) -> str:
    """Return the SHA-256 that the file had on its first use."""
    kept = _record(file)
    if not kept.is_file():
        with whole(kept) as stream:
            stream.write(_digest(file, hashlib.sha256()).encode())
    return kept.read_text()


def _record(file: Path) -> Path:
    return file.with_suffix(file.suffix + ".sha256")


def _digest(file: Path, digest) -> str:
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _way_out(checkpoint: Checkpoint, encoder: str) -> str:
    return (
        f"it is published at {checkpoint.url} ({checkpoint.size / 1e6:.0f} MB, licence: {checkpoint.licence}); put "
        f"it at {cache() / checkpoint.name} or set {encoder}.weights to its path"
    )
