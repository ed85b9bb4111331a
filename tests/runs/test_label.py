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


def test_auto_without_labels_is_ten_and_of_few_clips_fewer():
    for clips, k in ((1000, 10), (30, 10), (29, 9), (7, 2), (3, 2)):
        assert resolve({"kmeans": "auto"}, classes=0, clips=clips) == {"kmeans": k}


def test_every_wrong_k_is_told_at_once():
    with pytest.raises(ValueError) as found:
        resolve({"kmeans": 50, "spice": "auto", "temi": 30}, classes=0, clips=29)
    assert str(found.value).splitlines() == [
        f"{name}.k = {k}: more clusters than the 29 clips; lower it, or k where the section has auto"
        for name, k in (("kmeans", 50), ("temi", 30))
    ]
