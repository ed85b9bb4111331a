"""The leading principal axes of points: exact, of float32 points and of sums in float64.

Few points or few dimensions go by their products among each other, an eigenproblem of the smaller side. Larger ones go
by block Lanczos (Golub and Underwood, 1977; Musco and Musco, 2015), whose space grows until the variance stands still.

Shapes: n points, d dimensions, m vectors.
"""

import numpy as np
from scipy.linalg import eigh

DIRECT = 1500  # of the smaller side, up to which its eigenproblem is the cheaper way
BLOCK = 16  # vectors per product: fewer wait for memory, more are multiplied in vain
STILL = 1e-5  # relative gain in variance by a check's blocks, at which Lanczos stops
CHECKED = 3  # blocks between two checks
ROWS = 1024  # of a product in float32, which float64 adds up


def axes(x: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` leading principal axes (d, k) float64 of centred points (n, d) float32, the first one first."""
    n, d = x.shape
    if min(n, d) > DIRECT:
        return _lanczos(x, k)
    if d <= n:
        return _leading(_products(x), k)[1]
    return np.linalg.qr(x.T.astype(np.float64) @ _leading(_products(x.T), k)[1])[0]


def _products(x: np.ndarray) -> np.ndarray:
    """Return ``x.T @ x`` (d, d) float64 of ``x`` (n, d) float32."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        total += block.T @ block
    return total


def _leading(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest eigenvalues of a symmetric matrix (m, m), and its eigenvectors (m, k)."""
    m = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=[max(m - k, 0), m - 1], overwrite_a=True)
    return values[::-1], vectors[:, ::-1]


def _lanczos(x: np.ndarray, k: int) -> np.ndarray:
    """Return the k leading axes (d, k) from the space that products with ``x`` span from a random block."""
    blocks = [np.linalg.qr(np.random.default_rng(0).standard_normal((x.shape[1], BLOCK), np.float32))[0]]
    images, before = [], 0.0
    while True:
        images.append(x.T @ (x @ blocks[-1]))
        basis = np.concatenate(blocks, axis=1)
        full = basis.shape[1] + BLOCK > x.shape[1]
        if full or (len(blocks) % CHECKED == 0 and basis.shape[1] >= 2 * k):
            small = basis.T.astype(np.float64) @ np.concatenate(images, axis=1)
            values, vectors = _leading((small + small.T) / 2, k)
            if full or values.sum() - before <= STILL * values.sum():
                return basis @ vectors
            before = values.sum()
        following = images[-1]
        # Once leaves what float32 rounds; of a space that is spanned already that is all, and lies half in the space.
        for _ in range(3):
            following = np.linalg.qr(following - basis @ (basis.T @ following))[0]
        blocks.append(following)
