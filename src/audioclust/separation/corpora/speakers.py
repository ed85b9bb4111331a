"""speakers: any data set of ``audioclust/datasets`` that labels speakers, such as librispeech, fsdd or a folder.

The speaker is the labelling ``speaker``, or ``label`` where there is none (``folder``: ``{speaker}/*.wav``); the gender
is taken from ``sex`` or ``gender``.
"""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from audioclust import registry
from audioclust.parameters import Natural, NonNegative, Probability, validate
from audioclust.separation.corpora import _files
from audioclust.separation.corpus import Corpus, split

SPEAKER = ("speaker", "label")
GENDER = ("sex", "gender")


@dataclass
class Speakers:
    """``root`` is the folder of the data set."""

    dataset: str = "librispeech"  # a file of audioclust/datasets that labels speakers
    # LibriSpeech's test-clean and test-other; where no folder is called so, a share of the speakers is drawn.
    open_folders: str = "test*"  # speakers in folders of such a name are open; "" for none
    open_share: Probability = 0.2  # of the speakers, drawn, never trained on
    closed_share: Probability = 0.1  # of a training speaker's utterances, not trained on
    seed: Natural = 0  # of the parts
    # Words and digits are too short to mix.
    join_seconds: NonNegative = 0.0  # recordings of a speaker are strung together to utterances of so long; 0: not
    _: KW_ONLY
    source: Any = None  # the data set with its own parameters; None: with their defaults

    def read(self, root: Path, rate: int = 8000, workers: int = -1) -> Corpus:
        """Return the corpus; recordings without a speaker are rejected."""
        validate(self)
        table = self._listed(root)
        mute = table["speaker"] == ""
        corpus = _files.corpus(table[~mute], root, rate, workers, self.join_seconds)
        without = pd.DataFrame({"path": table["path"][mute], "reason": "no speaker", "detail": "its label is empty"})
        corpus.rejected = pd.concat([corpus.rejected, without], ignore_index=True)
        corpus.utterances = split(
            corpus.utterances, rate, open_share=self.open_share, closed_share=self.closed_share, seed=self.seed
        )
        return corpus

    def _listed(self, root: Path) -> pd.DataFrame:
        """Return path, speaker, gender and part of every recording."""
        source = self.source if self.source is not None else registry.get("datasets", self.dataset)()
        found = source.recordings(root)
        speaker = next((name for name in SPEAKER if name in found), None)
        if speaker is None:
            labels = ", ".join(name for name in found.columns if name not in ("path", "group"))
            raise ValueError(
                f"speakers.dataset = {self.dataset!r}: it labels no speaker, only {labels}; choose one that does, such "
                "as librispeech, fsdd, or folder with {speaker}/*.wav"
            )
        gender = next((name for name in GENDER if name in found), None)
        genders = _files.sexes(found[gender]) if gender else [""] * len(found)
        table = pd.DataFrame({"path": found["path"], "speaker": found[speaker], "gender": genders})
        named = [_files.named_open(*row) for row in zip(table["path"], [self.open_folders] * len(table),
                                                         table["speaker"], strict=True)]  # fmt: skip
        return table.assign(part=["open" if each else "" for each in named])
