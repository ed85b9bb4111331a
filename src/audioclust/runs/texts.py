"""The texts of clips, for the encoders that read them: other texts run these encoders again, and no encoder of sounds.

A clip has the text of its recording. Labels are never read here.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from audioclust.datasets._layout import TEXT
from audioclust.datasets.folder import TABLE, TEXTS
from audioclust.results import files


def texts(table: pd.DataFrame) -> list[str]:
    """Return the text of each row (n,) of the table of recordings or of clips, "" where it has none.

    Raises:
        ValueError: no row has one; the message says how to give texts.
    """
    found = table[TEXT].tolist() if TEXT in table else []
    if not any(found):
        raise ValueError(
            f"encoders names an encoder of texts, and no recording has a text: give them in a column "
            f"{' or '.join(TEXTS)} of the table {TABLE} in data.root (data.dataset=folder, folder.labels auto or csv), "
            f"take a data set that has texts, such as librispeech, or remove that encoder from encoders"
        )
    return found


def write(clips: pd.DataFrame, inputs: Mapping[str, str], out: Path) -> None:
    """Write ``<encoder>.json``: the text of each clip (n,) for an encoder of texts, else an empty list.

    Args:
        clips: the clip table.
        inputs: encoder -> its ``input``.
        out: the folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)  # also where no frozen encoder runs
    for name, kind in inputs.items():
        found = texts(clips) if kind == TEXT else []
        files.write_text(out / f"{name}.json", json.dumps(found, indent=0) + "\n")
