"""No reduction: the embedding itself, so that every clusterer sees it in the same way as a reduced space."""

from dataclasses import KW_ONLY, dataclass

import numpy as np


@dataclass(eq=False)
class None_:
    """The identity, as a reducer."""

    _: KW_ONLY
    random_state: int = 0  # without effect

    stochastic = False
    linear = True

    def fit_transform(self, X: np.ndarray, y: object = None) -> np.ndarray:
        """Return ``X`` (n, d) as float32."""
        return np.asarray(X, dtype=np.float32)
