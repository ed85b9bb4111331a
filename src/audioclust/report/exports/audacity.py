"""Label tracks of Audacity, one per recording: File, Import, Labels.

https://manual.audacityteam.org/man/importing_and_exporting_labels.html: start and end in seconds and the label,
separated by tabs, a region a line. There is no escape for tabs and line ends: they become blanks.
"""

from collections.abc import Sequence

from audioclust.report.exports._texts import ENDING, Recording, file_names, one_line


def files(recordings: Sequence[Recording], cell: str) -> dict[str, str]:
    """Return ``audacity/<recording>.txt`` -> its label track."""
    names = file_names(each.path for each in recordings)
    return {f"audacity/{names[each.path]}{ENDING}": _track(each) for each in recordings}


def _track(recording: Recording) -> str:
    return "".join(f"{each.start:.6f}\t{each.end:.6f}\t{one_line(each.label)}\n" for each in recording.regions)
