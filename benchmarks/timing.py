"""What the benchmarks of trainings share: a clock that suits the device, turns, and what takes time and memory."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from audioclust.devices import full_precision

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
# Kernels of cuBLAS and cuDNN, by name: one replayed from a CUDA graph belongs to no operation.
KERNELS = re.compile(
    "gemm|gemv|nvjet|cutlass|xmma|splitk|triton_tem|triton_mm|conv|winograd|fprop|dgrad|wgrad|nhwckernel|nchwkernel"
)
SHORT, LONG = 1, 3  # epochs of the two fits whose difference is that of steps


def noise(n: int, frames: int) -> np.ndarray:
    """Return log-mels (n, f, t) float16."""
    values = np.random.default_rng(0).standard_normal((n, 64, frames), dtype=np.float32)
    return (4 * values - 6).astype(np.float16)


def seconds(work: Callable[[], object], device: str, clock: Callable[[], float] | None = None) -> float:
    """Return the seconds that ``work`` takes; on the CPU those of the processor, so that other programs count less.

    Processor time leaves out other processes: where ``work`` starts some, give the clock of the wall.
    """
    clock = clock or (time.perf_counter if device == "cuda" else time.process_time)
    start = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def spent(work: Callable[[], object], device: str) -> np.ndarray:
    """Return the seconds of the device (or the processor) in products and convolutions, and in all operations."""
    return _in_kernels(work) if device == "cuda" else _in_operations(work)


def _in_kernels(work: Callable[[], object]) -> np.ndarray:
    """The seconds of a GPU; Python's operations are not recorded, which would take longer than the work."""
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        work()
        torch.cuda.synchronize()
    found = np.zeros(2)
    for event in profiler.events():
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation and event.name != "Context Sync":
            found += event.time_range.elapsed_us() / 1e6 * np.array([is_product(event.name), 1])
    return found


def is_product(kernel: str) -> bool:
    """Say whether a kernel multiplies matrices or convolves; one that ``torch.compile`` fused is named after others."""
    name = kernel.lower()
    return KERNELS.search(name) is not None and not name.startswith(("triton_poi", "triton_red", "triton_per"))


def _in_operations(work: Callable[[], object]) -> np.ndarray:
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler:
        start = time.perf_counter()
        # The profiler's clock is the one on the wall; of it the processor may have worked for others.
        own = seconds(work, "cpu") / (time.perf_counter() - start)
    found = {e.key: e.self_cpu_time_total for e in profiler.key_averages() if e.key.startswith("aten::")}
    products = sum(value for key, value in found.items() if key in PRODUCTS or "conv" in key)
    return np.array([products, sum(found.values())]) / 1e6 * own


def difference(measure: Callable[..., Any], fit: Callable[[int], object], device: str, *more: Any) -> Any:
    """Return what ``measure``, ``seconds`` or ``spent``, says of a fit of many epochs beyond one of few."""
    return measure(lambda: fit(LONG), device, *more) - measure(lambda: fit(SHORT), device, *more)


def beside(turns: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the medians of ours and of the loop's, and that of their ratios; a row (ours, the loop's) per turn."""
    times = np.array(turns)
    return (*np.median(times, axis=0), float(np.median(times[:, 1] / times[:, 0])))


def shares(found: np.ndarray, measured: float, device: str) -> tuple[str, str]:
    """Return the cells of the share of ``measured`` seconds outside products, and of that in which a GPU is busy.

    ``found`` is what ``spent`` says of as much work. Outside are other operations, the optimiser, and Python. Both are
    "-" where the profiler saw nothing of the GPU.
    """
    products, total = found
    if not total:
        return "-", "-"
    return f"{1 - products / measured:.0%}", f"{min(total / measured, 1):.0%}" if device == "cuda" else "-"


def in_float32(measure: Callable[[], float], bfloat16: float, device: str) -> tuple[str, str]:
    """Return the cells of the seconds without bfloat16 and of their ratio to those with it, ``bfloat16``.

    On the CPU, where every training is in float32, both are "-". cuDNN's convolutions of float32 are in TF32, which is
    torch's default; matrix products are not.
    """
    if device != "cuda":
        return "-", "-"
    with full_precision():
        measured = measure()
    return f"{measured:.4f}", f"{measured / bfloat16:.2f}"


def peak(work: Callable[[], Any], device: str) -> tuple[Any, str]:
    """Return the result of ``work``, and the cell of the MiB of a GPU's memory in use at most, from before it too."""
    if device != "cuda":
        return work(), "-"
    torch.cuda.reset_peak_memory_stats()
    result = work()
    torch.cuda.synchronize()
    return result, f"{torch.cuda.max_memory_allocated() / 2**20:.0f}"


def whole_fits(
    sides: Sequence[Callable[[], object]], turns: int, device: str, clock: Callable[[], float] | None = None
) -> tuple[str, str, str, str]:
    """Return the cells of a fit by our side and by the loop, which take turns: seconds, ratio, and memory of ours."""
    times = []
    for _ in range(turns):
        ours, memory = peak(lambda: seconds(sides[0], device, clock), device)
        times.append((ours, seconds(sides[1], device, clock)))
    ours, loop, ratio = beside(times)
    return f"{ours:.2f}", f"{loop:.2f}", f"{ratio:.2f}", memory
