"""Affinities of t-SNE (van der Maaten and Hinton, 2008, section 2; of the nearest neighbours, van der Maaten, 2014).

Shapes: n points, m neighbours of each.
"""

import math

import numba
import numpy as np
from scipy.sparse import csr_array

TOLERANCE, HALVINGS = 1e-6, 100  # of the search for each point's precision, in nats of entropy


def joint(distances: np.ndarray, indices: np.ndarray, perplexity: float) -> csr_array:
    """Return the joint probabilities (n, n), float32, which add up to 1.

    Args:
        distances: (n, m) to each point's neighbours, nearest first.
        indices: (n, m) of the neighbours.
        perplexity: effective number of neighbours; below m.
    """
    n, m = indices.shape
    near = conditional(distances.astype(np.float64) ** 2, np.log(perplexity))
    one_way = csr_array((near.ravel(), indices.ravel(), np.arange(0, n * m + 1, m)), (n, n))
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    return (both / both.sum()).astype(np.float32)


@numba.njit(nogil=True, cache=True)
def conditional(squares, entropy):
    """Return p(j|i) (n, m) float64 of squared distances (n, m), ascending, by the precision that gives ``entropy``."""
    n, m = squares.shape
    found = np.empty((n, m))
    for i in range(n):
        mean = 0.0
        for j in range(m):
            mean += (squares[i, j] - squares[i, 0]) / m
        low, high, precision = 0.0, np.inf, 1 / mean if mean > 0 else 0.0
        for _ in range(HALVINGS):
            total, weighted = 0.0, 0.0
            for j in range(m):
                # What is nearest counts as 0: far from all others, exp would give nothing but zeros.
                square = squares[i, j] - squares[i, 0]
                found[i, j] = math.exp(-precision * square)
                total += found[i, j]
                weighted += found[i, j] * square
            over = math.log(total) + precision * weighted / total - entropy
            if abs(over) < TOLERANCE or mean == 0:
                break
            if over > 0:
                low = precision
                precision = 2 * precision if high == np.inf else (low + high) / 2
            else:
                high = precision
                precision = (low + high) / 2
        for j in range(m):
            found[i, j] /= total
    return found
