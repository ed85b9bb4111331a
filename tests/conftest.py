"""How the suite is spread over the cores."""

import os
import sys
from pathlib import Path

import yaml

# The suite's processes share the cores: threads of their own would wait for each other, at 100 % of the CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Images of containers often keep Python from writing what it has compiled: hundreds of processes would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What parses and writes YAML in Python takes ten times as long, and hundreds of tests write a params.yaml.
if yaml.__with_libyaml__:
    yaml.SafeLoader, yaml.SafeDumper = yaml.CSafeLoader, yaml.CSafeDumper

HERE = Path(__file__).parent
# The longest first, so that no core waits for one of them at the end. test_experiments waits for the project that
# test_pipeline sets up, and so it is not among the very first.
LONGEST = (
    "stages/test_circumstances.py", "stages/test_pipeline.py", "runs/test_training.py", "stages/test_experiments.py",
    "report/page/test_browser.py", "reducers/test_reducers.py", "report/test_plots.py", "stages/test_stages.py",
    "clusterers/test_memory.py", "datasets/test_scenes.py", "methods/test_contract.py", "stages/test_extend.py",
    "test_devices.py", "stages/test_separation_stages.py", "stages/test_fingerprints.py", "clusterers/test_scale.py",
    "runs/test_embed.py", "runs/test_prepare.py", "runs/test_predict.py", "runs/test_recording.py",
    "separation/test_separator.py",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: some tests wait, for DVC's queue or for a process to be killed."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Put the tests of the longest files first."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(HERE).as_posix(), len(LONGEST)))
