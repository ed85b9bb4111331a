"""One file per data set: ``tests/datasets`` holds every file here to this contract.

- ``recordings(root)`` returns a table: ``path`` (POSIX, relative to ``root``), ``group``, a column per labelling; all
  strings, sorted by path. It opens no recording, and checks the parameters first.
- Where any recording has one, the last column is ``text``: what is said or written of it, on one line, "" without. It
  is no labelling, and no label is put into it.
- ``FileNotFoundError`` says what is missing below ``root`` and what to do.
- ``download(root)``, of a public data set alone, fetches it into ``root``; what is there already is kept.
- ``cached``, of one whose parameters say what is fetched or rendered: the name of its folder in the cache.
- ``FOLDERS`` names the folders below ``root`` in which a public data set may lie.
- ``LABELS`` names the labellings, the usual one first; ``LICENSE``, ``CITATION``, ``URL``, checksums and sizes are
  constants beside the class.
"""
