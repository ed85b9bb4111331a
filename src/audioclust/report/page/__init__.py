"""The listening page: one file in which the clusters of one cell are seen, heard and edited, without a network.

The page is a template, a style and one script, which ``tools/page`` bundles from its own modules, regl-scatterplot (the
map) and wavesurfer.js (waveform and spectrogram). What is shown stands in the file as JSON, numbers as base64 of typed
arrays, sounds as base64 of MP3, which the script reads on a click. All texts are data and never markup, and the page's
own content security policy forbids every request and every other script ('unsafe-eval' is for regl, which compiles its
shaders' callers).

Shapes: n clips, m neighbours.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from audioclust.parameters import Count, validate
from audioclust.report.page import _content, _sounds
from audioclust.report.summary import Cluster
from audioclust.results.files import whole

STATIC = Path(__file__).parent / "static"
POINTS = 100_000  # on the map; of more clips a part is drawn
MOST_MB = 80  # of sound: pages of some hundred MB take tens of seconds to open
SURROGATE = re.compile("[\ud800-\udfff]")
COLUMNS = ("path", "start", "end", "cluster", "name", "confidence", "is_exemplar", "label", "group", "level")


@dataclass
class Report:
    """What the listening page holds."""

    # Clips that can be heard, which are then in the page: sample takes exemplars, edge cases and random ones.
    audio: Literal["none", "exemplars", "sample", "all"] = "sample"
    sounds: Count = 30  # clips per cluster that can be heard, at most, where audio is sample
    most_mb: Annotated[float, Field(gt=0, le=MOST_MB)] = 20.0  # MB of sound in the page; beyond it fewer clips


@dataclass(frozen=True)
class Page:
    """What is known of one cell.

    Attributes:
        title: of the page.
        chosen: the labelling that is shown first, ``encoder/reducer/clusterer/seed``; the ``cell`` of clusters.yaml.
        why: one paragraph: why this cell was chosen.
        clips: n rows of ``COLUMNS``: start and end in seconds, level in dBFS; "" or NaN where unknown.
        xy: (n, 2) the map.
        map_name: what it is, e.g. "t-SNE of aisfx".
        labellings: by name (n,) integers, -1 for noise; the first is ``chosen``.
        clusters: of the chosen labelling, from ``summary.describe``: the largest first, noise last.
        neighbours: (n, m) rows of the nearest other clips, the nearest first.
        numbers: the curve over the number of clusters: ``k`` and columns of measures; may be empty.
        tree: (clusters - 1, 4) SciPy's linkage of the chosen clusters, which it numbers in the order of their numbers,
            noise left out; None: there is none.
        warnings: remarks on what the clusters follow.
        left_out: what the caller left out.
        audio: ``audio.npy`` (n, samples) int16.
        rate: of ``audio``, Hz.
        signal: (n,) seconds of ``audio`` that are no padding.
        edits: what ``clusters.yaml`` says already (names, merge, split, drop), so that the text for copying keeps it.
        advice: what the curve speaks for, a sentence.
    """

    title: str
    chosen: str
    why: str
    clips: pd.DataFrame
    xy: np.ndarray
    map_name: str
    labellings: dict[str, np.ndarray]
    clusters: list[Cluster]
    neighbours: np.ndarray
    numbers: pd.DataFrame
    tree: np.ndarray | None
    warnings: list[str]
    left_out: list[str]
    audio: Path
    rate: int
    signal: np.ndarray
    edits: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""

    def check(self) -> None:
        """Check that all is of the same clips.

        Raises:
            ValueError: a column is missing, lengths differ, or ``chosen`` is not the first labelling.
        """
        missing = [name for name in COLUMNS if name not in self.clips]
        if missing:
            raise ValueError(f"the clips of a page lack the columns {', '.join(missing)}")
        arrays = {"xy": self.xy, "neighbours": self.neighbours, "signal": self.signal} | self.labellings
        wrong = [f"{name} has {len(values)}" for name, values in arrays.items() if len(values) != len(self.clips)]
        if wrong or not len(self.clips):
            raise ValueError(
                f"one row of each per clip, at least one clip: {len(self.clips)} clips, {', '.join(wrong)}"
            )
        if next(iter(self.labellings), None) != self.chosen:
            raise ValueError(f"chosen={self.chosen!r} must be the first labelling of {list(self.labellings)}")


def write(out: Path, page: Page, settings: Report) -> list[str]:
    """Write the page and return what it leaves out, a sentence each; the same stands in it.

    Args:
        out: the HTML file.
        page: what is shown.
        settings: what can be heard.

    Raises:
        ValueError: a setting is out of range, or ``page`` is not of one set of clips.
    """
    validate(settings)
    page.check()
    rows = _content.drawn(page, POINTS)
    sounds, silent = _sounds.encoded(page, settings, rows)
    content, thinned = _content.content(page, rows, sorted(sounds))
    left_out = [*page.left_out, *thinned, *silent]
    content |= {"left_out": left_out}
    # The browser keeps a reader's edits under the digest, as long as the page shows the same.
    data = _json(content | {"digest": hashlib.sha256(_json(content).encode()).hexdigest()[:16]})
    with whole(out) as stream:
        stream.write(_document(page.title, data, {place: sounds[row] for place, row in enumerate(sorted(sounds))}))
    return left_out


def _document(title: str, data: str, sounds: Mapping[int, bytes]) -> bytes:
    script, style, licences = (_static(name) for name in ("bundle.js", "page.css", "LICENCES.txt"))
    parts = {
        "title": html.escape(_printable(title)),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "style": style,
        "licences": licences,
        "data": data,
        "sounds": "\n".join(
            f'<script type="text/plain" id="sound-{place}">{base64.b64encode(sound).decode()}</script>'
            for place, sound in sounds.items()
        ),
        "script": script,
    }
    pieces = _static("page.html").split("\N{SECTION SIGN}")  # between two of them stands the name of a part
    return "".join(parts[each] if i % 2 else each for i, each in enumerate(pieces)).encode()


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _json(content: Mapping[str, Any]) -> str:
    """Return JSON that can stand in a script element: nothing in it ends that element or opens a comment."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    # Names that are no UTF-8 hold halves of surrogate pairs, which no file of UTF-8 can.
    return SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
