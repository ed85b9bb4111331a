"""How well a linear classifier finds a labelling again: leave-one-out predictions of ridge regression, in closed form.

A ridge classifier regresses the indicators of the clusters on the points, with an intercept that is not penalised, and
predicts the cluster of the largest value. The value that it would give a point had it not seen that point follows from
the fit to all points (Allen's PRESS): with leverage h_i and the fitted value f_ic of point i for cluster c, it is
(f_ic - h_i y_ic) / (1 - h_i). So one factorisation serves all points and all labellings of the same points.

Shapes: n points, d dims, l labellings. Noise is -1: it is left out, of fitting too. Everything is computed in float64,
in blocks of rows; beside them the memory is a square matrix of min(n, d), and for n < d the points once more.
"""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_array

ENTRIES = 1 << 22  # float64 numbers per block, 32 MB


def loo_predictions(x: np.ndarray, labels: np.ndarray, ridge: float = 0.01) -> np.ndarray:
    """Return the cluster of each point that a ridge classifier of all other points predicts, shaped like ``labels``.

    Noise, and a point that is the only one outside of noise, get -1. The only point of a cluster gets another cluster.

    Args:
        x: points (n, d).
        labels: clusters (n,) or, for several labellings, (l, n); noise is -1.
        ridge: penalty, as a share of the points' scatter, the sum of their squared distances from the mean.

    Raises:
        ValueError: not one label per point, labels that are no integers, or a ridge that is not above 0.
    """
    labels = np.asarray(labels)
    if labels.ndim not in (1, 2) or labels.shape[-1] != len(x) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels of shape {labels.shape}, {labels.dtype}: give integers, one for each of {len(x)} points"
        )
    if not ridge > 0:
        raise ValueError(f"ridge={ridge} should be > 0")
    rows = np.atleast_2d(labels)
    predicted = np.full(rows.shape, -1, labels.dtype)
    # Labellings that leave out the same noise share a factorisation.
    kept, group = np.unique(rows >= 0, axis=0, return_inverse=True)
    for g, mask in enumerate(kept):
        which, inside = np.flatnonzero(group.ravel() == g), np.flatnonzero(mask)
        if len(inside) > 1:
            part = x if mask.all() else x[inside]
            predicted[np.ix_(which, inside)] = Ridge(part, ridge).predictions(rows[np.ix_(which, inside)])
    return predicted.reshape(labels.shape)


def kappa(labels: np.ndarray, predicted: np.ndarray) -> float | np.ndarray:
    """Return Cohen's kappa of ``predicted`` and ``labels``: the share that agrees, adjusted for chance; 1 is perfect.

    Args:
        labels: clusters (n,), or (l, n) of several labellings; noise (-1) is left out.
        predicted: the same shape, as of ``loo_predictions``.

    Returns:
        A number, or (l,) float64; 0 where there is one cluster or fewer than two points, which say nothing.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim > 1:
        return np.array([kappa(*pair) for pair in zip(labels, predicted, strict=True)])
    one, other = labels[labels >= 0], predicted[labels >= 0]
    if len(one) < 2:
        return 0.0
    values, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    shares = [np.bincount(part, minlength=len(values)) / len(one) for part in np.split(places, 2)]
    chance = float(shares[0] @ shares[1])
    return (float(np.mean(one == other)) - chance) / (1 - chance) if chance < 1 else 0.0


class Ridge:
    """The factorisation of points (n, d), n > 1, that all labellings of them share."""

    def __init__(self, x: np.ndarray, ridge: float):
        self.origin = x.mean(axis=0, dtype=np.float64)
        self.x = x
        if len(x) < x.shape[1]:
            # Points in their own span have the same products with each other: (n, n) instead of (n, d).
            self.x = np.linalg.qr((x - self.origin).T, mode="r").T
            self.origin = np.zeros(self.x.shape[1])
        scatter = sum(block.T @ block for _, block in self._blocks())
        # Where all points are one, any penalty will do.
        scatter[np.diag_indices_from(scatter)] += ridge * np.trace(scatter) or 1.0
        self.factor = cho_factor(scatter, lower=True)
        self.leverage = np.empty(len(x))
        for rows, block in self._blocks():
            half = solve_triangular(self.factor[0], block.T, lower=True)
            self.leverage[rows] = 1 / len(x) + np.einsum("ij,ij->j", half, half)

    def _blocks(self, more: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows and their centred points (b, d), float64; ``more`` further numbers per row count as well."""
        size = max(1, ENTRIES // (self.x.shape[1] + more))
        for start in range(0, len(self.x), size):
            rows = slice(start, min(start + size, len(self.x)))
            yield rows, self.x[rows] - self.origin

    def predictions(self, labels: np.ndarray) -> np.ndarray:
        """Return the leave-one-out predictions (l, n) of labellings (l, n) without noise."""
        # As many at a time as have coefficients of a block's size.
        most = max(1, ENTRIES // (self.x.shape[1] * (1 + int(labels.max()))))
        return np.concatenate([self._predictions(labels[i : i + most]) for i in range(0, len(labels), most)])

    def _predictions(self, labels: np.ndarray) -> np.ndarray:
        n, clusters = len(self.x), [np.unique(each, return_inverse=True) for each in labels]
        ends = np.cumsum([0, *(len(values) for values, _ in clusters)])
        # The column of each point's cluster, (n, l), in the indicators (n, columns) of all labellings side by side.
        own = np.stack([places for _, places in clusters], axis=1) + ends[:-1]
        indicators = csr_array((np.ones(own.size), own.ravel(), np.arange(n + 1) * len(labels)), (n, int(ends[-1])))
        share = indicators.sum(axis=0) / n
        sums = sum((indicators[rows].T @ block for rows, block in self._blocks(ends[-1])))  # (columns, d)
        coefficients = cho_solve(self.factor, sums.T)
        predicted = np.empty_like(labels)
        for rows, block in self._blocks(ends[-1]):
            fitted = block @ coefficients + share
            # Not divided by 1 - h, which is above 0 and the same for all clusters: the largest value stays where it is.
            seen = np.take_along_axis(fitted, own[rows], axis=1)
            np.put_along_axis(fitted, own[rows], seen - self.leverage[rows, None], axis=1)
            for i, (values, _) in enumerate(clusters):
                predicted[i, rows] = values[fitted[:, ends[i] : ends[i + 1]].argmax(axis=1)]
        return predicted
