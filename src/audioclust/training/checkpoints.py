"""Checkpoint files, with a digest that tells a damaged one, and the state they hold."""

import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DIGEST = 32  # bytes of BLAKE2b before the content
PLAIN = (bool, int, float, str, type(None))  # exactly: numpy's float64 is a float that would not load again


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a digest and what ``torch.load`` reads with ``weights_only``; an older file is replaced in one step."""
    stream = io.BytesIO()
    torch.save(content, stream)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # another process may write the same one
    with part.open("wb") as file:
        file.write(_digest(stream.getbuffer()))
        file.write(stream.getbuffer())
        file.flush()
        os.fsync(file.fileno())  # the older file must last until this one would survive a loss of power
    os.replace(part, path)


def read(path: Path) -> dict[str, Any] | None:
    """Return the content; None if there is no file, or a damaged one, which is renamed to ``*.damaged``."""
    if not path.exists():
        return None
    data = memoryview(path.read_bytes())
    if _digest(data[DIGEST:]) != data[:DIGEST]:
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        warnings.warn(f"{path} is damaged: it is now {aside.name}, and its phase starts anew", stacklevel=2)
        return None
    # A checkpoint from a GPU can be read on a machine without one.
    device = None if torch.cuda.is_available() else "cpu"
    return torch.load(io.BytesIO(data[DIGEST:]), map_location=device, weights_only=True)


def _digest(data: memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST).digest()


def saved(entry: Any, name: str) -> Any:
    """Return a copy of the state of ``entry``, for ``write``: its ``state_dict()`` or, of a dict, all values.

    Raises:
        TypeError: a value that could not be loaded again.
    """
    if hasattr(entry, "load_state_dict"):
        return _copy(entry.state_dict(), name, "cpu")  # load_state_dict moves it to the device
    return _copy(entry, name, None)


def _copy(value: Any, name: str, device: str | None) -> Any:
    """Copy tensors, each without the rest of a storage it is a view of, in dicts and lists too."""
    if isinstance(value, Tensor):
        return value.detach().to(device or value.device, copy=True)
    if isinstance(value, dict):
        return {key: _copy(part, f"{name}.{key}", device) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copy(part, name, device) for part in value)
    if type(value) in PLAIN:
        return value
    raise TypeError(f"{name} is a {type(value)}: a checkpoint holds tensors, numbers, strings, lists and dicts of them")


def restore(entry: Any, saved: Any) -> None:
    """Restore ``entry`` in place; in a dict also the tensors whose shape and dtype have not changed."""
    if hasattr(entry, "load_state_dict"):
        entry.load_state_dict(saved)
        return
    for name in entry.keys() - saved.keys():
        del entry[name]
    for name, value in saved.items():
        before = entry.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            restore(before, value)
        elif isinstance(before, Tensor) and isinstance(value, Tensor) and _alike(before, value):
            with torch.no_grad():
                before.copy_(value)  # others may refer to this tensor
        else:
            entry[name] = value


def _alike(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and one.dtype == two.dtype
