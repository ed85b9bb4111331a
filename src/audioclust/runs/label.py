"""The true labels that clusters are scored against, and what is known of them beforehand: how many there are.

Labels stand in files of their own, so that another choice of them decodes, embeds and trains nothing again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

CLIP = ("clip_id", "path", "start", "duration", "group")  # columns of the clip table that are no labelling


@dataclass
class Label:
    """Which of a data set's labellings is the truth."""

    label: str = "auto"  # auto: the first, where there is any

    def choose(self, clips: pd.DataFrame) -> pd.Series:
        """Return the label of each clip, "" where it has none.

        Raises:
            ValueError: there is no such labelling; the message names those there are.
        """
        labellings = [column for column in clips.columns if column not in CLIP]
        if self.label == "auto":
            return clips[labellings[0]] if labellings else pd.Series([""] * len(clips), dtype=str)
        if self.label not in labellings:
            there = ", ".join(labellings) if labellings else "none, they are unlabelled"
            raise ValueError(f"data.label = {self.label!r}: these recordings have the labellings: {there}")
        return clips[self.label]


def resolve(wanted: Mapping[str, int | str], classes: int, clips: int) -> dict[str, int]:
    """Return the number of clusters of each section, before hours of training and not after them.

    Args:
        wanted: section -> its ``k``, a number or "auto", the number of classes.
        classes: how many the labels have; 0 without labels.
        clips: how many there are.

    Raises:
        ValueError: one line per mistake: "auto" where there are no classes, or more clusters than clips.
    """
    found = {section: classes if k == "auto" else k for section, k in wanted.items()}
    mistakes = [
        f"{section}.k = auto: means the number of classes, and this data set has no labels; set a number, e.g. "
        f"`dvc exp run -S {section}.k=8`"
        for section, k in found.items()
        if not k
    ]
    large = {section: k for section, k in found.items() if k > clips}
    mistakes += [f"{section}.k = {k}: more clusters than the {clips} clips; lower it" for section, k in large.items()]
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return found
