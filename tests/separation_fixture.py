"""Shared by the tests of separation: a corpus of tones in all parts, and a small network that has learned them."""

from functools import cache
from unittest import mock

import numpy as np
import pandas as pd
import torch
from corpus_fixture import corpus

from audioclust.separation import masks, separator
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixer import Mixer
from audioclust.separation.mixtures import tests
from audioclust.separation.separator import Separator
from audioclust.separation.stft import active
from audioclust.threads import one_thread

TINY = {"k": 4, "layers": 1, "hidden": 24, "frames": [20], "epochs": 4, "steps": 10, "batch": 8, "lr": 0.01} | {
    "counted": 16
}
SPACING = 4  # tones apart, so that each has bins of its own


def tones(genders: str = "mmff", seconds: float = 0.6) -> Corpus:
    """Return a corpus whose parts hold the same tones: of the open part the speakers have other names."""
    n = round(8000 * seconds)
    tables, samples, start = [], [], 0
    for part in ("train", "closed", "open"):
        one = corpus("".join(g + "u" * (SPACING - 1) for g in genders), part, lengths=(n,))
        rows = one.utterances.iloc[::SPACING].copy()
        samples += [one.samples[row.start : row.start + row.length] for row in rows.itertuples()]
        rows["start"], start = start + n * np.arange(len(rows)), start + n * len(rows)
        rows["utterance"] = part + "/" + rows["utterance"]
        rows["speaker"] = ("o" if part == "open" else "") + rows["speaker"]
        tables.append(rows)
    return Corpus(8000, np.concatenate(samples), pd.concat(tables, ignore_index=True))


def drawn(two: int = 1, three: int = 1) -> pd.DataFrame:
    """Return test mixtures of ``tones``."""
    return tests(tones(), two=two, three=three, seconds=0.5)


def untrained(**changes) -> Separator:
    """Return a network as it starts."""
    return fitted(**{"epochs": 1, "steps": 1, "lr": 1e-12} | changes)


def fitted(run=None, valid=None, **changes) -> Separator:
    """Return a network fitted to ``tones``."""
    model = Separator(**TINY | changes)
    return fit(model, Mixer(tones(), model.sources), valid=valid, run=run)


def fit(model: Separator, mixer: Mixer, **options) -> Separator:
    """Fit a network on short mixtures only, those that counting is learned from included."""
    with one_thread(), mock.patch.object(separator, "COUNTED_FRAMES", 20):
        return model.fit(mixer, **options)


@cache
def trained() -> Separator:
    """Return a network that has learned ``tones``."""
    return fitted()


def estimates(model: Separator, mixture: torch.Tensor, sources: int = 2) -> torch.Tensor:
    """Return what global k-means makes of a mixture (n,): (s, n)."""
    spectrum = model.stft_.spectrum(mixture)
    labels = masks.global_labels(model.embed(spectrum), active(spectrum), sources)
    return model.stft_.signal(masks.apply(masks.from_labels(labels, sources), spectrum), len(mixture))
