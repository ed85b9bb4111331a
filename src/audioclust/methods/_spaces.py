"""Methods on one embedding or several of the same clips."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from audioclust.points.checks import points


def spaces(x: Any, device: str, k: int = 1) -> list[Tensor]:
    """Return an embedding (n, d), or each of a list, float32 on the device.

    Raises:
        ValueError: fewer clips than ``k``, one that is not finite, or different numbers of clips.
    """
    several = isinstance(x, (list, tuple)) and len(x) > 0 and np.ndim(x[0]) == 2
    found = [points(each, k) for each in (x if several else [x])]
    if len({len(each) for each in found}) > 1:
        counts = ", ".join(str(len(each)) for each in found)
        raise ValueError(f"embeddings of {counts} clips: all must be of the same clips")
    return [torch.tensor(each, dtype=torch.float32).to(device) for each in found]


def same_dimensions(found: list[Tensor], fitted: list[int]) -> None:
    """Check that embeddings are like those that a model was fitted to.

    Raises:
        ValueError: another number of embeddings or of dimensions.
    """
    given = [x.shape[1] for x in found]
    if given != fitted:
        raise ValueError(f"embeddings of {given} dimensions: this model was fitted to {fitted}")
