"""Deep clustering methods: one paper a file, a class whose fit(x) leaves labels_."""
