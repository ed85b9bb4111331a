"""voices: synthetic talkers, men and women; the corpus of speakers that is always there.

Licence: CC0, made by this code. Utterances last from 0.75 to 1.5 times ``seconds``: 3 to 6 s by default.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import soxr
from pydantic import Field

from audioclust import parallel
from audioclust.clips.audio import to_int16
from audioclust.parameters import Count, Natural, Probability, validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import Corpus
from audioclust.synthesis.talkers import RATE, speech, talker


@dataclass
class Voices:
    """``root`` is not looked into."""

    men: Natural = 8
    women: Natural = 8
    utterances: Count = 8  # of each
    seconds: Annotated[float, Field(ge=1, le=60)] = 4.0  # of an utterance, about
    open_share: Probability = 0.375  # of the talkers, never trained on
    closed_share: Probability = 0.2  # of a training talker's utterances, not trained on
    seed: Natural = 0  # of every sound and of the parts

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Render the corpus; an utterance is a function of seed, gender, talker, its number and ``seconds``."""
        validate(self)
        who = [(gender, i) for gender, count in (("m", self.men), ("f", self.women)) for i in range(count)]
        tasks = [(self.seed, gender, i, self.utterances, self.seconds, rate) for gender, i in who]
        rendered = [each for talks in parallel.run(_talks, tasks, workers=workers, name="voices") for each in talks]
        talkers = [(f"{gender}{i:02d}", gender) for gender, i in who]
        named = [(f"{name}-{j:03d}", name, gender, "", "") for name, gender in talkers for j in range(self.utterances)]
        shares = {"open_share": self.open_share, "closed_share": self.closed_share, "seed": self.seed}
        return _files.assembled(rendered, named, rate, **shares)


def _talks(seed: int, gender: str, number: int, count: int, seconds: float, rate: int) -> list[np.ndarray]:
    """Render the utterances of one talker, (n,) int16 each."""
    who, talks = talker(seed, gender, number), []
    for utterance in range(count):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=("mf".index(gender), number, utterance)))
        x = speech(who, rng, round(rng.uniform(0.75, 1.5) * seconds * RATE))
        x = x if rate == RATE else soxr.resample(x, RATE, rate)
        talks.append(to_int16(x, len(x)))
    return talks
