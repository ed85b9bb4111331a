"""Checkpoint files, with a digest that tells a damaged one, and the state they hold."""

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audioclust.results import sealed

PLAIN = (bool, int, float, str, type(None))  # exactly: numpy's float64 is a float that would not load again


def write(path: Path, content: dict[str, Any]) -> None:
    """Write what ``torch.load`` reads with ``weights_only``; an older file is replaced in one step."""
    stream = io.BytesIO()
    torch.save(content, stream)
    sealed.write(path, stream.getbuffer())


def read(path: Path) -> dict[str, Any] | None:
    """Return the content; None if there is no file, or a damaged one, which is renamed to ``*.damaged``."""
    try:
        data = sealed.read(path)
    except sealed.Damaged:
        aside = path.with_name(f"{path.name}.damaged")
        with suppress(FileNotFoundError):  # a run of the same key beside this one may have done so
            os.replace(path, aside)
        warnings.warn(f"{path} is damaged: it is now {aside.name}, and its phase starts anew", stacklevel=2)
        return None
    if data is None:
        return None
    # A checkpoint from a GPU can be read on a machine without one.
    device = None if torch.cuda.is_available() else "cpu"
    return torch.load(io.BytesIO(data), map_location=device, weights_only=True)


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
