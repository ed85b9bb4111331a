"""instruments: a synthetic trio of piano, violin and cello; the corpus of music that is always there.

Licence: CC0, made by this code.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soxr
from pydantic import Field

from audioclust import parallel
from audioclust.clips.audio import to_int16
from audioclust.parameters import Natural, Probability, validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import Corpus
from audioclust.synthesis.trio import INSTRUMENTS, RATE, piece


@dataclass
class Instruments:
    """``root`` is not looked into."""

    pieces: Annotated[int, Field(ge=2)] = 16
    seconds: Annotated[float, Field(ge=2, le=600)] = 20.0  # of a piece
    open_share: Probability = 0.25  # of the pieces, never trained on
    closed_share: Probability = 0.25  # of a training piece, its end, not trained on
    seed: Natural = 0  # of every sound and of the parts

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Render the corpus; a piece is a function of seed, its number and ``seconds``."""
        validate(self)
        tasks = [(self.seed, number, self.seconds, rate) for number in range(self.pieces)]
        rendered = [stem for stems in parallel.run(_piece, tasks, workers=workers, name="trio") for stem in stems]
        pieces = [f"{number:03d}" for number in range(self.pieces)]
        named = [(f"{name}/{instrument}", instrument, "", name, "") for name in pieces for instrument in INSTRUMENTS]
        shares = {"open_share": self.open_share, "closed_share": self.closed_share, "seed": self.seed}
        return _files.assembled(rendered, named, rate, **shares)


def _piece(seed: int, number: int, seconds: float, rate: int) -> list[np.ndarray]:
    """Render the stems of one piece, (n,) int16 each, in the order of ``INSTRUMENTS``."""
    stems = piece(seed, number, round(seconds * RATE))
    resampled = [x if rate == RATE else soxr.resample(x, RATE, rate) for x in stems.values()]
    return [to_int16(x, len(x)) for x in resampled]
