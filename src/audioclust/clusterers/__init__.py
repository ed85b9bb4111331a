"""One file per clusterer, a scikit-learn estimator: ``tests/clusterers`` holds every file here to this contract.

- ``fit(X, y=None, *, neighbours=None)`` clusters the points X (n, d), leaves them as they are and returns itself.
- It checks the parameters first, then the points; ``y`` is ignored; the same points and seed give the same labels.
- ``labels_`` (n,) int32 numbers the clusters 0, 1, ... in the order of their first point; noise is -1.
- ``finds_noise = True`` is declared by a clusterer that has noise, which is any point that it calls isolated.
- ``k`` is the parameter of a clusterer that is told the number of clusters; it finds at most k, and needs k points.
- ``chosen_`` holds what was found for parameters that are "auto"; set to it, they give the same labels.
- ``neighbours`` is a ``points.neighbours.Neighbours`` of X, shared to save time: the labels are the same without.
- ``stochastic`` tells whether labels depend on ``random_state``, which only then is a field, after ``KW_ONLY``.
- ``linear = True`` is declared by a clusterer whose time grows in proportion to n; others are fitted to a part of many
  points, and the rest follows its neighbours.
- ``memory(n, d)`` estimates the peak in bytes of a fit that is given ``neighbours``, so that a cell that would not fit
  is skipped: what is allocated at a time, and a quarter more for the holes that freed blocks leave.
- One point is one cluster, 0, or noise where the clusterer has noise and calls that point isolated.
- Points that all coincide are one cluster, 0; with k, which cuts them as it likes, 1 to k clusters.
"""
