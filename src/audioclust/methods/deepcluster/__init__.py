"""DeepCluster (arXiv 1807.05520) and DECAR: the method and DECAR's masks, one file each."""

from audioclust.methods.deepcluster.deepcluster import DeepCluster as DeepCluster
