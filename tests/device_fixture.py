"""A simulated device other than the CPU, for machines without one: its tensors cannot be mixed with the CPU's.

They are kept in ordinary memory and computed by the CPU, but an operation on one of them and one of the CPU's fails,
as on a GPU, and so does reading one as an array. This tests that every tensor of a training is on the right device. It
does not test kernels, bfloat16 or speed.

The device is called "meta", the one kind for which torch needs no driver; these tensors do have values.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

from audioclust.training import saving

DEVICE = "meta"
aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default}
# A tensor on the device accepts indices on the CPU too: these are the second argument.
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}


class There(torch.Tensor):
    """A tensor on the device; ``inner`` has its values."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "There":
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        made = torch.Tensor._make_wrapper_subclass(cls, inner.shape, **layout, dtype=inner.dtype, device=DEVICE)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _compute(func, args, kwargs or {})

    def numpy(self, **_: Any) -> np.ndarray:
        raise TypeError("can't convert a device's tensor to numpy: use Tensor.cpu() first")

    __array__ = numpy

    # Methods that torch refuses for such a class, or treats as those of a tensor without values.

    def tolist(self) -> list:
        return self.inner.tolist()

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.inner.__reduce_ex__(protocol)

    @property
    def is_meta(self) -> bool:
        return False


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _compute(func, args, kwargs or {})


def _compute(func: Any, args: tuple, kwargs: dict) -> Any:
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = {id(x.inner): x for x in tensors if isinstance(x, There)}
    bound = tree_leaves((args[:1], args[2:])) if func in INDEXING and isinstance(args[0], There) else tensors
    apart = any(isinstance(x, torch.Tensor) and not isinstance(x, There) and x.ndim for x in bound)
    if there and apart and func not in COPIES:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, found {DEVICE} and cpu")
    target = kwargs.get("device")
    if target is not None:
        ends_there, kwargs = torch.device(target).type == DEVICE, kwargs | {"device": torch.device("cpu")}
    else:
        ends_there = isinstance(args[0], There) if func is aten.copy_.default else bool(there)
    inside = tree_map(lambda x: x.inner if isinstance(x, There) else x, (args, kwargs))
    out = func(*inside[0], **inside[1])
    if not ends_there:
        return out
    # An operation in place returns the tensor that it was given.
    out = tree_map(lambda x: there.get(id(x), x), out)
    out = tree_map(lambda x: There(x) if type(x) is torch.Tensor else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if there else out


@contextlib.contextmanager
def device() -> Iterator[str]:
    """Yield the name of the device, which exists within this context."""
    with contextlib.ExitStack() as stack:
        for patch in (
            mock.patch.object(torch.cuda, "mem_get_info", lambda *_: (1 << 34, 1 << 34)),
            mock.patch.object(torch, "autocast", lambda *_, **__: contextlib.nullcontext()),
            mock.patch("torch.optim.adam._device_dtype_check_for_fused"),
            mock.patch("torch.optim.optimizer._device_dtype_check_for_fused"),
            mock.patch.object(saving.safetensors, "load_file", _load),
        ):
            stack.enter_context(patch)
        stack.enter_context(_Mode())
        yield DEVICE


_load_file = saving.safetensors.load_file


def _load(path: Any, device: str) -> dict[str, torch.Tensor]:
    return {name: value.to(device) for name, value in _load_file(path).items()}
