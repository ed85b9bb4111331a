"""The texts of clips: where they are from, and that no label is ever taken for one."""

import json

import pandas as pd
import pytest

from audioclust.runs.texts import texts, write

CLIPS = pd.DataFrame({"clip_id": ["1", "2", "3"], "path": ["a", "a", "b"], "digit": ["seven", "seven", "two"]})


def test_a_text_for_each_clip():
    assert texts(CLIPS.assign(text=["kelo", "kelo", ""])) == ["kelo", "kelo", ""]


@pytest.mark.parametrize("clips", [CLIPS, CLIPS.assign(text=""), CLIPS.rename(columns={"digit": "transcript"})])
def test_without_texts_the_way_out_is_said_and_no_label_is_read(clips):
    with pytest.raises(ValueError, match=r"no recording has a text.*transcript or caption of the table labels\.csv"):
        texts(clips)


def test_a_file_for_each_encoder_and_other_texts_change_those_of_texts_alone(tmp_path):
    inputs = {"logmel_stats": "logmel", "text": "text"}
    seen = []
    for name in ("kelo", 'mi"ba \u00e9'):
        write(CLIPS.assign(text=["", name, name]), inputs, tmp_path)
        seen.append({file.stem: file.read_bytes() for file in tmp_path.iterdir()})
    assert json.loads(seen[1]["text"]) == ["", 'mi"ba \u00e9', 'mi"ba \u00e9']
    assert seen[0]["logmel_stats"] == seen[1]["logmel_stats"] and json.loads(seen[0]["logmel_stats"]) == []
    assert seen[0]["text"] != seen[1]["text"]
    write(CLIPS, {"logmel_stats": "logmel"}, tmp_path / "none")
    assert [file.name for file in (tmp_path / "none").iterdir()] == ["logmel_stats.json"]


def test_labels_are_no_texts(tmp_path):
    """Whatever the labellings are called, other labels change no file."""
    clips = CLIPS.assign(text="kelo", label="suti", caption="vura")
    write(clips, {"text": "text"}, tmp_path / "one")
    write(clips.assign(digit="a", label="b", caption="c"), {"text": "text"}, tmp_path / "two")
    assert (tmp_path / "one/text.json").read_bytes() == (tmp_path / "two/text.json").read_bytes()
    assert json.loads((tmp_path / "one/text.json").read_text()) == ["kelo"] * 3
