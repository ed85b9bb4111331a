"""Clips to draw, and what is read off a picture."""

import numpy as np
import pandas as pd
from matplotlib.image import imread

from audioclust.report import table

RNG = np.random.default_rng(0)
XY = RNG.normal(size=(120, 2)).astype(np.float32)
LABELS = np.repeat(["cat", "dog", "cow"], 40)
CLUSTERS = np.r_[np.full(40, 5), np.full(40, 2), np.full(30, 7), np.full(10, -1)]
LOGMEL = RNG.normal(size=(120, 64, 301)).astype(np.float16)
NONE = np.full(120, "")
HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=a()>", "<!--<script>", "a|b\n`c`", "_x_", "\0é"]


def result(encoders=("byol_a", "passt"), labelled=True, largest=0.4, clusterers=("kmeans", "dbscan"), seeds=2):
    """Return a final table whose scores grow from cell to cell."""
    rows = [
        {"encoder": e, "reducer": r, "clusterer": c, "seed": s, "chosen": "", "reason": "", "clusters": 3, "noise": 0.0}
        | ({"ami": (i + j + k) / 10 + s / 50} if labelled else {})
        | {"choice": (j - i) / 5, "largest": 0.4 if c == "kmeans" else largest, "coverage": 1.0}
        for i, e in enumerate(encoders)
        for j, r in enumerate(["none", "pca"])
        for k, c in enumerate(clusterers)
        for s in range(seeds)
    ]
    return table.aggregate(pd.DataFrame(rows))


def pixels(path):
    """Return the picture (height, width, 3) as integers from 0 to 255."""
    return (imread(path)[..., :3] * 255).round().astype(int)


def colours_of(path):
    """Return the different colours of a picture as 8-bit triples."""
    return {tuple(colour) for colour in np.unique(pixels(path).reshape(-1, 3), axis=0)}


def rgb(text):
    return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
