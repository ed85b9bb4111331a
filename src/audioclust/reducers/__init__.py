"""One file a reducer: a class whose fit_transform(x) turns (n, d) into fewer dimensions."""
