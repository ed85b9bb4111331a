"""The true labels that clusters are scored against, and what is known of them beforehand: how many there are.

Labels stand in files of their own, so that another choice of them decodes, embeds and trains nothing again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from audioclust.datasets._layout import TEXT

UNKNOWN = 10  # clusters where nobody says how many
PER_CLUSTER = 3  # clips on average, at least, where nobody says how many clusters
# Columns of the clip table that are no labelling: seconds, Hz of the recording, dBFS of the clip (RMS)
CLIP = ("clip_id", "path", "start", "duration", "rate", "level", "group")


@dataclass
class Label:
    """Which of a data set's labellings is the truth."""

    label: str = "auto"  # auto: the first, where there is any

    def choose(self, clips: pd.DataFrame) -> pd.Series:
        """Return the label of each clip, "" where it has none.

        Raises:
            ValueError: there is no such labelling, or all its labels are the same; the message names those there are.
        """
        labellings = [column for column in clips.columns if column not in (*CLIP, TEXT)]
        if self.label == "auto" and not labellings:
            return pd.Series([""] * len(clips), dtype=str)
        name = labellings[0] if self.label == "auto" else self.label
        if name not in labellings:
            there = ", ".join(labellings) if labellings else "none, they are unlabelled"
            raise ValueError(f"data.label = {self.label!r}: these recordings have the labellings: {there}")
        classes = {column: {*clips[column]} - {""} for column in labellings}
        if len(classes[name]) == 1:
            others = ", ".join(column for column, labels in classes.items() if len(labels) > 1)
            way_out = f"set data.label to one of {others}, or" if others else "to cluster without labels"
            raise ValueError(
                f"data.label = {self.label!r}: every label of {name!r} is {classes[name].pop()!r}, and one class is "
                f"nothing to compare clusters with; {way_out} set data.dataset to folder and folder.labels to none"
            )
        return clips[name]


def number(classes: int, clips: int) -> int:
    """Return what "auto" stands for: the number of classes or, where there are none, 10, of few clips fewer."""
    return classes or min(UNKNOWN, max(clips // PER_CLUSTER, 2))


def resolve(wanted: Mapping[str, int | str], classes: int, clips: int) -> dict[str, int]:
    """Return the number of clusters of each section, before hours of training and not after them.

    Args:
        wanted: section -> its ``k``, a number or "auto": ``number``.
        classes: how many the labels have; 0 without labels.
        clips: how many there are.

    Raises:
        ValueError: a line per section with more clusters than clips.
    """
    found = {section: number(classes, clips) if k == "auto" else k for section, k in wanted.items()}
    mistakes = [
        f"{section}.k = {k}: more clusters than the {clips} clips; lower it, or k where the section has auto"
        for section, k in found.items()
        if k > clips
    ]
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return found
