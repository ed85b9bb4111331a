"""What a clusterer says it needs is what it takes: the grid skips a cell by it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {  # name: clusterer, n, d, parameters; first what depends most on the holes that the others leave
    "MeanShift": ("meanshift", 2000, 50, {}),
    "ward": ("agglomerative", 4000, 200, {"k": 9, "linkage": "ward"}),
    "single": ("agglomerative", 4000, 200, {"k": 9, "linkage": "single"}),
    "average": ("agglomerative", 3000, 20, {"k": 9, "linkage": "average"}),
    "complete": ("agglomerative", 3000, 20, {"k": 9, "linkage": "complete"}),
    "k-means": ("kmeans", 20000, 20, {"k": 9}),
    "k-means in many dimensions": ("kmeans", 4000, 512, {"k": 9}),
    "spectral": ("spectral", 10000, 20, {"k": 9}),
    "HDBSCAN": ("hdbscan", 4000, 100, {}),
    "DBSCAN": ("dbscan", 8000, 100, {}),
    "DBSCAN at a given eps": ("dbscan", 8000, 100, {"eps": 9.0}),
    "MeanShift at a given bandwidth": ("meanshift", 3000, 100, {"bandwidth": 10.0, "max_iter": 3}),
    "a mixture in many dimensions": ("gmm", 4000, 512, {"k": 9}),
    "a mixture with full covariances": ("gmm", 10000, 40, {"k": 9, "covariance": "full"}),
}
MARGIN = 2 << 21  # bytes of two huge pages: what each of two blocks may take beyond its end
CLEAR = Path("/proc/self/clear_refs")  # resets the peak of the resident memory

MEASURE = """
import ctypes, json, sys
import numpy as np
from audioclust import registry
from audioclust.points.neighbours import Neighbours
from audioclust.threads import one_thread

def resident(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

def points(n, d):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((n, d)) + 3 * rng.standard_normal((5, d))[np.arange(n) % 5]).astype(np.float32)

with one_thread():
    for dtype in (np.float32, np.float64):  # BLAS keeps its buffers
        x = points(3000, 600).astype(dtype)
        x @ x.T, x.T @ x
    for name, n, d, parameters in json.loads(sys.argv[1]):
        model, x = registry.get("clusterers", name)(**parameters), points(n, d)
        graph = Neighbours(x, *Neighbours(x).query(30))
        model.fit(x[:300])  # loads and compiles
        ctypes.CDLL(None).malloc_trim(0)
        open("/proc/self/clear_refs", "w").write("5")
        before = resident("VmRSS")
        model.fit(x, neighbours=graph)
        print(json.dumps([resident("VmHWM") - before, model.memory(n, d)]), flush=True)
"""


@pytest.fixture(scope="module")
def measured():
    """Return name: (peak of a fit, the estimate), in bytes, measured in a process of their own."""
    if not CLEAR.exists():
        pytest.skip("only Linux tells the peak of a part of a process")
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(list(CASES.values()))], capture_output=True, text=True, check=True
    )
    return dict(zip(CASES, map(json.loads, run.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_estimate_is_no_less_than_the_peak_and_not_half_as_much_again(measured, name):
    peak, estimate = measured[name]
    assert peak - MARGIN <= estimate <= 1.5 * peak + MARGIN
