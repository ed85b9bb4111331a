"""One file a corpus: recordings(root, **section) -> DataFrame and, where it is public, download(root)."""
