"""What the benchmarks of trainings share: a clock that suits the device, turns, and what the time is spent on."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
SHORT, LONG = 1, 3  # epochs of the two fits whose difference is that of steps


def seconds(work: Callable[[], object], device: str, clock: Callable[[], float] | None = None) -> float:
    """Return the seconds that ``work`` takes; on the CPU those of the processor, so that other programs count less."""
    clock = clock or (time.perf_counter if device == "cuda" else time.process_time)
    start = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def spent(work: Callable[[], object], device: str) -> np.ndarray:
    """Return the seconds of the device (or the processor) in products and convolutions, and in all operations."""
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=kinds) as profiler:
        start = time.perf_counter()
        # The profiler's clock is the one on the wall; of it the processor may have worked for others.
        own = seconds(work, device) / (time.perf_counter() - start)
    what = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    found = {event.key: getattr(event, what) for event in profiler.key_averages() if event.key.startswith("aten::")}
    products = sum(value for key, value in found.items() if key in PRODUCTS or "conv" in key)
    return np.array([products, sum(found.values())]) / 1e6 * own


def difference(measure: Callable[..., Any], fit: Callable[[int], object], device: str) -> Any:
    """Return what ``measure``, ``seconds`` or ``spent``, says of a fit of many epochs beyond one of few."""
    return measure(lambda: fit(LONG), device) - measure(lambda: fit(SHORT), device)


def beside(turns: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the medians of ours and of the loop's, and that of their ratios, of a row (ours, the loop's) a turn."""
    times = np.array(turns)
    return (*np.median(times, axis=0), float(np.median(times[:, 1] / times[:, 0])))


def shares(found: np.ndarray, measured: float, device: str) -> tuple[str, str]:
    """Return the cells of the share of ``measured`` seconds outside products, and of that in which a GPU is busy.

    ``found`` is what ``spent`` says of as much work. Outside are other operations, the optimiser, and Python.
    """
    products, total = found
    return f"{1 - products / measured:.0%}", f"{min(total / measured, 1):.0%}" if device == "cuda" else "-"
