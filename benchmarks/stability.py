"""How stable the clusters of one embedding are, without labels, where there is but one seed.

``python benchmarks/stability.py data/embeddings/simclr/embedding.npy --k 10`` clusters random halves of the clips and
prints the mean adjusted Rand index of all pairs of the clusterings, each carried over to all clips by its nearest
centres. An embedding whose clusters are there gives the same ones from either half; one without gives chance, 0.
Several seeds are compared by the column ``agreement`` of the table.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score
from tables import Table

from audioclust.clusterers.kmeans import KMeans
from audioclust.points.scale import scale
from audioclust.reducers.pca import PCA


def stability(x: np.ndarray, k: int, halves: int = 8) -> float:
    """Return the mean ARI of k-means from random halves of the embedding ``x`` (n, d), rows scaled to length 1."""
    x = PCA(64).fit_transform(scale(x, "l2"))
    found = []
    for seed in range(halves):
        half = np.random.default_rng(seed).permutation(len(x))[: len(x) // 2]
        centres = KMeans(k, n_init=5, random_state=seed).fit(x[half]).centres_
        found.append(((x[:, None] - centres) ** 2).sum(2).argmin(1))
    return float(np.mean([adjusted_rand_score(one, other) for one, other in combinations(found, 2)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="+", type=Path, help=".npy, embeddings (n, d) or (s, n, d)")
    parser.add_argument("--k", type=int, required=True, help="clusters of k-means")
    parser.add_argument("--out", type=Path, help="folder for the table as CSV")
    arguments = parser.parse_args()
    table = Table(arguments.out, "stability", "file", "stability")
    for path in arguments.files:
        x = np.load(path)
        values = [stability(one, arguments.k) for one in (x if x.ndim == 3 else x[None])]
        table.add(str(path), " / ".join(f"{value:.3f}" for value in values))


if __name__ == "__main__":
    main()
