"""Encoders trained on the clips without labels, one per seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audioclust import registry
from audioclust.results import costs, files
from audioclust.results.embeddings import EMBEDDING
from audioclust.runs.training import Train, curve, key
from audioclust.training import ranks
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips


def pretext(
    name: str, section: dict[str, Any], views: dict[str, Any], clips: Clips, seeds: list[int], out: Path,
    scratch: Path, train: Train, code: str = "",
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:  # fmt: skip
    """Train one encoder per seed and embed all clips with each.

    Args:
        name: a file in ``audioclust/pretext``.
        section: its parameters.
        views: those of ``Augment``.
        clips: on the device of ``train``.
        seeds: one encoder each.
        out: folder for ``embedding.npy`` (s, n, d) float32 and ``seed-<seed>/``, what the encoder saves.
        scratch: for checkpoints.
        train: device, threads, workers.
        code: fingerprint of the code, which checkpoints must fit too.

    Returns:
        The curves, a row per seed, phase and epoch, and the costs.
    """
    inputs = key(train, name, section, views, clips.digest, code)
    results = train.seeds(_encoder, name, seeds, scratch, inputs, name, section, views, clips, out)
    embeddings, curves, spent = zip(*results, strict=True)
    if not ranks.rank():
        files.write_array(out / EMBEDDING, np.stack(embeddings))
    return pd.concat(curves), list(spent)


def _encoder(
    train: Train, seed: int, run: Run, name: str, section: dict, views: dict, clips: Clips, out: Path
) -> tuple[np.ndarray, pd.DataFrame, dict[str, Any]]:
    """Train and save the encoder of one seed; return its embedding (n, d), curve and cost."""
    with costs.measured(encoder=name, seed=seed) as cost:
        kind = registry.get("pretext", name)
        encoder = kind(**section, augment=Augment(**views), device=train.where, random_state=seed)
        embedding = encoder.fit(clips, run=run).transform(clips)
        cost["seconds"] = run.earlier
    if not ranks.rank():
        encoder.save(out / f"seed-{seed}")
    return embedding, curve(run, seed), cost
