"""Votes of the nearest neighbours: how sure a cluster is of its points, and the cluster of points that come later.

A later point lies ``distance`` out: how far its neighbours are, beside how far theirs are and how far those of most
points are. Distances in an embedding mean little by themselves: clusters are dense or loose, and an encoder that barely
tells the recordings apart puts all of them close together. Rows scaled to length 1 have lost how long they were, and
what an encoder has never heard is often longer than all else, so that the length is looked at too. ``distance`` is 1
where ``USUAL`` of the fitted points, each left out in turn, lie no farther out. docs/LOG.md has what was tried.

Of many fitted points a part votes (``points/subset.py``), on the others too.

Shapes: n fitted points, r of them vote, m later ones, d dimensions, e embeddings side by side. Distances are Euclidean,
noise is -1.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from audioclust.points.neighbours import Neighbours
from audioclust.points.subset import NEIGHBOURS, SIZE, nearest_of_rest, rest, subset

USUAL = 0.9  # of the fitted points lie within a distance of 1
LONG = 0.98  # of them are no longer than the length that counts like a distance of 1
CLOSE = 0.1  # of the usual distance of neighbours: copies of one sound do not make all others far
ROUNDING = 1e-6


class Votes(NamedTuple):
    """What neighbours say of points, (m,) each."""

    labels: np.ndarray  # int32, of most neighbours, among equally many those with the nearest of all
    confidence: np.ndarray  # share of the neighbours with the label, NaN of noise
    distance: np.ndarray  # how far out, 1 at the edge of what is usual


def _share(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of the votes (m, k) for each label (m,), NaN of noise."""
    return np.where(labels >= 0, (votes == labels[:, None]).mean(axis=1), np.nan)


@dataclass
class Voters:
    """Fitted points that vote on later ones."""

    x: np.ndarray  # (r, d) float32, those that vote
    rows: np.ndarray  # (r,) int64, which they are, ascending
    labels: np.ndarray  # (n,) int32
    nearest: np.ndarray  # (n, k) int32 of each point's neighbours, places in rows; the point itself is none
    spread: np.ndarray  # (r,) mean distance of a voter's neighbours
    usual: float  # median of the positive ones
    far: float  # what ``_far`` is for ``USUAL`` of the points
    long: np.ndarray  # (e,) length that counts like a distance of 1; infinite where lengths say nothing
    unit: float  # the larger of both for ``USUAL`` of the points
    own: Votes  # on the fitted points, each left out in turn; their labels are ``labels``

    @classmethod
    def of(
        cls,
        x: np.ndarray,
        labels: np.ndarray,
        lengths: np.ndarray | None = None,
        threads: int = 1,
        size: int = SIZE,
    ) -> "Voters":
        """Return the voters that fitted points make.

        Args:
            x: (n, d), scaled.
            labels: (n,) integers, -1 for noise.
            lengths: (n, e) of the rows before they were scaled to 1; None: they were not.
            threads: of the search.
            size: points that vote, at most.

        Raises:
            ValueError: fewer than two points, or other numbers of labels.
        """
        x, labels = np.ascontiguousarray(x, np.float32), np.asarray(labels, np.int32)
        if len(x) < 2 or labels.shape != (len(x),):
            raise ValueError(f"labels of shape {labels.shape} for {len(x)} points: at least two, and one label each")
        rows = subset(len(x), size)
        voters, around, nearest = _around(x, rows, threads)
        spread = around[rows]
        above = spread[spread > ROUNDING * spread.max()]
        usual = float(np.median(above)) if len(above) else 0.0
        long = np.full(1, np.inf) if lengths is None else np.quantile(lengths, LONG, axis=0)
        own = Votes(labels, _share(labels[rows[nearest]], labels), np.zeros(len(x)))
        long = np.where(long > 0, long, np.inf)
        found = cls(voters, rows, labels, nearest, spread, usual, 1.0, long, 1.0, own)
        found.far = _edge(found._far(around, nearest))
        found.unit = _edge(found._distance(around, nearest, lengths))
        found.own = own._replace(distance=found._distance(around, nearest, lengths))
        return found

    def relabelled(self, labels: np.ndarray) -> "Voters":
        """Return the same points with other labels (n,)."""
        labels = np.asarray(labels, np.int32)
        own = self.own._replace(labels=labels, confidence=_share(labels[self.rows[self.nearest]], labels))
        return replace(self, labels=labels, own=own)

    def __call__(self, x: np.ndarray, lengths: np.ndarray | None = None, labels: np.ndarray | None = None) -> Votes:
        """Return what the fitted points say of points (m, d).

        Args:
            x: scaled like the fitted ones.
            lengths: (m, e) of their rows before they were scaled to 1.
            labels: (m,) where it is known from elsewhere; None: the neighbours vote.
        """
        distances, nearest = Neighbours(self.x).of(x, min(NEIGHBOURS, len(self.x)))
        votes = self.labels[self.rows[nearest]]
        labels = most(votes) if labels is None else np.asarray(labels, np.int32)
        distance = self._distance(distances.mean(axis=1, dtype=np.float64), nearest, lengths)
        return Votes(labels, _share(votes, labels), distance)

    def _distance(self, spread: np.ndarray, nearest: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
        """Return how far out (m,) points are: arguments as of ``_far``, and ``lengths`` (m, e)."""
        far = self._far(spread, nearest) / self.far
        return (far if lengths is None else np.maximum(far, (lengths / self.long).max(axis=1))) / self.unit

    def _far(self, spread: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Return how far (m,) points are whose ``nearest`` (m, k) are on average ``spread`` (m,) away."""
        around = np.maximum(self.spread[nearest].mean(axis=1), CLOSE * self.usual)
        far = np.divide(spread, np.sqrt(around * self.usual), out=np.full(len(spread), np.inf), where=around > 0)
        return np.where(spread > 0, far, 0)


def _edge(values: np.ndarray) -> float:
    """Return what ``USUAL`` of the values do not exceed, 1 where that is nothing."""
    return float(np.quantile(values, USUAL)) or 1.0


def _around(x: np.ndarray, rows: np.ndarray, threads: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points (r, d) in ``rows``, the mean distance (n,) of each point's neighbours among them, and these.

    Neighbours are places in ``rows`` (n, k) int32; of points (n, d) float32.
    """
    if len(rows) == len(x):
        distances, nearest = Neighbours(x, threads=threads).query(min(NEIGHBOURS, len(x) - 1))
        return x, distances.mean(axis=1, dtype=np.float64), nearest
    voters = x[rows]
    distances, inside = Neighbours(voters, threads=threads).query(min(NEIGHBOURS, len(rows) - 1))
    mean, nearest = np.empty(len(x)), np.empty((len(x), inside.shape[1]), np.int32)
    mean[rows], nearest[rows] = distances.mean(axis=1, dtype=np.float64), inside
    others, distances, outside = nearest_of_rest(x, rows, inside.shape[1], threads)
    mean[others], nearest[others] = distances.mean(axis=1, dtype=np.float64), outside
    return voters, mean, nearest


def voted(labels: np.ndarray, rows: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Return labels (n,) int32 of all points: of a part as they are, of the others by their neighbours' vote.

    Args:
        labels: (r,) of the part; noise votes too.
        rows: (r,) of the part, ascending.
        nearest: (n - r, k) of the others, from ``nearest_of_rest``.
    """
    found = np.empty(len(rows) + len(nearest), np.int32)
    found[rows] = labels
    found[rest(len(found), rows)] = most(labels[nearest])
    return found


def vote(x: np.ndarray, labels: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return the label (m,) int32 that most neighbours of each of ``later`` (m, d) have, of points ``x`` (n, d)."""
    return most(labels[Neighbours(x).of(later, min(NEIGHBOURS, len(x)))[1]])


def most(votes: np.ndarray) -> np.ndarray:
    """Return the label (m,) int32 of most votes (m, k), nearest first; of equally many that of the nearest vote."""
    counts = (votes[:, :, None] == votes[:, None]).sum(axis=2)  # (m, k): how many have the label of each
    return votes[np.arange(len(votes)), counts.argmax(axis=1)].astype(np.int32)
