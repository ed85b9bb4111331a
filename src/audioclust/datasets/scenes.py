"""scenes: nine classes of domestic sound, rendered by a seeded synthesiser; the data set that is always there.

Size: 450 clips of 4 s by default (57.6 MB), 16 kHz mono 16-bit WAV. Labels: ``scene``, with the class names of DCASE
2018 task 5 (Dekkers et al. 2018), whose sounds it imitates; no recording of that corpus is in it. Groups: the session,
which sets the room, the microphone and the background, and is shared by all classes. Licence: CC0, this code makes it.

Layout: ``scenes/<class>/<class>_<index>.wav`` and ``scenes/manifest.csv`` (path, scene, session). The manifest is
written last: without it the folder is half rendered, and ``download`` completes it. ``scenes/parameters.json`` is
written first and says what the clips were rendered with; with other parameters they are rendered again.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import soundfile
from joblib import Parallel, delayed
from pydantic import Field

from audioclust.parameters import Count, Natural, validate, values
from audioclust.results import files

URL = None  # nothing is fetched
CHECKSUM = None
SIZE = None  # bytes; it follows from the parameters
LICENSE = "CC0-1.0"
CITATION = (
    "Class names: G. Dekkers, L. Vuegen, T. van Waterschoot, B. Vanrumste, P. Karsmakers, "
    '"DCASE 2018 Challenge - Task 5: Monitoring of domestic activities based on multi-channel acoustics", 2018.'
)
LABELS = ("scene",)
FOLDERS = ("scenes",)

VERSION = 2  # raise it whenever the sound of any clip changes: rendered folders are then rendered again
SHARD = 50  # clips rendered by one job; fixed, so that the work is cut alike on every machine


@dataclass
class Scenes:
    """The clips lie in ``root/scenes``."""

    clips_per_class: Count = 50
    seconds: Annotated[float, Field(ge=0.5, le=60)] = 4.0  # length of a clip
    sessions: Count = 10
    seed: Natural = 0  # of every sound

    def recordings(self, root: Path) -> pd.DataFrame:
        """Return one row per clip, sorted by path: ``path`` (POSIX, relative to ``root``), ``group``, ``scene``.

        Raises:
            FileNotFoundError: the clips are not there, not complete, or were rendered with other parameters.
        """
        validate(self)
        folder = Path(root) / "scenes"
        manifest = folder / "manifest.csv"
        way_out = "call Scenes(...).download(root) with the same parameters to render them"
        if not manifest.is_file():
            raise FileNotFoundError(f"no complete rendering of scenes: {manifest} does not exist; {way_out}")
        wanted, found = self._parameters(), _read_parameters(folder)
        if found != wanted:
            raise FileNotFoundError(f"{folder} holds clips rendered with {found}, asked for were {wanted}; {way_out}")
        table = pd.read_csv(manifest, dtype=str).rename(columns={"session": "group"})
        lost = [path for path in table["path"] if not (Path(root) / path).is_file()]
        if lost:
            raise FileNotFoundError(
                f"{len(lost)} clips listed in {manifest} are missing, the first is {lost[0]}; {way_out}"
            )
        return table[["path", "group", "scene"]]

    @property
    def cached(self) -> str:
        """The name of its folder in the cache, one for each set of parameters."""
        return f"scenes-{hashlib.sha256(json.dumps(self._parameters()).encode()).hexdigest()[:16]}"

    def download(self, root: Path) -> None:
        """Render the clips into ``root/scenes``: those that are not there yet.

        A clip depends on (class, index, seconds, sessions, seed) alone, not on ``clips_per_class``. Rendering runs on
        all cores through joblib; the bytes do not depend on their number.
        """
        validate(self)
        root = Path(root)
        folder, table = root / "scenes", _table(self.clips_per_class, self.sessions)
        if _read_parameters(folder) != self._parameters():
            _clear(folder)
            files.write_text(folder / "parameters.json", json.dumps(self._parameters(), indent=1) + "\n")
        missing = [row for row in table.itertuples() if not (root / row.path).is_file()]
        if not missing and (folder / "manifest.csv").is_file():
            return
        shards = [missing[start : start + SHARD] for start in range(0, len(missing), SHARD)]
        jobs = (delayed(_render)(root, shard, self.seconds, self.seed) for shard in shards)
        Parallel(n_jobs=max(1, min(len(shards), os.cpu_count() or 1)))(jobs)
        files.write_text(folder / "manifest.csv", table[["path", "scene", "session"]].to_csv(index=False))

    def _parameters(self) -> dict[str, float]:
        """Return what a rendered folder depends on."""
        return {"version": VERSION} | values(self) | {"seconds": float(self.seconds)}


def _table(clips_per_class: int, sessions: int) -> pd.DataFrame:
    """One row per clip, sorted by path: path, scene, session, number. Sessions take turns within every class."""
    from audioclust.synthesis.recipes import RECIPES  # here, as listing what is rendered needs no synthesiser

    rows = [
        (f"scenes/{scene}/{scene}_{index:05d}.wav", scene, f"s{index % sessions:02d}", index)
        for scene in RECIPES
        for index in range(clips_per_class)
    ]
    table = pd.DataFrame(rows, columns=["path", "scene", "session", "number"])
    return table.sort_values("path", ignore_index=True)


def _render(root: Path, rows: list, seconds: float, seed: int) -> None:
    """Write the clips of ``rows``; every file appears whole or not at all."""
    from audioclust.synthesis.recipes import clip
    from audioclust.synthesis.rooms import session
    from audioclust.synthesis.sources import RATE

    rooms = {row.session: session(seed, int(row.session[1:])) for row in rows}
    for row in rows:
        samples = clip(row.scene, row.number, round(seconds * RATE), rooms[row.session], seed)
        path = root / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        soundfile.write(partial, np.round(samples * 32767).astype(np.int16), RATE, "PCM_16", format="WAV")
        partial.replace(path)


def _read_parameters(folder: Path) -> dict | None:
    """Return the parameters that the clips in ``folder`` were rendered with; None where there are none to read."""
    try:
        return json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _clear(folder: Path) -> None:
    """Remove our own clips and manifest, the manifest first: a folder without one is never taken for complete."""
    from audioclust.synthesis.recipes import RECIPES

    (folder / "manifest.csv").unlink(missing_ok=True)
    for scene in RECIPES:
        for path in folder.glob(f"{scene}/{scene}_?????.*"):
            path.unlink()
