"""A training step on the CPU with and without ``hold_memory``, each in a process of its own, in turn.

``python benchmarks/memory.py [--batch 512] [--steps 12]`` prints a Markdown row per network: the median seconds of a
step with glibc's defaults and with freed memory held, the ratio, and the seconds of each spent by the system.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from tables import Table

from audioclust.devices import hold_memory
from audioclust.networks.backbones import build


def step_seconds(name: str, batch: int, steps: int, hold: bool) -> tuple[float, float]:
    """Return the median seconds of a step, and of it those of the system, after three steps of warm-up."""
    torch.set_num_threads(1)
    if hold:
        hold_memory()
    network = build(name, 512, 64, 32).to(memory_format=torch.channels_last)
    x = torch.randn(batch, 1, 64, 32).contiguous(memory_format=torch.channels_last)
    wall, system = [], []
    for _ in range(steps + 3):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_stime
        network(x).sum().backward()
        wall.append(time.perf_counter() - start)
        system.append(resource.getrusage(resource.RUSAGE_SELF).ru_stime - before)
    return statistics.median(wall[3:]), statistics.median(system[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--networks", nargs="+", default=["audiontt", "resnet18"])
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "HOLD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(*step_seconds(arguments.one[0], arguments.batch, arguments.steps, arguments.one[1] == "1"))
        return
    columns = "network", "step, s", "held, s", "ratio", "system, s", "held, system, s"
    table = Table(arguments.out, "memory", *columns)
    for name in arguments.networks:
        found = []
        for hold in ("0", "1"):
            command = [sys.executable, __file__, "--batch", str(arguments.batch), "--steps", str(arguments.steps)]
            done = subprocess.run([*command, "--one", name, hold], capture_output=True, text=True, check=True)
            found.append([float(value) for value in done.stdout.split()])
        (plain, plain_system), (held, held_system) = found
        cells = f"{plain / held:.2f}", f"{plain_system:.2f}", f"{held_system:.2f}"
        table.add(name, f"{plain:.2f}", f"{held:.2f}", *cells)


if __name__ == "__main__":
    main()
