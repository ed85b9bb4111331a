"""What a clip is called: a hash of its recording, where it begins in it, and its channel."""

import hashlib

import pandas as pd

CHANNELS = 64  # that are looked for


def clip_id(path: str, start: float, channel: int) -> str:
    """Return the identity of the clip that begins at ``start`` seconds, of a channel counted from 0."""
    name = f"{path}|{start:.6f}|{channel}"
    return hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def channels(clips: pd.DataFrame) -> list[int]:
    """Return the channel of each clip, which the clip table keeps in ``clip_id`` alone; 0 where it tells none.

    Args:
        clips: ``clip_id``, ``path`` and ``start`` (s).
    """
    rows = zip(clips["clip_id"], clips["path"], pd.to_numeric(clips["start"]), strict=True)
    return [next((c for c in range(CHANNELS) if clip_id(path, start, c) == name), 0) for name, path, start in rows]
