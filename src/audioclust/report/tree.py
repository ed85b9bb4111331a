"""A tree over the clusters of one labelling, so that they can be cut coarser.

Ward's linkage (Ward, 1963) carried on from the clusters as they are: those two merge next whose merger adds least to
the squared distances of the clips from their cluster's centre. Clusters count by their sizes, unlike in Ward's linkage
of the bare centres; docs/LOG.md compares both with average linkage.

Shapes: n clips, d dimensions, c clusters.
"""

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances


def linkage_of(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the tree of the clusters' centres as scipy's linkage, (c - 1, 4) float64; (0, 4) of fewer than two.

    Leaf i is the i-th of the sorted cluster numbers. A row holds the two nodes that merge, their distance, and the
    number of clusters below; the distance is Ward's, as ``scipy.cluster.hierarchy.ward`` of all clips would have it.

    Args:
        x: (n, d) in the scale in which distances are taken.
        labels: (n,) integers; noise (-1) is left out.

    Raises:
        ValueError: the lengths differ.
    """
    x, labels = np.asarray(x), np.asarray(labels)
    if len(x) != len(labels):
        raise ValueError(f"one label per row of x: got {len(x)} rows and {len(labels)} labels")
    names, sizes = np.unique(labels[labels != -1], return_counts=True)
    if len(names) < 2:
        return np.empty((0, 4))
    centres = np.stack([x[labels == name].mean(axis=0, dtype=np.float64) for name in names])
    return _numbered(_merged(_added(centres, sizes), sizes.astype(np.float64)))


def _added(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return what merging two clusters adds to the sum of squares, (c, c); infinite of a cluster and itself."""
    distances = euclidean_distances(centres, squared=True)
    added = distances * (sizes[:, None] * sizes / (sizes[:, None] + sizes))
    np.fill_diagonal(added, np.inf)
    return added


def _merged(added: np.ndarray, sizes: np.ndarray) -> list[tuple[float, int, int]]:
    """Return the c - 1 merges as (what it adds, one cluster, the other), by a chain of nearest neighbours.

    A merged cluster goes by the second one's number. ``added`` and ``sizes`` are changed (Lance and Williams, 1967).
    """
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    while len(merges) < len(sizes) - 1:
        chain = chain or [int(np.flatnonzero(sizes)[0])]
        i = chain[-1]
        j = int(added[i].argmin())
        if len(chain) < 2 or added[i, chain[-2]] > added[i, j]:
            chain.append(j)
            continue
        j = chain[-2]
        chain = chain[:-2]
        merges.append((float(added[i, j]), i, j))
        rest = np.flatnonzero(np.isfinite(added[i]) & np.isfinite(added[j]))
        both = sizes[i] + sizes[j]
        own = (sizes[i] + sizes[rest]) * added[i, rest] + (sizes[j] + sizes[rest]) * added[j, rest]
        added[j, rest] = added[rest, j] = (own - sizes[rest] * added[i, j]) / (both + sizes[rest])
        added[i], added[:, i] = np.inf, np.inf
        sizes[i], sizes[j] = 0, both
    return merges


def _numbered(merges: list[tuple[float, int, int]]) -> np.ndarray:
    """Return the merges as scipy's linkage, sorted by what they add."""
    c = len(merges) + 1
    node, below, rows = list(range(c)), [1] * c, []  # of each cluster: the node that it lies in, and its leaves
    lies_in = list(range(c))

    def root(i: int) -> int:
        while lies_in[i] != i:
            i = lies_in[i]
        return i

    for cost, *pair in sorted(merges, key=lambda merge: merge[0]):
        i, j = (root(each) for each in pair)
        rows.append((*sorted((node[i], node[j])), np.sqrt(2 * max(cost, 0)), below[i] + below[j]))
        lies_in[i], below[j], node[j] = j, below[i] + below[j], c + len(rows) - 1
    return np.array(rows, dtype=np.float64)
