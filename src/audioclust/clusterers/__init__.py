"""One file a clusterer: a class whose fit(x) leaves labels_."""
