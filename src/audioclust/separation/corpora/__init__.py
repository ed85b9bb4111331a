"""One file per kind of corpus that mixtures are made of.

- Fields are parameters; ``seed``, ``open_share`` and ``closed_share`` are those of ``corpus.split``.
- ``read(root, rate, workers)`` returns a ``Corpus`` at ``rate`` Hz, its parts made; ``root`` is the folder of the
  recordings, which the embedded ones do not look into. The bytes do not depend on ``workers``.
- ``FileNotFoundError`` says what is missing below ``root`` and what to do; ``ValueError`` what cannot be used.
"""
