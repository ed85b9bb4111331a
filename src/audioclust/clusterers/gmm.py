"""Mixture of Gaussians by expectation-maximisation (Dempster, Laird and Rubin, 1977), by scikit-learn.

In many dimensions covariances have more parameters than there are points: the mixture is fitted to the leading
principal components, and a share of their mean variance is added to every variance.
"""

import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from audioclust.parameters import Count, Positive, validate
from audioclust.points.checks import by_appearance, points

COVARIANCES = {"diagonal": "diag", "full": "full"}


@dataclass(repr=False, eq=False)
class GMM(ClusterMixin, BaseEstimator):
    """A mixture of k Gaussians; a point is in the cluster of the Gaussian that most probably made it."""

    k: Count  # clusters
    covariance: Literal["diagonal", "full"] = "diagonal"  # of each Gaussian; full: for many points per cluster
    dim: Count = 50  # principal components; fewer where there are fewer points or dimensions
    n_init: Count = 3  # starts, each from k-means; the most likely end is kept
    regularisation: Positive = 1e-3  # added to each variance, times the mean variance of the components
    max_iter: Count = 200  # steps of a start at most
    _: KW_ONLY
    random_state: int = 0  # seeds the starts

    stochastic = True
    linear = True

    def memory(self, n: int, d: int) -> int:
        """Return the estimated peak in bytes: of the components, or of the responsibilities and the data."""
        dim = min(self.dim, n, d)
        covariances = self.k * dim * (dim if self.covariance == "full" else 1)
        return max(2 * n * d + 2 * min(n, d) ** 2, 4 * n * self.k + 4 * n * dim + 4 * covariances) * 8 * 5 // 4

    def fit(self, X: np.ndarray, y: object = None, *, neighbours: object = None) -> "GMM":
        """Set ``labels_``, ``n_iter_`` and ``proba_`` (n, k) float32, a column per Gaussian in the order of the labels.

        A Gaussian to which no point belongs has one of the last columns; where all points coincide there is one column.
        """
        validate(self)
        x = np.asarray(points(X, self.k, self), np.float64)
        self.chosen_, self.n_iter_ = {}, 0
        x = x - x.mean(axis=0)
        if np.ptp(x, axis=0).max() == 0:  # one point, as often as it stands there
            self.labels_, self.proba_ = np.zeros(len(x), np.int32), np.ones((len(x), 1), np.float32)
            return self
        x = _components(x, self.dim)
        x /= np.sqrt(x.var(axis=0).mean())
        model = GaussianMixture(
            self.k, covariance_type=COVARIANCES[self.covariance], n_init=self.n_init, max_iter=self.max_iter,
            reg_covar=self.regularisation, random_state=self.random_state,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what it has after ``max_iter`` is a mixture too
            found = model.fit_predict(x)
        self.n_iter_ = model.n_iter_
        self.labels_ = by_appearance(found)
        order = found[np.unique(self.labels_, return_index=True)[1]]
        rest = np.setdiff1d(np.arange(self.k), order)
        self.proba_ = model.predict_proba(x)[:, [*order, *rest]].astype(np.float32)
        return self


def _components(x: np.ndarray, dim: int) -> np.ndarray:
    """Return the leading principal components (n, dim), at most as many as there are, of centred ``x`` (n, d)."""
    n, d = x.shape
    if d <= min(dim, n - 1):
        return x.copy()
    return PCA(min(dim, d, n - 1), svd_solver="covariance_eigh" if n > d else "full").fit_transform(x)
