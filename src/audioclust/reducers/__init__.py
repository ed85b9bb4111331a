"""One file per reducer: ``tests/reducers`` holds every file here to this contract.

- ``fit_transform(X, y=None)`` returns the points X (n, d) in fewer dimensions, float32, and leaves X as it is.
- It checks the parameters first; ``y`` is ignored; the same points and seed give the same bytes.
- ``random_state`` is a field after ``KW_ONLY``; ``stochastic`` tells whether the result depends on it.
- Points that all coincide stay one point. Four points are enough.
- ``linear = True`` is declared by a reducer whose time grows in proportion to n; others are fitted to a part of many
  points, and the rest is placed by its neighbours.
- ``from_neighbours = True`` is declared by a reducer whose ``fit_transform`` also takes ``neighbours``, a
  ``points.neighbours.Neighbours`` of X that all maps share, and whose ``wanted(n)`` says how many of each of n points
  it asks for: the result is the same without.
- A library that not everybody has is imported in ``fit_transform``; the ``ImportError`` says how to install it.
"""
