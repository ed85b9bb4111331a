"""The leading principal axes of float32 points, as exact as these are.

Few points or few dimensions go by their products among each other, an eigenproblem of the smaller side. Larger ones go
by block Lanczos (Golub and Underwood, 1977; Musco and Musco, 2015), whose space grows until the variance stands still.

Shapes: n points, d dimensions, m vectors.
"""

import numpy as np
from scipy.linalg import eigh, eigvalsh

DIRECT = 1500  # of the smaller side, up to which its eigenproblem is the cheaper way
BLOCK = 16  # vectors per product: fewer wait for memory, more are multiplied in vain
STILL = 1e-5  # relative gain in variance by a check's blocks, at which Lanczos stops
CHECKED = 3  # blocks between two checks
ROWS = 1024  # of a product in float32, which float64 adds up
CACHED = 256  # rows that stay in the cache between the two products of a step


def axes(x: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` leading principal axes (d, k) float64 of centred points (n, d) float32, the first one first."""
    n, d = x.shape
    if min(n, d) > DIRECT:
        return _lanczos(x, k)
    if d <= n:
        return _leading(_products(x), k)
    return np.linalg.qr(x.T.astype(np.float64) @ _leading(_products(x.T), k))[0]


def _products(x: np.ndarray) -> np.ndarray:
    """Return ``x.T @ x`` (d, d) float64 of ``x`` (n, d) float32."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        total += block.T @ block
    return total


def _leading(matrix: np.ndarray, k: int) -> np.ndarray:
    """Return the eigenvectors (m, k) of the k largest eigenvalues of a symmetric matrix (m, m), the largest first."""
    m = len(matrix)
    return eigh(matrix, subset_by_index=[max(m - k, 0), m - 1])[1][:, ::-1]


def _lanczos(x: np.ndarray, k: int) -> np.ndarray:
    """Return the k leading axes (d, k) from the space that products with ``x`` span from a random block.

    The basis is kept by rows (m, d); ``projected`` (m, m) holds the products of its images with it.
    """
    d = x.shape[1]
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((d, BLOCK), np.float32))[0].T
    basis, projected, before = np.empty((0, d), np.float32), np.empty((0, 0)), 0.0
    while True:
        image, m = _image(x, block), len(basis)
        basis = np.concatenate([basis, block])
        wider = np.zeros((len(basis), len(basis)))
        wider[:m, :m] = projected
        wider[:, m:] = basis @ image.T
        wider[m:] = wider[:, m:].T
        projected = wider
        full = len(basis) + BLOCK > d
        if full or (len(basis) // BLOCK % CHECKED == 0 and len(basis) >= 2 * k):
            variance = eigvalsh(projected, subset_by_index=[max(len(basis) - k, 0), len(basis) - 1]).sum()
            if full or variance - before <= STILL * variance:
                return basis.T @ _leading(projected, k)
            before = variance
        block = image
        # Once leaves what float32 rounds; of a space that is spanned already that is all, and lies half in the space.
        for _ in range(3):
            block = block - (block @ basis.T) @ basis
            block = np.ascontiguousarray(np.linalg.qr(block.T)[0].T)


def _image(x: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return ``block @ x.T @ x`` (b, d), some rows of ``x`` at a time, which are read from memory once."""
    found = np.zeros_like(block)
    for start in range(0, len(x), CACHED):
        rows = x[start : start + CACHED]
        found += (block @ rows.T) @ rows
    return found
