"""The two sums of t-SNE's gradient, in float32.

With q_ij = 1 / (1 + |y_i - y_j|^2) and Z their sum over all pairs, the gradient is
4 (sum_j p_ij q_ij (y_i - y_j)  -  sum_j q_ij^2 (y_i - y_j) / Z): attraction less repulsion.

The repulsion of few points is summed over all pairs. Of many it is half the slope of a potential, sum_j q_ij, which is
smooth: points are spread on a mesh by cubic B-splines, the mesh is convolved with the kernel by FFT, and the spline
through the result is differentiated (smooth particle-mesh Ewald, Essmann et al., 1995; t-SNE on a mesh of Lagrange
polynomials: Linderman et al., 2019). That is two FFTs per step where there are seven with the force's own kernels.

Shapes: n points; y and forces (3, n), the third coordinate 0 in a plane.
"""

import numba
import numpy as np
from scipy import fft

FAST = {"fastmath": True, "nogil": True, "cache": True, "error_model": "numpy"}
SPACING = 0.4  # of the mesh, at most: half of the forces' error that three Lagrange nodes per unit have
LEAST = 24  # cells of the mesh, per axis
GROWTH = 1.05  # the mesh grows in such steps, so that the kernel's transform is kept
EDGE = 4  # nodes of a cubic B-spline


@numba.njit(**FAST)
def attraction(starts, ends, p, y, force):
    """Write sum_j p_ij q_ij (y_i - y_j) to ``force``; p is sparse by rows (``starts``, ``ends``)."""
    u, v, w = y[0], y[1], y[2]
    one = np.float32(1)
    for i in range(u.size):
        a, b, c = np.float32(0), np.float32(0), np.float32(0)
        for edge in range(starts[i], starts[i + 1]):
            j = ends[edge]
            du, dv, dw = u[i] - u[j], v[i] - v[j], w[i] - w[j]
            q = p[edge] / (one + du * du + dv * dv + dw * dw)
            a += q * du
            b += q * dv
            c += q * dw
        force[0, i], force[1, i], force[2, i] = a, b, c


@numba.njit(**FAST)
def pairs(y, force):
    """Write sum_j q_ij^2 (y_i - y_j), over all pairs, to ``force``; return Z."""
    u, v, w = y[0], y[1], y[2]
    z, one = 0.0, np.float32(1)
    for i in range(u.size):
        ui, vi, wi = u[i], v[i], w[i]
        row, a, b, c = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for j in range(u.size):
            du, dv, dw = ui - u[j], vi - v[j], wi - w[j]
            q = one / (one + du * du + dv * dv + dw * dw)
            row += q
            q *= q
            a += q * du
            b += q * dv
            c += q * dw
        force[0, i], force[1, i], force[2, i] = a, b, c
        z += row - one
    return z


class Mesh:
    """``pairs`` of a map in a plane, by a mesh; the same map gives the same forces, whatever came before."""

    def __init__(self) -> None:
        self._half = 0.0

    def __call__(self, y: np.ndarray, force: np.ndarray) -> float:
        reach = max(float(np.abs(y[:2]).max()), 1e-6)
        half = GROWTH ** np.ceil(np.log(reach * 1.001) / np.log(GROWTH))
        if half != self._half:
            self._cover(half)
        count = np.zeros((self._m, self._m), np.float32)
        low, scale = np.float32(-half), np.float32(1 / self._spacing)
        _spread(y[0], y[1], low, scale, count)
        size = self._size
        # Rows that are zero are not transformed, nor those back that nobody reads.
        spectrum = fft.fft(fft.rfft(count, size, axis=1), size, axis=0, overwrite_x=True)
        spectrum *= self._kernel
        potential = fft.irfft(fft.ifft(spectrum, axis=0, overwrite_x=True)[: self._m], size, axis=1)
        total = _slope(y[0], y[1], low, scale, potential, np.float32(self._own_slope), force)
        n = y.shape[1]
        return total - n * self._own + n * (n - 1) * self._least

    def _cover(self, half: float) -> None:
        """Lay the mesh over a square from -half to half, and transform the kernel."""
        cells = max(LEAST, int(np.ceil(2 * half / SPACING)))
        self._half, self._spacing, self._m = half, 2 * half / cells, cells + EDGE
        size = self._size = fft.next_fast_len(2 * self._m, real=True)
        steps = np.minimum(np.arange(size), size - np.arange(size)) * self._spacing
        # In a small map the kernel is almost constant, which says nothing of forces but takes float32's digits.
        self._least = 1 / (1 + 8 * half**2)
        kernel = 1 / (1 + steps[:, None] ** 2 + steps[None] ** 2) - self._least
        # The splines blur twice; their samples at the nodes are 1/6, 2/3, 1/6.
        blur = 2 / 3 + np.cos(2 * np.pi * np.arange(size) / size) / 3
        blurs = blur[:, None] * blur[None, : size // 2 + 1]
        spectrum = fft.rfft2(kernel).real / blurs**2
        self._kernel = spectrum.astype(np.float32)
        near = np.arange(1 - EDGE, EDGE)
        self._own, self._own_slope = _own(fft.irfft2(spectrum, (size, size))[np.ix_(near, near)])


def _own(near: np.ndarray) -> tuple[float, float]:
    """Return what the mesh makes of a point's own potential, and of its slope, where there should be none.

    The potential is that of the mean over a cell. The slope is odd around nodes and the middle between them, nearly
    t (1 - t) (1 - 2 t) at ``t`` of the way, whatever the place on the other axis; returned is its factor.

    Args:
        near: (7, 7) of the kernel after deconvolution, around its centre.
    """
    places = (np.arange(16) + 0.5) / 16
    across = np.mean([np.convolve(weights, weights[::-1]) for weights in map(_spline_at, places)], axis=0)
    along = np.convolve(np.array(_slopes(np.float32(0.25))), _spline_at(0.25)[::-1])
    return across @ near @ across, along @ near @ across / (0.25 * 0.75 * 0.5)


def _spline_at(t: float) -> np.ndarray:
    return np.array(_spline(np.float32(t)), np.float64)


@numba.njit(**FAST)
def _spline(t):
    """Return the weights of the four nodes around a point at ``t`` of the way from the second to the third."""
    s, sixth = np.float32(1) - t, np.float32(1 / 6)
    three, four = np.float32(3), np.float32(4)
    left, right = t * t * (three * t - np.float32(6)) + four, s * s * (three * s - np.float32(6)) + four
    return s * s * s * sixth, left * sixth, right * sixth, t * t * t * sixth


@numba.njit(**FAST)
def _slopes(t):
    """Return the derivatives of ``_spline``."""
    s, half = np.float32(1) - t, np.float32(0.5)
    three, two = np.float32(1.5), np.float32(2)
    return -half * s * s, t * (three * t - two), -s * (three * s - two), half * t * t


@numba.njit(**FAST)
def _spread(u, v, low, scale, count):
    """Add each point to the sixteen nodes around it."""
    for i in range(u.size):
        a, b = (u[i] - low) * scale, (v[i] - low) * scale
        row, column = int(a), int(b)
        wu, wv = _spline(a - np.float32(row)), _spline(b - np.float32(column))
        for k in range(4):
            for j in range(4):
                count[row + k, column + j] += wu[k] * wv[j]


@numba.njit(**FAST)
def _slope(u, v, low, scale, potential, own, force):
    """Write minus half the slope of the potential at each point to ``force``; return the sum of the potential."""
    total, unit, one, two = 0.0, np.float32(-0.5) * scale, np.float32(1), np.float32(2)
    for i in range(u.size):
        a, b = (u[i] - low) * scale, (v[i] - low) * scale
        row, column = int(a), int(b)
        fu, fv = a - np.float32(row), b - np.float32(column)
        wu, wv, su, sv = _spline(fu), _spline(fv), _slopes(fu), _slopes(fv)
        here, down, across = np.float32(0), np.float32(0), np.float32(0)
        for k in range(4):
            for j in range(4):
                value = potential[row + k, column + j]
                here += wu[k] * wv[j] * value
                down += su[k] * wv[j] * value
                across += wu[k] * sv[j] * value
        down -= own * fu * (one - fu) * (one - two * fu)
        across -= own * fv * (one - fv) * (one - two * fv)
        force[0, i], force[1, i], force[2, i] = unit * down, unit * across, np.float32(0)
        total += here
    return total


def forces(n: int, dim: int, exact: int):
    """Return what computes the repulsion of a map: ``pairs`` up to ``exact`` points and in space, else a ``Mesh``."""
    return pairs if n <= exact or dim > 2 else Mesh()
