"""k-means (Lloyd, 1982) from greedy k-means++ (Arthur and Vassilvitskii, 2007), all restarts in one matrix product.

The restarts share every pass over the data: one product of the points with the centres of all of them. After every few
passes the worse half of the restarts is dropped, and the last ones run to convergence. In many dimensions this race is
run on the leading principal components, found by one round of random projection (Halko, Martinsson and Tropp, 2011),
and the winner runs to convergence on the points themselves.
"""

from dataclasses import KW_ONLY, dataclass

import numba
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClusterMixin

from audioclust.parameters import Count, validate
from audioclust.points.checks import by_appearance, points

PASSES = 12  # Lloyd passes between two halvings of the restarts
FINALISTS = 3  # restarts that are run to convergence
TOLERANCE = 1e-4  # scikit-learn's: squared movement of the centres, relative to the mean variance of a dimension
WIDE, SKETCH = 128, 64  # dimensions above which the race is run on principal components, and how many of them
ROWS = 2048  # rows of a block: its products stay in the cache


@dataclass(repr=False, eq=False)
class KMeans(ClusterMixin, BaseEstimator):
    """k-means; the input is compared in float32, after centring."""

    k: Count  # clusters
    n_init: Count = 10  # restarts
    max_iter: Count = 300  # passes at most, of the restart that wins
    _: KW_ONLY
    random_state: int = 0  # seeds the restarts

    stochastic = True
    linear = True

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: of centring, or of the distances to the candidates for a next centre."""
        sketched = 24 * SKETCH if d > WIDE and self.n_init > 1 else 0
        drawing = 4 * d + sketched + self.n_init * (8 * _trials(self.k) + 22)
        return n * max(12 * d, drawing) * 5 // 4 + self.n_init * self.k * (4 * min(n, ROWS) + 16 * d)

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: object = None) -> "KMeans":
        """Set ``labels_``, ``centres_`` (k, d) in the order of the labels, ``inertia_`` and ``n_iter_``."""
        validate(self)
        x = points(X, self.k, self)
        mean = x.mean(axis=0, dtype=np.float64)
        x = np.ascontiguousarray(x - mean, dtype=np.float32)
        rng = np.random.default_rng(self.random_state)
        if x.shape[1] > WIDE and self.n_init > 1:
            sketch = principal(x, SKETCH, rng)
            _, labels, _ = lloyd(sketch, _squares(sketch), race(sketch, self.k, self.n_init, self.max_iter, rng))
            centres = _means(x, labels[:, 0], self.k)[None]
        else:
            centres = race(x, self.k, self.n_init, self.max_iter, rng)
        centres, labels, inertia, self.n_iter_ = converge(x, centres, self.max_iter)
        self.labels_, self.inertia_ = by_appearance(labels[:, 0]), float(inertia[0])
        # In the order of the labels; a centre without points is left out.
        first = np.unique(self.labels_, return_index=True)[1]
        self.centres_, self.chosen_ = centres[0, labels[first, 0]] + mean, {}
        return self


def principal(x: np.ndarray, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return the centred ``x`` (n, d) in about its ``dim`` leading principal axes (n, dim)."""
    projected = x @ rng.standard_normal((x.shape[1], dim), dtype=np.float32)
    axes, _ = np.linalg.qr(x.T @ projected)
    return x @ axes


def race(x: np.ndarray, k: int, restarts: int, max_iter: int, rng: np.random.Generator) -> np.ndarray:
    """Return the best centres (1, k, d) of ``restarts``, whose worse half is dropped after each few passes."""
    squares = _squares(x)
    centres = plus_plus(x, squares, k, restarts, rng)
    while len(centres) > FINALISTS:
        for _ in range(PASSES):
            centres, _, inertia = lloyd(x, squares, centres)
        centres = centres[np.argsort(inertia, kind="stable")[: max(FINALISTS, len(centres) // 2)]]
    if len(centres) == 1:
        return centres
    ends = [converge(x, centres[r : r + 1], max_iter) for r in range(len(centres))]
    return min(ends, key=lambda end: end[2][0])[0]


def converge(x: np.ndarray, centres: np.ndarray, max_iter: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Move centres (1, k, d) until they stand still; return them, labels (n, 1), inertia (1,) and the passes made."""
    squares = _squares(x)
    stop = TOLERANCE * float(x.var(axis=0).mean())
    passes, shift = 0, np.inf
    while passes < max_iter and shift > stop:
        moved, _, _ = lloyd(x, squares, centres)
        shift = float(((moved - centres) ** 2).sum())
        centres, passes = moved, passes + 1
    _, labels, inertia = lloyd(x, squares, centres)
    return centres, labels, inertia, passes


def _squares(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)


def _means(x: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the mean (k, d) of each cluster; of an empty one the origin, for ``lloyd`` to move."""
    members = csr_matrix((np.ones(len(x), np.float32), (labels, np.arange(len(x)))), shape=(k, len(x)))
    return members @ x / np.maximum(np.bincount(labels, minlength=k), 1).astype(np.float32)[:, None]


def plus_plus(x: np.ndarray, squares: np.ndarray, k: int, restarts: int, rng: np.random.Generator) -> np.ndarray:
    """Return start centres (restarts, k, d): each next one is the best of 2 + ln k points drawn by squared distance."""
    trials = _trials(k)
    centres = np.empty((restarts, k, x.shape[1]), np.float32)
    centres[:, 0] = x[rng.integers(len(x), size=restarts)]
    nearest = _distances(x, squares, centres[:, 0])  # (n, restarts)
    for c in range(1, k):
        drawn = _draw(nearest, trials, rng)  # (restarts, trials)
        candidate = _distances(x, squares, x[drawn.ravel()]).reshape(len(x), restarts, trials)
        np.minimum(candidate, nearest[:, :, None], out=candidate)
        best = candidate.sum(axis=0, dtype=np.float64).argmin(axis=1)
        each = np.arange(restarts)
        centres[:, c] = x[drawn[each, best]]
        nearest = np.ascontiguousarray(candidate[:, each, best])
    return centres


def _trials(k: int) -> int:
    """Return how many candidates there are for each next centre, as in scikit-learn."""
    return 2 + int(np.log(k))


def _draw(nearest: np.ndarray, trials: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``trials`` rows per restart with probability proportional to ``nearest`` (n, restarts)."""
    mass = np.cumsum(nearest, axis=0, dtype=np.float64)
    targets = rng.random((nearest.shape[1], trials)) * mass[-1][:, None]
    rows = [np.searchsorted(mass[:, r], targets[r], side="right") for r in range(nearest.shape[1])]
    return np.minimum(np.stack(rows), len(nearest) - 1)


def _distances(x: np.ndarray, squares: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Return squared distances (n, m) of ``x`` (n, d) to ``to`` (m, d)."""
    products = x @ to.T
    products *= -2
    products += squares[:, None]
    products += np.einsum("ij,ij->i", to, to)
    return np.maximum(products, 0, out=products)


def lloyd(x: np.ndarray, squares: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Assign every point in every restart and return new centres (r, k, d), labels (n, r) and inertias (r,).

    A cluster that lost its last point is moved to the point that is farthest from its centre.
    """
    restarts, k, d = centres.shape
    flat = centres.reshape(-1, d)
    half_norms = 0.5 * np.einsum("ij,ij->i", flat, flat)
    labels = np.empty((len(x), restarts), np.int32)
    far = np.empty((len(x), restarts), np.float32)
    sums = np.zeros((restarts, k, d))
    counts = np.zeros((restarts, k), np.int64)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        _assign(x[rows], x[rows] @ flat.T, half_norms, squares[rows], labels[rows], far[rows], sums, counts)
    for r, c in np.argwhere(counts == 0):
        farthest = int(far[:, r].argmax())
        sums[r, c], counts[r, c], far[farthest, r] = x[farthest], 1, 0
    return (sums / counts[:, :, None]).astype(np.float32), labels, far.sum(axis=0, dtype=np.float64)


@numba.njit(nogil=True, cache=True)
def _assign(x, products, half_norms, squares, labels, far, sums, counts):
    """Add a block of points (b, d) to the nearest of each restart's centres, given their products (b, r * k)."""
    restarts, k = counts.shape
    for i in range(len(x)):
        for r in range(restarts):
            best, score = 0, half_norms[r * k] - products[i, r * k]
            for c in range(1, k):
                value = half_norms[r * k + c] - products[i, r * k + c]
                if value < score:
                    best, score = c, value
            labels[i, r] = best
            far[i, r] = max(squares[i] + 2 * score, np.float32(0))
            counts[r, best] += 1
            for j in range(x.shape[1]):
                sums[r, best, j] += x[i, j]
