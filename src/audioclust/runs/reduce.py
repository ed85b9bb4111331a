"""One reducer over one embedding, once for all clusterers, with the neighbour graph that they share."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from audioclust.parameters import Count
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import Scale
from audioclust.points.scale import scale as scaled


@dataclass
class Reduce:
    """What every space of an embedding has in common."""

    scale: Scale = "standardise_l2"  # of the embedding, before the reduction
    neighbours: Count = 30  # of each point in the graph; at most n - 1

    def points(self, x: np.ndarray) -> Neighbours:
        """Return an embedding (n, d) scaled, for all its reducers, with its neighbours when one asks for them."""
        return Neighbours(scaled(np.asarray(x), self.scale))

    def space(
        self, points: Neighbours, kind: type, section: dict[str, Any], seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the space (n, d) float32 that a reducer makes of ``points``, and its neighbour graph.

        The graph is distances (n, m) float32 and indices (n, m) int32 of each point's m nearest, nearest first.
        """
        shared = {"neighbours": points} if getattr(kind, "from_neighbours", False) else {}
        space = kind(**section, random_state=seed).fit_transform(points.x, **shared)
        distances, indices = Neighbours(space).query(min(self.neighbours, len(space) - 1))
        return space.astype(np.float32), distances.astype(np.float32), indices.astype(np.int32)
