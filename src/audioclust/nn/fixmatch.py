"""FixMatch (Sohn et al., NeurIPS 2020, arXiv 2001.07685): a few labels, and on all clips the network's own sure ones.

As SPICE's third stage has it (official code of arXiv 2103.09382). Shapes: b labelled clips of a step, mu b others, k
classes.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audioclust.nn import ema
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.schedules import fixmatch_cosine
from audioclust.nn.training import Epoch, Run, autocast, batches, epochs

MOMENTUM, DECAY = 0.9, 5e-4  # of SGD


def consistency(weak: Tensor, strong: Tensor, cutoff: float, temperature: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return the loss of the strong views on what the weak ones say, and the share of clips that say it surely.

    Args:
        weak: (b, k) logits, the teachers: they get no gradient.
        strong: (b, k) logits.
        cutoff: a clip counts where the largest probability of its weak view reaches it; the mean is over all b.
        temperature: the target is softmax(weak / temperature); 0: the most probable class.
    """
    weak = weak.detach()
    sure = (weak.softmax(1).amax(1) >= cutoff).to(strong.dtype)
    target = (weak / temperature).softmax(1) if temperature else weak.argmax(1)
    return (sure * F.cross_entropy(strong, target, reduction="none")).mean(), sure.mean()


def sgd(network: nn.Module, lr: float) -> torch.optim.SGD:
    """Return SGD with Nesterov's momentum, whose weight decay leaves batch normalisations alone."""
    groups = [{"params": [], "weight_decay": DECAY}, {"params": [], "weight_decay": 0.0}]
    for module in network.modules():
        group = groups[isinstance(module, nn.modules.batchnorm._BatchNorm)]
        group["params"] += module.parameters(recurse=False)
    return torch.optim.SGD([group for group in groups if group["params"]], lr, MOMENTUM, nesterov=True)


def fixmatch(
    network: nn.Module,
    average: nn.Module,
    labelled: dict[str, Any],
    clips: Clips,
    augment: Augment,
    optimiser: torch.optim.Optimizer,
    *,
    count: int,
    batch: int,
    mu: int,
    cutoff: float,
    momentum: float,
    run: Run | None = None,
    phase: str = "joint",
) -> Iterator[Epoch]:
    """Train ``network`` and yield each epoch, a pass over all clips, before it is closed.

    Args:
        network: views (b, 1, f, t) to logits (b, k).
        average: its copy, which becomes the moving average of its weights: the network to use afterwards.
        labelled: "rows" (r,) int64 of the clips with a label and "labels" (r,) int64. Whoever iterates may change them
            between epochs, and keep more there: all of it is in the checkpoints.
        optimiser: of ``network``, as ``sgd`` makes it; its rate falls to a fifth, without a warm-up.
        count: epochs.
        batch, mu: labelled clips of a step, drawn with replacement, and how many times as many others beside them.
        momentum: of the moving average.
    """
    lr = optimiser.defaults["lr"]
    state = {"network": network, "average": average, "optimiser": optimiser, "labelled": labelled}
    size = min(mu * batch, clips.n)
    steps = clips.n // size
    for epoch in epochs(count, state, run, phase):
        network.train()
        for step, rows in enumerate(batches(clips.n, size), start=epoch.number * steps):
            for group in optimiser.param_groups:
                group["lr"] = lr * fixmatch_cosine(step, count * steps)
            drawn = torch.randint(len(labelled["rows"]), (batch,))
            x, frames = clips[torch.cat([labelled["rows"][drawn], rows])]
            views = torch.cat([augment.weak(x, frames), augment.strong(x[batch:], frames[batch:])])
            with autocast(clips.device):
                logits = network(views)  # one forward: the three parts share the statistics of batch normalisation
            known, weak, strong = logits.float().split([batch, size, size])
            supervised = F.cross_entropy(known, labelled["labels"][drawn].to(known.device))
            unsupervised, sure = consistency(weak, strong, cutoff)
            loss = supervised + unsupervised
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            # The first steps count more, so that short trainings do not end in their random start.
            ema.update(average, network, min(momentum, (1 + step) / (10 + step)), buffers=True)
            epoch.add(loss=loss, supervised=supervised, sure=sure)
        yield epoch
