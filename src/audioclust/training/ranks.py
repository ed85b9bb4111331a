"""One training on several GPUs: each process embeds its part of a batch, and all go on with the whole of it.

torchrun starts the processes, which draw the same random numbers and hold the same weights. ``joint(network)`` is the
network as a function of whole batches. Each process sends its part through, in batch normalisation with the moments of
the whole and in dropout with its part of the whole mask, and gets the outputs of all. So losses over all pairs of a
batch, queues and heads stay what they are in one process, and so do their gradients, once the parts of the network's
are added (``add_gradients``): the curve is that of one process, up to rounding.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from audioclust.networks.efficientnet import EfficientNetB0

TIMEOUT = timedelta(minutes=30)  # while the others wait for one that reads or writes
PARTIAL = "partial"  # attribute of a parameter whose gradient is that of this process's part


def join(device: str) -> None:
    """Meet the other processes that torchrun has started; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=TIMEOUT)


def count() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this is; 0, the first, writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def leave() -> None:
    """Wait for the others, and part."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def joint(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a network as a function of whole batches (b, ...), of which all processes give it the same.

    In one process that is the network itself. Else its layers of batch normalisation and dropout become such as see the
    whole batch; all others have to treat each row by itself and to draw no random numbers.

    Raises:
        ValueError: a network that skips blocks at random.
    """
    if count() == 1:
        return network
    for module in network.modules():
        if isinstance(module, EfficientNetB0):
            raise ValueError("EfficientNetB0 skips blocks at random: train it in one process")
        module.__class__ = JOINT.get(type(module), type(module))
    for parameter in network.parameters():
        setattr(parameter, PARTIAL, True)
    return lambda batch: _joint(network, batch)


def add_gradients(optimiser: torch.optim.Optimizer) -> None:
    """Make the gradients of ``joint`` networks whole; those of all else are."""
    if count() == 1:
        return
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if getattr(parameter, PARTIAL, False) and parameter.grad is not None:
                dist.all_reduce(parameter.grad)


class _Part(NamedTuple):
    """The rows of a batch that this process computes."""

    start: int
    stop: int
    whole: int  # rows of the batch


_part: _Part | None = None  # while a joint network computes


def _joint(network: nn.Module, batch: Tensor) -> Tensor:
    global _part
    if len(batch) < count():
        raise ValueError(
            f"a batch of {len(batch)} for {count()} processes: each needs one; raise batch, or start fewer"
        )
    bounds = [len(batch) * i // count() for i in range(count() + 1)]
    start, stop = bounds[rank()], bounds[rank() + 1]
    _part = _Part(start, stop, len(batch))
    try:
        return _Gather.apply(network(batch[start:stop]), bounds)
    finally:
        _part = None


class _Gather(torch.autograd.Function):
    """The rows of all processes; each has the whole gradient, and passes its own rows' on."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, bounds: list[int]) -> Tensor:
        ctx.rows = slice(bounds[rank()], bounds[rank() + 1])
        sizes = [stop - start for start, stop in pairwise(bounds)]
        padded = part.new_zeros(max(sizes), *part.shape[1:])
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([each[:size] for each, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.rows], None


class _Norm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with the moments of the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        if _part is None or not self.training:
            return super().forward(x)
        dims = [dim for dim in range(x.ndim) if dim != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        n = x.numel() // x.shape[1] // len(x) * _part.whole
        values = x.float()
        mean = all_reduce(values.sum(dims)) / n
        centred = values - mean.view(shape)
        variance = all_reduce(centred.square().sum(dims)) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / max(n - 1, 1), self.momentum)
        scaled = centred * (self.weight * (variance + self.eps).rsqrt()).view(shape) + self.bias.view(shape)
        return scaled.to(x.dtype)


class _Norm1d(_Norm, nn.BatchNorm1d):
    pass


class _Norm2d(_Norm, nn.BatchNorm2d):
    pass


class _Dropout(nn.Dropout):
    """Dropout with this process's part of the mask of the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        if _part is None or not self.training:
            return super().forward(x)
        mask = nn.functional.dropout(x.new_ones(_part.whole, *x.shape[1:]), self.p)
        return x * mask[_part.start : _part.stop]


JOINT = {nn.BatchNorm1d: _Norm1d, nn.BatchNorm2d: _Norm2d, nn.Dropout: _Dropout}
