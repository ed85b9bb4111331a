"""t-SNE: the affinities of the points, the forces between the points of the map, and the descent."""

from audioclust.reducers.tsne.tsne import TSNE as TSNE
