"""CPU seconds of our reducers and clusterers beside scikit-learn's call for the same work, in one run on one thread.

PCA stands beside scikit-learn's default solver, t-SNE beside openTSNE too, Ward beside fastcluster, each by its default
call.

    python benchmarks/grid.py --sizes 1000 4000
    python benchmarks/grid.py --sizes 1000 10000 --large --only dbscan

The data are overlapping Gaussian blobs, so that nothing converges at once, and for PCA, and Ward in many dimensions,
points whose variances fall as those of embeddings do. Both sides get the same parameters; eps and
bandwidth are the ones that ours found. Compilation is paid beforehand on a small input. A peer that would take longer
than ``--limit``, by the growth of its smaller sizes (squared where there is one only), is skipped and the row says so.
The columns: NMI of the two labellings (for PCA the variance kept, for t-SNE the Kullback-Leibler divergence of the map,
ours / peer), and the exponent of our growth since the size before.
"""

import argparse
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastcluster
import numpy as np
import openTSNE
from scipy.cluster.hierarchy import fcluster
from sklearn import cluster, decomposition, manifold
from sklearn.metrics import normalized_mutual_info_score
from tables import Table
from threadpoolctl import threadpool_limits

from audioclust import registry
from audioclust.parameters import types, values
from audioclust.points.neighbours import Neighbours
from audioclust.reducers.tsne.affinities import joint
from audioclust.reducers.tsne.forces import pairs

K = 9
LARGE = 70000


def peers(name: str, chosen: dict[str, float]) -> dict[str, Any]:
    """Return other libraries' estimators for the work of a reducer or clusterer that found ``chosen``."""
    makers: dict[str, Callable[[], Any]] = {
        "kmeans": lambda: cluster.KMeans(K, n_init=10, random_state=0),
        "dbscan": lambda: cluster.DBSCAN(eps=chosen["eps"], min_samples=5),
        "meanshift": lambda: cluster.MeanShift(bandwidth=chosen["bandwidth"]),
        "agglomerative": lambda: cluster.AgglomerativeClustering(K),
        "spectral": lambda: cluster.SpectralClustering(K, affinity="nearest_neighbors", random_state=0),
        "pca": lambda: decomposition.PCA(50, random_state=0),
        "tsne": lambda: manifold.TSNE(init="pca", max_iter=750, random_state=0),
    }
    others = {"tsne": ("openTSNE", openTSNE.TSNE(n_iter=500, n_jobs=1, random_state=0)),
              "agglomerative": ("fastcluster", FastWard())}  # fmt: skip
    return {"scikit-learn": makers[name]()} | dict([others[name]] if name in others else [])


class FastWard:
    """Ward's clusters by fastcluster."""

    def fit(self, x: np.ndarray) -> "FastWard":
        self.labels_ = fcluster(fastcluster.linkage(x, "ward"), K, "maxclust")
        return self


CELLS = (
    ("meanshift", 2),
    ("meanshift", 50),
    ("agglomerative", 50),
    ("agglomerative", 512),
    ("kmeans", 2),
    ("kmeans", 50),
    ("kmeans", 768),
    ("dbscan", 2),
    ("dbscan", 50),
    ("spectral", 50),
    ("pca", 768),
    ("pca", 3072),
    ("tsne", 50),
)


def blobs(n: int, d: int) -> np.ndarray:
    """Return n points (n, d) float32 around ``K`` centres that lie about three standard deviations apart."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(K, d)) * 3 / math.sqrt(2 * d) * math.sqrt(min(d, 4))
    return (centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))).astype(np.float32)


def embedding(n: int, d: int) -> np.ndarray:
    """Return n points (n, d) float32 whose variances fall along their axes as those of embeddings do, by a power."""
    rng = np.random.default_rng(0)
    scales = (1 + np.arange(d, dtype=np.float32)) ** -0.7
    turned = rng.standard_normal((d, d), np.float32) / np.float32(math.sqrt(d))
    return (rng.standard_normal((n, d), np.float32) * scales) @ turned


def points(name: str, n: int, d: int) -> np.ndarray:
    """Return what a reducer or clusterer is timed on."""
    return embedding(n, d) if name == "pca" or (name, d) == ("agglomerative", 512) else blobs(n, d)


def ours(name: str, chosen: dict[str, float]) -> Any:
    """Return our reducer or clusterer, with the scale already found."""
    if name in registry.names("reducers"):
        return registry.get("reducers", name)(random_state=0)
    kind = registry.get("clusterers", name)
    return kind(**({"k": K} if "k" in types(kind) else {}), **chosen)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, which a busy machine does not change as it does the clock's, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def run(model: Any, x: np.ndarray) -> Any:
    """Return the map or the labels of ``model`` on ``x``."""
    if isinstance(model, openTSNE.TSNE):
        return np.asarray(model.fit(x))
    if hasattr(model, "fit_transform") and not hasattr(model, "fit_predict"):
        return model.fit_transform(x)
    return model.fit(x).labels_


def divergence(x: np.ndarray, found: np.ndarray) -> float:
    """Return the Kullback-Leibler divergence of a map (n, 2) from the affinities of ``x`` at a perplexity of 30."""
    p = joint(*Neighbours(x).query(90), 30.0).tocoo()
    y = np.zeros((3, len(x)), np.float32)
    y[:2] = found.T
    z = pairs(y, np.empty_like(y))
    q = 1 / (1 + ((found[p.row].astype(np.float64) - found[p.col]) ** 2).sum(1)) / z
    return float((p.data * np.log(np.maximum(p.data, 1e-30) / q)).sum())


def agreement(name: str, x: np.ndarray, mine: np.ndarray, theirs: np.ndarray) -> str:
    """Return how alike the two results are, as the table's cell."""
    if name in MEASURES:
        return " / ".join(MEASURES[name](x, each) for each in (mine, theirs))
    return f"{normalized_mutual_info_score(mine, theirs):.4f}"


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], str]] = {
    "pca": lambda x, found: f"{found.var(axis=0, dtype=np.float64).sum() / x.var(axis=0).sum():.5f}",
    "tsne": lambda x, found: f"{divergence(x, found):.3f}",
}


def expected(times: dict[int, float], n: int) -> float:
    """Return the seconds that ``n`` points will take, from those of smaller sizes."""
    if not times:
        return 0.0
    *before, last = sorted(times)
    power = max(1.0, math.log(times[last] / times[before[-1]]) / math.log(last / before[-1])) if before else 2.0
    return times[last] * (n / last) ** power


def cells(name: str, d: int, sizes: list[int], limit: float) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one reducer or clusterer, one per peer and size."""
    mine: dict[int, float] = {}
    theirs: dict[str, dict[int, float]] = defaultdict(dict)
    for n in sizes:
        where = name, str(n), str(d)
        if expected(mine, n) > limit:
            yield *where, f"skipped, about {expected(mine, n):.0f} s", "", "", "", "", ""
            continue
        x = points(name, n, d)
        model, chosen = ours(name, {}), {}
        if "auto" in values(model).values():
            chosen = model.fit(x[:4000]).chosen_
            model = ours(name, chosen)
        mine[n], found = timed(lambda m=model, x=x: run(m, x))
        growth = ""
        if len(mine) > 1:
            before = sorted(mine)[-2]
            growth = f"{math.log(mine[n] / mine[before]) / math.log(n / before):.2f}"
        for peer, reference in peers(name, chosen).items():
            times = theirs[peer]
            guess = expected(times, n)
            if guess > limit:
                beside = f"skipped, about {guess:.0f} s", f"about {guess / mine[n]:.0f}", ""
            else:
                times[n], other = timed(lambda m=reference, x=x: run(m, x))
                beside = f"{times[n]:.2f}", f"{times[n] / mine[n]:.1f}", agreement(name, x, found, other)
            yield *where, f"{mine[n]:.3f}", peer, *beside, growth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000], help="points")
    parser.add_argument("--large", action="store_true", help=f"{LARGE} points too")
    parser.add_argument("--only", nargs="+", default=sorted({name for name, _ in CELLS}), help="names")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds at most for one call")
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    arguments = parser.parse_args()
    sizes = sorted({*arguments.sizes, *([LARGE] if arguments.large else [])})
    warnings.filterwarnings("ignore", "Graph is not fully connected")
    columns = "work", "n", "d", "ours, s", "peer", "its, s", "ratio", "agreement", "growth"
    table = Table(arguments.out, "grid", *columns)
    with threadpool_limits(1):
        for name, d in CELLS:
            if name in arguments.only:
                run(ours(name, {}), blobs(300, d))  # compiles
                for row in cells(name, d, sizes, arguments.limit):
                    table.add(*row)


if __name__ == "__main__":
    main()
