"""The clusters of every recording in formats of other programs, one format per file: the file is the registration.

Each has ``files(recordings, cell)``, which returns path -> text of what it writes, below the folder of the exports.
"""
