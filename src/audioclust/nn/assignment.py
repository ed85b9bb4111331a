"""What an assignment of clips to clusters shows of a training, without labels."""

import math

import torch
from torch import Tensor


def progress(probs: Tensor, before: dict[str, Tensor], head: int) -> dict[str, Tensor]:
    """Return what shows without labels how a training goes, and leave the labels of now in ``before``.

    Args:
        probs: (h, n, k); of ``head`` are the mean of the largest probability and the entropy of the mean assignment,
            in [0, 1]; of all heads is the share of clips whose label changed.
    """
    labels = probs.argmax(2)
    changed = (labels != before["labels"]).double().mean() if before else torch.ones(())
    before["labels"] = labels
    mean = probs[head].mean(0)
    entropy = -(mean * mean.clamp_min(1e-12).log()).sum() / math.log(probs.shape[2])
    return {"confidence": probs[head].amax(1).mean(), "entropy": entropy, "changed": changed}
