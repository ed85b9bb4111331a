"""How the suite is spread over the cores."""

import os

# The suite's processes share the cores: threads of their own would wait for each other, at 100 % of the CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = ("stages/test_pipeline.py", "stages/test_experiments.py")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: some tests wait, for DVC's queue or for a process to be killed."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """The files that take longest start first, so that no core waits for one of them at the end."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))
