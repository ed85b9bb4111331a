"""Devices, precision, seeds and memory of every training and every forward pass."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal

import torch

_full_precision: ContextVar[bool] = ContextVar("full_precision", default=False)


def pick_device(device: Literal["auto", "cpu", "cuda"] = "auto") -> str:
    """Return "cuda" or "cpu"; "auto" is CUDA where there is a device.

    Raises:
        ValueError: "cuda" where there is no device, or another name.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device = {device!r}: choose one of auto, cpu, cuda")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise ValueError("device = 'cuda': torch finds no CUDA device here; choose auto or cpu")
    return "cuda"


def hold_memory() -> None:
    """Keep freed memory in this process instead of returning it to the system.

    A training step frees and allocates the same large blocks again; glibc maps each anew, and clearing its pages takes
    up to half of a step on the CPU (`python benchmarks/memory.py`). Other C libraries are left alone.
    """
    trim_threshold, mmap_threshold = -1, -3  # of mallopt(3)
    libc = ctypes.CDLL(None)
    if sys.platform == "linux" and hasattr(libc, "gnu_get_libc_version"):
        # Some releases accept at most 32 MB for the first; setting the second alone would fix the first too low.
        if libc.mallopt(mmap_threshold, 1 << 30) or libc.mallopt(mmap_threshold, 1 << 25):
            libc.mallopt(trim_threshold, (1 << 31) - 1)


@contextmanager
def seeded(random_state: int, device: str) -> Iterator[None]:
    """Seed torch's global generators of the CPU and of ``device``; afterwards restore the caller's state."""
    devices = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.default_generator.manual_seed(random_state)
        if devices:
            torch.cuda.manual_seed(random_state)
        yield


def autocast(device: str) -> AbstractContextManager:
    """Compute in bfloat16 on a CUDA device that has it; elsewhere, and inside of ``full_precision``, change nothing."""
    if device == "cuda" and not _full_precision.get() and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep float32 where ``autocast`` would compute in bfloat16, so as to see what it changes."""
    token = _full_precision.set(True)
    try:
        yield
    finally:
        _full_precision.reset(token)


@contextmanager
def memory_hint(parameter: str) -> Iterator[None]:
    """Name what to lower where a GPU's memory does not suffice: ``memory_hint(f"simclr.batch = {self.batch}")``."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RuntimeError(f"the GPU's memory does not suffice for {parameter}: lower it") from error
