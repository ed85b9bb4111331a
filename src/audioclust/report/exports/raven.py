"""Selection tables of Raven, one per recording: open the sound, then File, Open Sound Selection Table.

A table with one head line, separated by tabs, a selection a line; Raven takes unknown columns for annotations. There is
no escape for tabs and line ends: they become blanks. A selection reaches over all frequencies that the recording has.
"""

from collections.abc import Sequence
from posixpath import basename

from audioclust.report.exports._texts import Recording, file_names, one_line

HEAD = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "Annotation",
)  # fmt: skip
ENDING = ".Table.1.selections.txt"  # as Raven names them


def files(recordings: Sequence[Recording], cell: str) -> dict[str, str]:
    """Return ``raven/<recording>.Table.1.selections.txt`` -> its selection table."""
    names = file_names(each.path for each in recordings)
    return {f"raven/{names[each.path]}{ENDING}": _table(each) for each in recordings}


def _table(recording: Recording) -> str:
    rows = [
        (
            str(number), "Spectrogram 1", str(each.channel + 1), f"{each.start:.6f}", f"{each.end:.6f}", "0.0",
            f"{recording.rate / 2:.1f}", one_line(basename(recording.path)), one_line(each.label),
        )
        for number, each in enumerate(recording.regions, 1)
    ]  # fmt: skip
    return "".join("\t".join(row) + "\n" for row in (HEAD, *rows))
