"""Networks for separation, one model per seed, each trained on mixtures that are made where they are used."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from audioclust.parameters import Unit
from audioclust.results import costs
from audioclust.runs.training import Train, curve, key
from audioclust.separation.corpus import Corpus
from audioclust.separation.mixer import Mixer, Pairs
from audioclust.separation.separator import Separator
from audioclust.training.loop import Run


@dataclass
class Mixing:
    """Which sources training mixes."""

    pairs: Pairs = "all"  # of speakers; balanced: men and women equally often; female: women alone
    aligned: Unit = 0.5  # of music, the share of mixtures that are one piece at one time
    speed: Annotated[float, Field(ge=0, le=0.5)] = 0.0  # largest change of a cut's speed, and with it of its pitch


def separator(
    name: str, section: dict[str, Any], mixing: Mixing, folder: Path, seeds: list[int], out: Path, scratch: Path,
    train: Train, code: str = "",
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:  # fmt: skip
    """Train one model per seed.

    Args:
        name: of the model.
        section: the parameters of ``Separator``.
        mixing: which sources are mixed.
        folder: of the corpus.
        seeds: one model each.
        out: folder for ``seed-<seed>/``, what the model saves.
        scratch: for checkpoints.
        train: device, threads, workers.
        code: fingerprint of the code, and of the model that training starts from.

    Returns:
        The curves, a row per seed, phase and epoch, and the costs.

    Raises:
        ValueError: a corpus with too few speakers for ``sources`` and ``pairs``, or a model to start from that does not
            fit.
    """
    corpus = Corpus.load(folder)
    table = corpus.utterances.to_csv(index=False)
    inputs = key(train, name, section, vars(mixing), corpus.samples, table, corpus.rate, code)
    results = train.seeds(_model, name, seeds, scratch, inputs, name, section, mixing, corpus, out)
    curves, spent = zip(*results, strict=True)
    return pd.concat(curves), list(spent)


def _model(
    train: Train, seed: int, run: Run, name: str, section: dict, mixing: Mixing, corpus: Corpus, out: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train and save the model of one seed; return its curve and cost."""
    with costs.measured(separator=name, seed=seed) as cost:
        model = Separator(**section, device=train.where, random_state=seed)
        train_part = _mixer(corpus, "train", model, mixing)
        closed = _mixer(corpus, "closed", model, replace(mixing, speed=0.0))
        model.fit(train_part, valid=closed, run=run)
        cost["seconds"] = run.earlier
    model.save(out / f"seed-{seed}")
    return curve(run, seed), cost


def _mixer(corpus: Corpus, part: str, model: Separator, mixing: Mixing) -> Mixer | None:
    """Return what mixes a part of the corpus; None where the closed part has too few speakers."""
    try:
        how = {"aligned": mixing.aligned, "speed": mixing.speed, "part": part}
        return Mixer(corpus, model.sources, mixing.pairs, model.device, **how)
    except ValueError:  # too few speakers
        if part == "train":
            raise
        return None  # its curve is for looking at
