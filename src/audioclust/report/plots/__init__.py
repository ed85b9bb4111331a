"""The pictures of the pipeline: map of clips, confusion, bars of all cells, tree, numbers of clusters, log-mels.

Where no clip has a label, clusters take the place of classes: their sizes that of the confusion, their clips that of
the examples.
"""

from audioclust.report.canvas import COLOURS, SHADES
from audioclust.report.plots.cells import bars
from audioclust.report.plots.confusions import by_size, cluster_name, confusion, confusion_rows
from audioclust.report.plots.curves import numbers
from audioclust.report.plots.logmels import examples
from audioclust.report.plots.maps import clip_map
from audioclust.report.plots.trees import tree

__all__ = [
    "COLOURS",
    "SHADES",
    "bars",
    "by_size",
    "clip_map",
    "cluster_name",
    "confusion",
    "confusion_rows",
    "examples",
    "numbers",
    "tree",
]
