"""Test mixtures are separated by models and baselines: which rows there are, and that what should be better is."""

import dataclasses

import pandas as pd
import pytest
import torch
from corpus_fixture import music
from separation_fixture import drawn, fitted, tones, trained, untrained

from audioclust.parameters import validate
from audioclust.runs import separate
from audioclust.runs.separate import BASELINES, METHODS, SCORES, Mixture, Separate
from audioclust.separation.mixtures import tests as draw
from audioclust.separation.stft import Stft

SETTINGS = Separate(bases=8, iterations=20, restarts=3, workers=1)
SEEDS = [("tones", 0), ("fresh", 0), ("fresh", 1)]  # of two models


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """The rows of both models and the baselines."""
    models = dict(zip(SEEDS, [trained(), untrained(), untrained(random_state=1)], strict=True))
    return SETTINGS.rows(tones(), drawn(), models)


def mean(rows: pd.DataFrame, method: str, model: str = "", score: str = "sdr_improvement", **where) -> float:
    chosen = rows[(rows["method"] == method) & (rows["model"] == model)]
    for name, value in where.items():
        chosen = chosen[chosen[name] == value]
    return chosen[score].mean()


def test_a_row_per_mixture_source_method_model_and_seed(rows):
    assert rows.columns.tolist() == [
        "mixture", "set", "count", "part", "source", "method", "model", "seed", *SCORES, "counted",
    ]  # fmt: skip
    sources = 2 * (2 + 3)  # of both sets
    counts = rows.groupby(["method", "model", "seed"]).size()
    assert all(counts[method, name, seed] == sources for method in METHODS for name, seed in SEEDS)
    baselines = {method: counts[method, "", -1] for method in BASELINES}
    assert baselines == {"mixture": 10, "nmf": 5, "ideal binary": 10, "ideal ratio": 10}
    assert len(counts) == len(METHODS) * len(SEEDS) + len(BASELINES)
    assert not rows.duplicated(["mixture", "source", "method", "model", "seed"]).any()
    assert rows[list(SCORES)].notna().all(axis=None)
    assert (rows["counted"].isna() == (rows["model"] == "")).all()


def test_rows_say_which_mixture_they_are_of(rows):
    known = drawn().set_index("mixture")
    for row in rows.itertuples():
        mixture = known.loc[row.mixture]
        assert (row.set, row.count, row.part) == (mixture["set"], mixture["count"], mixture["genders"])
        speaker = row.source.removeprefix("o")
        assert any(name.split("/")[1].startswith(f"{speaker}-") for name in mixture["utterances"])


def test_the_mixture_gains_nothing(rows):
    mixtures = rows[rows["method"] == "mixture"]
    assert (mixtures[["sdr_improvement", "si_sdr_improvement"]] == 0).all(axis=None)
    same = rows.groupby(["mixture", "source"])["mixture_sdr"].nunique()
    assert (same == 1).all(), "the mixture's own score is that of every method"


def test_what_should_be_better_is(rows):
    ideal, learned, fresh = (
        mean(rows, *each) for each in (("ideal binary",), ("global", "tones"), ("global", "fresh"))
    )
    assert ideal > learned > fresh + 5 > 5
    assert learned > 8 and mean(rows, "global", "tones", "si_sdr_improvement") > 8
    assert mean(rows, "oracle", "tones") >= learned - 1 and mean(rows, "soft", "tones") > 5
    assert mean(rows, "spectral", "tones") > 8 and mean(rows, "ideal ratio") > 8


def test_nmf_is_there_where_the_speakers_are_known(rows):
    assert set(rows.loc[rows["method"] == "nmf", "set"]) == {"closed"}
    assert mean(rows, "nmf") > 8
    without = Separate(bases=0, workers=1, restarts=2).rows(tones(), drawn(two=1, three=0).iloc[:1], {})
    assert set(without["method"]) == {"mixture", "ideal binary", "ideal ratio"}


def test_scores_depend_neither_on_workers_nor_on_threads(rows, monkeypatch):
    monkeypatch.setattr(separate, "SHARD", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = dataclasses.replace(SETTINGS, workers=2).rows(tones(), drawn(), {("tones", 0): trained()})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    expected = rows[rows["model"] != "fresh"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)


def test_models_of_other_windows_stand_side_by_side():
    wide = fitted(epochs=1, steps=1, window=64.0, hop=16.0)
    mixtures = drawn(two=1, three=0)
    settings = Separate(bases=0, restarts=2, workers=1)
    both = settings.rows(tones(), mixtures, {("tones", 0): trained(), ("wide", 0): wide})
    alone = settings.rows(tones(), mixtures, {("wide", 0): wide})
    pd.testing.assert_frame_equal(*(r[r["model"] == "wide"].reset_index(drop=True) for r in (both, alone)))
    assert (both["model"] == "tones").sum() == (both["model"] == "wide").sum() > 0


def test_a_source_without_a_sound_has_no_score():
    corpus = tones()
    corpus.samples = corpus.samples.copy()
    mixtures = drawn(two=1, three=0).iloc[:1]
    silent = corpus.utterances.set_index("utterance").loc[mixtures["utterances"].iloc[0][0]]
    corpus.samples[silent["start"] : silent["start"] + silent["length"]] = 0
    found = Separate(bases=0, restarts=2, workers=1).rows(corpus, mixtures, {("tones", 0): trained()})
    without = found["source"] == silent["speaker"]
    assert found.loc[without, "sdr_improvement"].isna().all() and found.loc[~without, "sdr_improvement"].notna().all()


def test_unknown_genders_make_no_part_and_instruments_do():
    settings = Separate(bases=0, restarts=2, workers=1)
    unknown = tones("muff")
    assert set(settings.rows(unknown, draw(unknown, two=2, three=0, seconds=0.5), {})["part"]) <= {"", "ff", "fm"}
    pieces = music(3, ("piano", "cello"), part="open", n=3000)
    found = settings.rows(pieces, draw(pieces, two=2, three=0, sets=["open"]), {})
    assert (found["part"] == found["source"]).all() and set(found["part"]) == {"piano", "cello"}


def test_segments_and_vectors_are_the_settings():
    mixtures = drawn(two=1, three=0).iloc[:1]
    seen = []

    class Watched:
        stft_, device, k, silence_db = trained().stft_, "cpu", 4, 40.0

        def embed(self, spectrum, segments=None):
            seen.append(segments)
            return trained().embed(spectrum, segments)

        def count(self, v, active):
            return trained().count(v, active)

    for segments in ("whole", 20):
        Separate(segments=segments, bases=0, restarts=1, workers=1).rows(tones(), mixtures, {("x", 0): Watched()})
    assert seen == [None, 20]
    row = next(mixtures.itertuples())
    mixture = Mixture.of(tones(), row, Stft())
    v = trained().embed(mixture.spectrum)
    for vectors in ("sources", 1, 4, 100):  # more than the embedding has are as many as it has
        found = Separate(vectors=vectors, restarts=1).masks(v, mixture)["spectral"]
        assert found.shape == (2, *mixture.spectrum.shape)
    all_of_them, none = (Separate(inactive=each).masks(v, mixture)["global"] for each in ("all", "none"))
    assert (all_of_them.sum(0) == torch.where(mixture.active, 1, 2)).all()
    assert (none.sum(0) == mixture.active).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": "all"}, r"Separate\.segments = 'all': .*'whole'"),
        ({"segments": 0}, r"Separate\.segments = 0"),
        ({"inactive": "some"}, r"Separate\.inactive = 'some': 'all' or 'none'"),
        ({"restarts": 0}, r"Separate\.restarts = 0"),
        ({"bases": -1}, r"Separate\.bases = -1"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        validate(Separate(**changes))
