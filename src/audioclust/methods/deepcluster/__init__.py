"""DeepCluster (arXiv 1807.05520) and DECAR: the method, DECAR's front end and its masks, one file each."""

from audioclust.methods.deepcluster.deepcluster import DeepCluster as DeepCluster
