"""What the benchmarks of trainings share: a clock that suits the device, and what a training spends its time on."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")


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
        work()
        if device == "cuda":
            torch.cuda.synchronize()
    what = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    found = {event.key: getattr(event, what) for event in profiler.key_averages() if event.key.startswith("aten::")}
    products = sum(value for key, value in found.items() if key in PRODUCTS or "conv" in key)
    return np.array([products, sum(found.values())]) / 1e6
