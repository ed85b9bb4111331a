"""Outputs as DVC's cache has them: it puts copies there and in the place of what a stage wrote."""

import re
from collections.abc import Iterator
from pathlib import Path

from paths import PROJECT

CACHE = PROJECT / ".dvc/cache/files/md5"
LOCK = Path("dvc.lock")


def cached(out: Path) -> Iterator[Path]:
    """Yield the files of the cache, if it is at its default place, that stages wrote or read as ``out``, a file."""
    text = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    entry = rf"^ *- path: {re.escape(out.as_posix())}\n *hash: md5\n *md5: ([0-9a-f]{{2}})([0-9a-f]{{30}})$"
    for first, rest in dict.fromkeys(re.findall(entry, text, re.MULTILINE)):
        if (CACHE / first / rest).is_file():
            yield CACHE / first / rest
