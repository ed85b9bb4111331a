"""Columns as the page's script reads them: base64 of little-endian typed arrays, names as what they add to the last."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

KINDS = {"u1": "u8", "i2": "i16", "u2": "u16", "i4": "i32", "f4": "f32"}
PLACES = 3  # bytes of a place
UNKNOWN = 255  # of a small number
LONGEST = 255  # characters that a name takes over from the one before it


def packed(values: np.ndarray) -> dict[str, Any]:
    """Return an array, of whatever shape, as {"t": type, "b": base64}, or {"c": value, "n": length} if all are equal.

    Integers take the smallest type that holds them; real numbers are float32, NaN where unknown.
    """
    values = np.asarray(values).ravel()
    whole = [k for k in ("u1", "i2", "u2", "i4") if values.dtype.kind in "iub" and _fits(values, k)]
    kind = next(iter(whole), "f4")
    flat = values.astype(f"<{kind}")
    if len(flat) and (flat == flat[0]).all():
        return {"c": flat[0].item(), "n": len(flat)}
    return {"t": KINDS[kind], "b": base64.b64encode(flat.tobytes()).decode()}


def places(values: np.ndarray) -> dict[str, Any]:
    """Return rows of clips, -1 for none, each in three bytes: four would make a page of many clips larger."""
    flat = np.asarray(values).ravel().astype("<u4").view(np.uint8).reshape(-1, 4)[:, :PLACES]
    return {"t": "u24", "b": base64.b64encode(flat.tobytes()).decode()}


def _fits(values: np.ndarray, kind: str) -> bool:
    limits = np.iinfo(kind)
    return not values.size or (values.min() >= limits.min and values.max() <= limits.max)


def names(values: Sequence[str]) -> dict[str, Any]:
    """Return names in which each takes over the beginning that it shares with the one before it."""
    shared, rest, last = [], [], ""
    for name in values:
        same = _shared(last, name)
        shared.append(same)
        rest.append(name[same:])
        last = name
    return {"shared": packed(np.array(shared, np.int64)), "rest": rest}


def _shared(one: str, other: str) -> int:
    """Return how many characters both begin with, ``LONGEST`` at most."""
    pairs = zip(one[:LONGEST], other[:LONGEST], strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other), LONGEST))


def coded(values: Iterable[Any]) -> dict[str, Any]:
    """Return a column of words as its different words, in their order, and the place of each row's."""
    words, codes = np.unique(np.array(list(values), dtype=object).astype(str), return_inverse=True)
    return {"names": names(words.tolist()), "codes": packed(codes)}
