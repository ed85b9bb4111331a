"""FixMatch (Sohn et al., NeurIPS 2020, arXiv 2001.07685): a few given labels and, on all clips, the network's own.

As in SPICE's third stage (official code of arXiv 2103.09382: hard labels, losses of equal weight, one forward pass per
step), except that

* the others are drawn without replacement, in passes over all clips, and are at most all of them;
* the moving average starts with a smaller momentum, (1 + step) / (10 + step);
* weight decay spares batch normalisations by their type (there: by their name).

Shapes: b labelled clips per step, mu b others, k clusters.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audioclust.devices import autocast
from audioclust.networks import ema
from audioclust.training.loop import Epoch, Run, batches, epochs, optimise
from audioclust.views.maker import Maker

MOMENTUM, DECAY = 0.9, 5e-4  # of SGD


def consistency(weak: Tensor, strong: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of strong views on the labels of weak ones, and the share of clips with a sure label.

    Args:
        weak: (b, k) logits that give the labels, without gradient.
        strong: (b, k) logits of other views of the same clips.
        cutoff: a label is used if its probability reaches it; the mean is over all b.
    """
    weak = weak.detach()
    sure = (weak.softmax(1).amax(1) >= cutoff).to(strong.dtype)
    return (sure * F.cross_entropy(strong, weak.argmax(1), reduction="none")).mean(), sure.mean()


def fixmatch_cosine(step: int, steps: int) -> float:
    """Return FixMatch's factor of the learning rate at ``step`` (from 0): a cosine that ends above 0 (at 7 pi / 16)."""
    return max(0.0, math.cos(7 / 16 * math.pi * step / max(steps, 1)))


def sgd(network: nn.Module, lr: float) -> torch.optim.SGD:
    """Return SGD with Nesterov's momentum and weight decay, but none of batch normalisations."""
    groups = [{"params": [], "weight_decay": DECAY}, {"params": [], "weight_decay": 0.0}]
    for module in network.modules():
        group = groups[isinstance(module, nn.modules.batchnorm._BatchNorm)]
        group["params"] += module.parameters(recurse=False)
    return torch.optim.SGD([group for group in groups if group["params"]], lr, MOMENTUM, nesterov=True)


def fixmatch(
    network: nn.Module,
    average: nn.Module,
    labelled: dict[str, Any],
    make: Maker,
    *,
    count: int,
    batch: int,
    mu: int,
    lr: float,
    cutoff: float,
    momentum: float,
    run: Run | None = None,
    phase: str = "joint",
) -> Iterator[Epoch]:
    """Train ``network`` and yield each epoch, a pass over all clips, before it ends.

    Args:
        network: views (b, 1, f, t) to logits (b, k).
        average: its copy, which becomes the moving average of its weights: the network to use afterwards.
        labelled: "rows" (r,) int64 of the clips with a label, and "labels" (r,) int64. What the caller adds to it is
            in the checkpoints too.
        make: makes the views of all clips, labelled or not.
        count: epochs.
        batch: labelled clips per step, drawn with replacement.
        mu: other clips per labelled one.
        lr: learning rate of SGD in the first step; it falls to a fifth.
        cutoff: see ``consistency``.
        momentum: of the moving average.
        run: keeps curves and checkpoints.
        phase: name in them.
    """
    optimiser = sgd(network, lr)
    state = {"network": network, "average": average, "optimiser": optimiser, "labelled": labelled}
    clips, kinds = make.clips, make.augment
    size = min(mu * batch, clips.n)
    steps = clips.n // size
    for epoch in epochs(count, state, run, phase):
        network.train()
        for step, rows in enumerate(batches(clips.n, size), start=epoch.number * steps):
            drawn = torch.randint(len(labelled["rows"]), (batch,))
            views = make(torch.cat([labelled["rows"][drawn], rows]), kinds.weak) + make(rows, kinds.strong)
            with autocast(clips.device):
                # One forward: the three parts share the statistics of batch normalisation.
                logits = network(torch.cat(views))
            known, weak, strong = logits.float().split([batch, size, size])
            supervised = F.cross_entropy(known, labelled["labels"][drawn].to(known.device))
            unsupervised, sure = consistency(weak, strong, cutoff)
            loss = supervised + unsupervised
            optimise(loss, optimiser, lr * fixmatch_cosine(step, count * steps))
            # The first steps have more weight, so that a short training does not end in its random initialisation.
            ema.update(average, network, min(momentum, (1 + step) / (10 + step)), buffers=True)
            epoch.add(loss=loss, supervised=supervised, sure=sure)
        yield epoch
