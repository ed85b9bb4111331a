"""Shared by the tests that run stages in this process: recordings to run them on, and their scripts."""

import importlib
import sys
from pathlib import Path

import numpy as np
import soundfile

import params as params_module

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


def tone(path: Path, pitch: float, seconds: float = 0.6, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * t) + rng.normal(0, 0.01, len(t)), RATE)


def run(stage: str, *arguments: str) -> None:
    """Run a stage's main as its script does."""
    sys.argv = [f"stages/{stage}.py", *arguments]
    name = f"stages_{stage}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "stages" / f"{stage}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    params_module.run(module.main)
