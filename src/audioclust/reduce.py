"""One reducer over one encoder's embedding, once for all clusterers, with the neighbour graph that they share."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from tqdm import tqdm

from audioclust import registry
from audioclust.neighbours import Neighbours
from audioclust.scale import scale as scaled
from audioclust.spaces import Space
from audioclust.threads import one_thread


def reduce(
    x: np.ndarray,
    reducer: str,
    section: dict[str, Any],
    seeds: list[int],
    *,
    scale: Literal["none", "standardise", "l2"] = "none",
    neighbours: Annotated[int, Field(ge=1)] = 30,
) -> Space:
    """Return the spaces of one reducer and the neighbour graph of each.

    Args:
        x: (n, d) embedding, or (s, n, d), one a seed.
        reducer: name of a file in ``audioclust/reducers``.
        section: its parameters.
        seeds: one space a seed where the reducer is stochastic.
        scale: applied to ``x`` before the reduction.
        neighbours: the graph's size; at most n - 1.

    Returns:
        The spaces, float32 and int32; s = 1 for a deterministic reducer of one embedding.
    """
    kind = registry.get("reducers", reducer)
    several = x.ndim == 3
    used = seeds if kind.stochastic or several else seeds[:1]
    spaces, distances, indices = [], [], []
    for position, seed in enumerate(tqdm(used, desc=reducer, unit="seed", mininterval=2)):
        rows = scaled(np.asarray(x[position] if several else x), scale)
        with one_thread():
            space = kind(**section, random_state=seed).fit_transform(rows)
            d, i = Neighbours(space).query(min(neighbours, len(rows) - 1))
        spaces.append(space.astype(np.float32))
        distances.append(d.astype(np.float32))
        indices.append(i.astype(np.int32))
    return Space(np.stack(spaces), np.stack(distances), np.stack(indices))
