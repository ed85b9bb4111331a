"""Which labelling is the truth, and every k resolved before any long work."""

import pandas as pd
import pytest

from audioclust.runs.label import Label, resolve

CLIPS = pd.DataFrame(
    {"clip_id": ["a", "b"], "path": ["x", "y"], "start": 0.0, "duration": 1.0, "group": "g", "digit": ["1", "2"],
     "speaker": ["s", "t"]}
)  # fmt: skip


def test_the_first_labelling_or_the_one_that_is_named():
    assert Label().choose(CLIPS).tolist() == ["1", "2"]
    assert Label("speaker").choose(CLIPS).tolist() == ["s", "t"]
    assert Label().choose(CLIPS[["clip_id", "path", "start", "duration", "group"]]).tolist() == ["", ""]


def test_an_unknown_labelling_is_named():
    with pytest.raises(ValueError, match=r"data\.label = 'word': these recordings have the labellings: digit, speaker"):
        Label("word").choose(CLIPS)
    with pytest.raises(ValueError, match="none, they are unlabelled"):
        Label("word").choose(CLIPS[["clip_id", "group"]])


def test_a_text_is_no_labelling():
    clips = CLIPS.drop(columns=["digit", "speaker"]).assign(text=["kelo", "miba"])
    assert Label().choose(clips).tolist() == ["", ""]
    with pytest.raises(ValueError, match="none, they are unlabelled"):
        Label("text").choose(clips)


def test_a_single_class_is_refused_with_the_way_out():
    one = CLIPS.assign(digit=["1", ""])
    for label in ("auto", "digit"):
        with pytest.raises(ValueError, match=rf"data\.label = '{label}': every label of 'digit' is '1'.* speaker, or"):
            Label(label).choose(one)
    assert Label("speaker").choose(one).tolist() == ["s", "t"]
    with pytest.raises(ValueError, match=r"'s'.* to cluster without labels set .*folder\.labels to none"):
        Label("speaker").choose(one.assign(speaker="s"))
    assert Label().choose(CLIPS.assign(digit="")).tolist() == ["", ""], "unlabelled"


def test_auto_is_the_number_of_classes():
    assert resolve({"spice": "auto", "temi": 4}, classes=3, clips=10) == {"spice": 3, "temi": 4}


def test_every_wrong_k_is_told_at_once():
    with pytest.raises(ValueError) as found:
        resolve({"kmeans": "auto", "temi": 30}, classes=0, clips=29)
    assert "kmeans.k = auto: means the number of classes, and this data set has no labels" in str(found.value)
    assert "`dvc exp run -S k=8`" in str(found.value)
    assert "temi.k = 30: more clusters than the 29 clips; lower it" in str(found.value)


def test_one_line_names_every_section_without_a_number():
    with pytest.raises(ValueError, match=r"^kmeans\.k, spectral\.k, spice\.k = auto: .* -S k=8`$"):
        resolve({"kmeans": "auto", "spectral": "auto", "spice": "auto", "temi": 3}, classes=0, clips=29)
