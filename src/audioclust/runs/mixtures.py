"""A corpus of single speakers or instruments, and the fixed mixtures of it that separation is scored on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from audioclust.parameters import Natural, Positive
from audioclust.runs.recordings import Source
from audioclust.separation.corpus import Corpus, write_mixtures
from audioclust.separation.mixtures import tests

EMBEDDED = ("instruments", "voices")  # render their sounds
MIXTURES = "mixtures.csv"


@dataclass
class Mixtures:
    """What is mixed and how the test mixtures are drawn."""

    corpus: str  # a file of audioclust/separation/corpora
    root: str = "data/raw"  # the folder of the recordings; the embedded corpora do not look into it
    sample_rate: Annotated[int, Field(ge=1000, le=96_000)] = 8000  # Hz
    two: Natural = 100  # test mixtures of two sources in each set, closed and open
    three: Natural = 100  # of three
    seconds: Positive | None = None  # the longest cut of an utterance in a test mixture; null: whole utterances
    length: Literal["min", "max"] = "min"  # of a test mixture: its shortest or its longest utterance
    seed: Natural = 0  # of the test mixtures
    workers: Annotated[int, Field(ge=-1)] = -1  # processes; -1: one per core

    def find(self, name: str, dataset: tuple[str, Any] | None, project: Path = Path()) -> Path | None:
        """Return the folder of the recordings; None for an embedded corpus.

        Args:
            name: of the section of ``params.yaml``, for messages.
            dataset: name and instance of the data set that the corpus is made of, which is fetched if need be; None:
                of none.
            project: see ``Source.find``.

        Raises:
            FileNotFoundError: the folder does not exist, or see ``Source.find``.
        """
        if self.corpus in EMBEDDED:
            return None
        if dataset is not None:
            with _in_section(name):
                return Source(dataset[0], self.root).find(dataset[1], project)[0]
        found = next((root for root in (project / self.root, Path(self.root)) if root.is_dir()), None)
        if found is None:
            raise FileNotFoundError(f"{name}.root = {self.root}: no such folder; set it to that of the recordings")
        return found

    def run(self, name: str, kind: Any, root: Path | None, out: Path) -> str:
        """Write the corpus (``Corpus.save``) and ``mixtures.csv``, the test mixtures.

        Args:
            name: of the section of ``params.yaml``, for messages.
            kind: the corpus, an instance of its class.
            root: the folder of the recordings.
            out: the folder to write to.

        Returns:
            What there is, in a sentence.

        Raises:
            ValueError: too few speakers, or whatever the corpus refuses.
        """
        with _in_section(name):
            corpus = kind.read(root, self.sample_rate, self.workers)
            options = {"seconds": self.seconds, "length": self.length, "seed": self.seed}
            drawn = tests(corpus, two=self.two, three=self.three, **options)
        corpus.save(out)
        write_mixtures(out / MIXTURES, drawn)
        return f"{name}: {_summary(corpus, drawn)}"


@contextmanager
def _in_section(name: str) -> Iterator[None]:
    """Have errors name the keys of a section of separation: data sets and corpora know ``data`` alone."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        said = str(error).replace("data.dataset", "speakers.dataset").replace("data.root", f"{name}.root")
        # Of these two kinds: some of their kinds, such as UnicodeDecodeError, are not made of a message.
        raise (FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError)(said) from error


def listed(root: Path | None) -> pd.DataFrame:
    """Return ``path``, relative to ``root``, of every file below it, sorted; none of what is hidden."""
    paths = [] if root is None else [p.relative_to(root) for p in sorted(root.rglob("*")) if p.is_file()]
    return pd.DataFrame({"path": [str(p) for p in paths if not any(part.startswith(".") for part in p.parts)]})


def _summary(corpus: Corpus, drawn: pd.DataFrame) -> str:
    minutes = len(corpus.samples) / corpus.rate / 60
    said = [f"{minutes:.1f} minutes of {corpus.utterances['speaker'].nunique()} sources"]
    for name, part in corpus.utterances.groupby("part", sort=False):
        said.append(f"{name} {len(part)} utterances of {part['speaker'].nunique()}")
    counts = drawn.groupby(["set", "count"]).size()
    mixed = ", ".join(f"{number} {name} of {count}" for (name, count), number in counts.items())
    lost = f"; {len(corpus.rejected)} recordings left out, see rejected.csv" if len(corpus.rejected) else ""
    return f"{', '.join(said)}; test mixtures: {mixed}{lost}"
