"""Deep clustering methods: one paper per file or folder, a class whose ``fit`` sets ``labels_``."""
