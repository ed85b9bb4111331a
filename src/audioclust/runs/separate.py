"""The test mixtures of a corpus, separated by every model and every baseline, and scored.

An embedding becomes masks in four ways, see ``audioclust.separation.masks``: by one k-means over the file (``global``),
the same with soft masks (``soft``), and by k-means per segment of 100 frames with the best permutation (``oracle``),
also on the spectral form (``spectral``).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from audioclust import parallel
from audioclust.parameters import Count, Natural
from audioclust.separation import masks, nmf
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixtures import render
from audioclust.separation.scores import score_all
from audioclust.separation.separator import Separator
from audioclust.separation.stft import Stft, active
from audioclust.threads import one_thread

SEGMENT = 100  # frames with a permutation of their own, where it is the best that counts
SHARD = 4  # mixtures per task
SILENCE_DB = 40.0  # of a mixture that no model sees
BASELINES = ("mixture", "nmf", "ideal binary", "ideal ratio")
METHODS = ("global", "soft", "oracle", "spectral")
SCORES = ("sdr_improvement", "si_sdr_improvement", "mixture_sdr", "mixture_si_sdr")
COLUMNS = ["mixture", "set", "count", "part", "source", "method", "model", "seed", *SCORES, "counted"]
DIGITS = 3  # of a decibel


@dataclass(eq=False)
class Mixture:
    """One mixture and what is known of it; all on one device."""

    wave: Tensor  # (n,)
    waves: Tensor  # (s, n) of the sources
    spectrum: Tensor  # (t, f)
    spectra: Tensor  # (s, t, f)
    active: Tensor  # (t, f) bool

    @classmethod
    def of(
        cls, corpus: Corpus, row: Any, stft: Stft, device: str = "cpu", silence_db: float = SILENCE_DB
    ) -> "Mixture":  # fmt: skip
        """Return the mixture of a row of ``separation.mixtures.tests``."""
        wave, waves = (torch.from_numpy(x).to(device) for x in render(corpus, row))
        spectrum = stft.spectrum(wave)
        return cls(wave, waves, spectrum, stft.spectrum(waves), active(spectrum, silence_db))


@dataclass
class Separate:
    """How test mixtures are separated."""

    segments: Count | Literal["whole"] = "whole"  # frames that the network sees at once; 100 in the paper
    restarts: Count = 10  # of each k-means
    vectors: Count | Literal["sources"] = "sources"  # singular vectors of the spectral form
    inactive: Literal["all", "none"] = "all"  # which masks the bins belong to that are too faint to be clustered
    bases: Natural = 256  # per speaker, for oracle NMF; 0: no NMF
    iterations: Count = 100  # of NMF
    workers: Annotated[int, Field(ge=-1)] = -1  # processes on the CPU; -1: one per core

    def rows(self, corpus: Corpus, mixtures: pd.DataFrame, models: dict[tuple[str, int], Separator]) -> pd.DataFrame:
        """Return a row per mixture, source, method and model.

        Args:
            corpus: what the mixtures are made of.
            mixtures: of ``separation.mixtures.tests``.
            models: by name and seed, on one device.

        Returns:
            ``mixture``, ``set``, ``count``, ``part`` (genders of speech, "" where they are unknown; of music the
            source), ``source`` (speaker or instrument), ``method``, ``model`` and ``seed`` ("" and -1 for a baseline),
            ``SCORES`` in dB, those of a source without a sound NaN, and ``counted``, whether the model tells how many
            sources there are (None of a baseline).
        """
        first = next(iter(models.values()), None)
        workers = self.workers if first is None or first.device == "cpu" else 1
        stft = Stft(corpus.rate) if first is None else first.stft_
        shards = [mixtures.iloc[start : start + SHARD] for start in range(0, len(mixtures), SHARD)]
        with one_thread():  # in this process too, so that the scores do not depend on ``workers``
            bases = self._bases(corpus, mixtures, stft, workers) if self.bases else {}
            tasks = [(self, corpus, shard, stft, models, bases) for shard in shards]
            found = [row for rows in parallel.run(_shard, tasks, workers=workers, name="separate") for row in rows]
        return pd.DataFrame(found, columns=COLUMNS)

    def embed(self, model: Separator, spectrum: Tensor) -> Tensor:
        """Return a model's embeddings (t, f, k) of a mixture's spectrum (t, f)."""
        return model.embed(spectrum, None if self.segments == "whole" else self.segments)

    def masks(self, v: Tensor, mixture: Mixture) -> dict[str, Tensor]:
        """Return the masks (s, t, f) that each of ``METHODS`` makes of a mixture's embeddings (t, f, k)."""
        count = len(mixture.waves)
        centres = masks.centres(v[mixture.active], count, restarts=self.restarts)
        m = min(count if self.vectors == "sources" else self.vectors, v.shape[2])
        labels = {
            "global": masks.nearest(v, mixture.active, centres),
            "oracle": self._oracle(v, mixture),
            "spectral": self._oracle(masks.spectral(v, mixture.active, m, frames=SEGMENT), mixture),
        }
        found = {method: masks.from_labels(each, count, self.inactive) for method, each in labels.items()}
        return found | {"soft": masks.soft_masks(v, centres)}

    def _oracle(self, v: Tensor, mixture: Mixture) -> Tensor:
        """Return labels (t, f) by segments with the best permutation."""
        parts = mixture.active, mixture.spectra, mixture.spectrum
        return masks.oracle_labels(v, *parts, frames=SEGMENT, restarts=self.restarts)

    def baseline(self, method: str, mixture: Mixture, bases: list[Tensor] | None) -> Tensor | None:
        """Return the masks (s, t, f) of one of ``BASELINES``; None where not all speakers have NMF bases."""
        if method == "mixture":
            return torch.ones_like(mixture.spectra.real)
        if method == "nmf":
            known = bases is not None
            return nmf.separate(mixture.spectrum.abs(), bases, iterations=self.iterations) if known else None
        return (masks.ideal_binary if method == "ideal binary" else masks.ideal_ratio)(mixture.spectra.abs())

    def _bases(self, corpus: Corpus, mixtures: pd.DataFrame, stft: Stft, workers: int) -> dict[str, Tensor]:
        """Return the NMF bases of every speaker of a closed mixture, learned from its training part."""
        of = corpus.utterances.set_index("utterance")["speaker"]
        closed = mixtures.loc[mixtures["set"] == "closed", "utterances"]
        trained = set(corpus.part("train")["speaker"])
        names = sorted({of[utterance] for utterances in closed for utterance in utterances} & trained)
        tasks = [(corpus, name, stft, self.bases, self.iterations) for name in names]
        return dict(zip(names, parallel.run(_speaker, tasks, workers=workers, name="nmf"), strict=True))


def _speaker(corpus: Corpus, name: str, stft: Stft, count: int, iterations: int) -> Tensor:
    """Return the NMF bases (c, f) of one speaker."""
    rows = corpus.part("train")
    spectra = [
        stft.spectrum(torch.from_numpy(corpus.signal(row))) for row in rows[rows["speaker"] == name].itertuples()
    ]
    return nmf.bases(torch.cat(spectra).abs(), count, iterations=iterations)


def _shard(
    settings: Separate, corpus: Corpus, mixtures: pd.DataFrame, stft: Stft, models: dict, bases: dict[str, Tensor]
) -> list[dict[str, Any]]:
    """Return the rows of some mixtures."""
    of = corpus.utterances.set_index("utterance")
    device = next((model.device for model in models.values()), "cpu")
    found = []
    for row in mixtures.itertuples():
        kinds = {(stft, SILENCE_DB), *((model.stft_, model.silence_db) for model in models.values())}
        seen = {(each, db): Mixture.of(corpus, row, each, device, db) for each, db in kinds}
        speakers, pieces = (of.loc[row.utterances, name].tolist() for name in ("speaker", "piece"))
        known = [bases[name].to(device) for name in speakers] if all(name in bases for name in speakers) else None
        plain = stft, SILENCE_DB
        cells = [(plain, method, "", -1, settings.baseline(method, seen[plain], known)) for method in BASELINES]
        counted = {}
        for (name, seed), model in models.items():
            kind = model.stft_, model.silence_db
            mixture = seen[kind]
            v = settings.embed(model, mixture.spectrum)
            made, counted[name, seed] = settings.masks(v, mixture), model.count(v, mixture.active)[0] == row.count
            cells += [(kind, method, name, seed, made[method]) for method in METHODS]
        about = {"mixture": row.mixture, "set": row.set, "count": row.count}
        parts = speakers if any(pieces) else [row.genders] * len(speakers)
        scored = _scored(seen, speakers, parts, cells)
        found += [about | each | {"counted": counted.get((each["model"], each["seed"]))} for each in scored]
    return found


def _scored(
    seen: dict[tuple[Stft, float], Mixture], speakers: list[str], parts: list[str], cells: list[tuple]
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row per source of each cell that has masks: key of ``seen``, method, model, seed and masks."""
    cells = [cell for cell in cells if cell[-1] is not None]
    any_one = next(iter(seen.values()))
    estimates = [
        any_one.wave.expand_as(any_one.waves)
        if method == "mixture"
        else kind[0].signal(masks.apply(found, seen[kind].spectrum), len(any_one.wave))
        for kind, method, _, _, found in cells
    ]
    scores = score_all(estimates, any_one.waves, any_one.wave)
    return [
        {"part": part, "source": name, "method": method, "model": model, "seed": seed}
        | {each: round(float(scores[n][each][i]), DIGITS) + 0.0 for each in SCORES}
        for n, (_, method, model, seed, _) in enumerate(cells)
        for i, (part, name) in enumerate(zip(parts, speakers, strict=True))
    ]
