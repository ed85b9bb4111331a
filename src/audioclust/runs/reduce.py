"""One reducer over one embedding, once for all clusterers, with the neighbour graph that they share."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from audioclust.parameters import Count
from audioclust.points.neighbours import Neighbours
from audioclust.points.scale import Scale
from audioclust.points.scale import scale as scaled
from audioclust.points.subset import SIZE, nearest_of_rest, placed, subset


@dataclass(eq=False)
class Points:
    """An embedding, scaled, and the part of it to which is fitted what takes longer than in proportion to n."""

    x: np.ndarray  # (n, d) float32
    rows: np.ndarray  # (r,) of the part, ascending; of few points all
    subset: Neighbours  # its points, with their neighbours when one asks for them

    @cached_property
    def nearest(self) -> np.ndarray:
        """Return the nearest points of the part of each other one, places in ``rows`` (n - r, k) int32."""
        return nearest_of_rest(self.x, self.rows)[2]


@dataclass
class Reduce:
    """What every space of an embedding has in common."""

    scale: Scale = "standardise_l2"  # of the embedding, before the reduction
    neighbours: Count = 30  # of each point in the graph; at most n - 1
    # Points to which at most is fitted what takes longer than in proportion to their number; the others follow those
    most: Annotated[int, Field(ge=1000)] = SIZE

    def points(self, x: np.ndarray, reducers: Iterable[Any] = ()) -> Points:
        """Return an embedding (n, d) scaled, for all its ``reducers``, whose searches for neighbours are one."""
        x = scaled(np.asarray(x), self.scale)
        rows = subset(len(x), self.most)
        least = max((each.wanted(len(rows)) for each in reducers if _from_neighbours(each)), default=1)
        return Points(x, rows, Neighbours(x if len(rows) == len(x) else x[rows], least=least))

    def space(
        self, points: Points, kind: type, section: dict[str, Any], seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the space (n, d) float32 that a reducer makes of ``points``, and neighbours in the part.

        They are distances (r, m) float32 and indices (r, m) int32 of each point's m nearest, nearest first, and of the
        other points the nearest (n - r, k) int32.
        """
        x, rows, whole = points.x, points.rows, len(points.rows) == len(points.x)
        model = kind(**section, random_state=seed)
        if getattr(kind, "linear", False):
            space = model.fit_transform(x)
        else:
            shared = {"neighbours": points.subset} if _from_neighbours(kind) else {}
            space = model.fit_transform(points.subset.x, **shared)
            space = space if whole else placed(space, rows, points.nearest)
        space = space.astype(np.float32, copy=False)
        graph = points.subset if space is x else Neighbours(space if whole else space[rows])
        distances, indices = graph.query(min(self.neighbours, len(rows) - 1))
        if whole:
            nearest = np.zeros((0, 0), np.int32)
        else:
            nearest = points.nearest if space is x else nearest_of_rest(space, rows)[2]
        return space, distances.astype(np.float32, copy=False), indices.astype(np.int32, copy=False), nearest


def _from_neighbours(reducer: Any) -> bool:
    """Tell whether a reducer, or its class, takes the neighbour graph of the points."""
    return getattr(reducer, "from_neighbours", False)
