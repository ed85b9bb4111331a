"""One mixture of each kind to look at and to listen to: its pictures, and its sources and their estimates as sounds."""

from pathlib import Path

import pandas as pd
import torch

from audioclust.report import spectrograms
from audioclust.results import wav
from audioclust.runs.separate import Mixture, Separate
from audioclust.separation import masks
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixer import PEAK
from audioclust.separation.scores import score
from audioclust.separation.separator import Separator
from audioclust.separation.stft import loudest


def chosen(mixtures: pd.DataFrame) -> pd.DataFrame:
    """Return one mixture of each number of sources, of the open set if there is one: the first, of two genders if any.

    A voice is easier to tell from another of the other gender, and so the picture is one of the better ones.
    """
    mixed = [len(set(genders)) for genders in mixtures["genders"]]
    table = mixtures.assign(closed=mixtures["set"] == "closed", mixed=mixed)
    ordered = table.sort_values(["closed", "mixed"], ascending=[True, False], kind="stable")
    return ordered.groupby("count", sort=True).head(1).drop(columns=["closed", "mixed"])


def example(
    name: str, settings: Separate, corpus: Corpus, row: object, model: Separator, sounds: Path, pictures: Path
) -> None:
    """Separate one mixture by global k-means; write ``<sounds>/<name>/*.wav`` and ``<pictures>/<name>*.png``.

    Args:
        name: of the files.
        settings: how it is separated.
        corpus: what the mixture is made of.
        row: of ``separation.mixtures.tests``.
        model: that separates.
        sounds: folder of the sounds, 16-bit WAV at the corpus' rate.
        pictures: folder of the pictures.
    """
    stft = model.stft_
    mixture = Mixture.of(corpus, row, stft, model.device, model.silence_db)
    v, count = settings.embed(model, mixture.spectrum), len(mixture.waves)
    labels = masks.global_labels(v, mixture.active, count, restarts=settings.restarts)
    estimates = stft.signal(
        masks.apply(masks.from_labels(labels, count, settings.inactive), mixture.spectrum), mixture.wave.shape[-1]
    )
    found = score(estimates, mixture.waves, mixture.wave)
    order = found["permutation"]
    source = torch.full((count + 1,), -1)  # of each cluster; the last one stands for none
    source[order] = torch.arange(count)
    _write(sounds / name, corpus.rate, mixture.wave, mixture.waves, estimates.cpu()[order])
    ideal = torch.where(mixture.active, loudest(mixture.spectra), -1).cpu()
    gain = f"SDR improvement {found['sdr_improvement'].nanmean():.1f} dB"  # of the sources that have a sound
    title = f"{row.mixture}: {count} sources, by a model of {model.sources}; {gain}"
    spectrograms.separation(
        pictures / f"{name}.png", mixture.spectrum.abs().cpu().numpy(), ideal.numpy(), source[labels.cpu()].numpy(),
        v.cpu().numpy(), title, stft.step / corpus.rate, corpus.rate / 2,
    )  # fmt: skip
    there = ideal >= 0
    spectrograms.affinities(pictures / f"{name}_affinities.png", ideal[there].numpy(), v.cpu()[there].numpy(), title)


def _write(folder: Path, rate: int, wave: torch.Tensor, waves: torch.Tensor, estimates: torch.Tensor) -> None:
    """Write mixture, sources and estimates, all at one gain."""
    sounds = {"mixture": wave}
    for number, (source, estimate) in enumerate(zip(waves, estimates, strict=True), start=1):
        sounds |= {f"source-{number}": source, f"estimate-{number}": estimate}
    gain = PEAK / max(float(max(sound.abs().max() for sound in sounds.values())), 1e-8)
    for name, sound in sounds.items():
        wav.write(folder / f"{name}.wav", [gain * sound.cpu().numpy()], rate)
