"""No reduction: the embedding itself, so that every clusterer sees it in the same way as a reduced space."""

import numpy as np


class None_:
    """The identity, as a reducer."""

    stochastic = False

    def __init__(self, *, random_state: int = 0):
        self.random_state = random_state

    def fit_transform(self, x: np.ndarray) -> np.ndarray:
        """Return ``x`` (n, d) as float32."""
        return np.asarray(x, dtype=np.float32)
