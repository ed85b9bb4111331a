"""The mixing laws against published ones, the fixed mixtures, and those drawn in training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from corpus_fixture import corpus, heard, music
from device_fixture import device
from scipy.signal import resample_poly

from audioclust.separation import mixtures
from audioclust.separation.corpus import Corpus, split
from audioclust.separation.levels import active_level
from audioclust.separation.mixer import Mixer

GOLDEN = Path(__file__).parents[1] / "golden"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The laws.


@pytest.mark.parametrize("length", ["min", "max"])
def test_mixtures_are_those_of_pywsj0_mix(length):
    golden = np.load(GOLDEN / "wsj0mix.npz")  # generate_wsjmix.py of mpariente/pywsj0-mix on two made-up recordings
    sources = [resample_poly(golden[f"source16k_{i}"].astype(np.float32) / 32768, 8000, 16000) for i in (0, 1)]
    mixture, scaled = mixtures.mix(sources, golden["snr_db"], golden["activlev"], length)
    assert mixture.dtype == scaled.dtype == np.int16
    for ours, theirs in ((mixture, golden[f"{length}_mix"]), (scaled, golden[f"{length}_src"])):
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_sums_are_those_of_librimix():
    golden = np.load(GOLDEN / "librimix.npz")  # functions of create_librimix_from_metadata.py of JorisCos/LibriMix
    sources = [resample_poly(golden[name], 8000, 16000) for name in ("s1", "s2")]
    mixture, scaled = mixtures.add(sources, golden["gains"][:2], "min")
    np.testing.assert_allclose(scaled, [golden["out_s1"], golden["out_s2"]], atol=1e-6)
    np.testing.assert_allclose(mixture, golden["mix_clean"], atol=1e-6)


def test_a_sum_is_padded_to_the_longest():
    mixture, scaled = mixtures.add([np.ones(3), np.ones(5)], [1.0, 2.0], "max")
    assert mixture.tolist() == [3, 3, 3, 2, 2]
    assert scaled[0].tolist() == [1, 1, 1, 0, 0]


def test_a_mixture_that_fits_is_not_raised_and_one_that_clips_is_lowered():
    quiet, _ = mixtures.mix([np.full(8, 0.1), np.full(8, 0.2)], [0, 0], [1, 1])
    assert set(quiet) == {round(0.3 * 0.9 * 32768)}
    loud, _ = mixtures.mix([np.full(8, 3.0), np.full(8, 1.0)], [0, 0], [1, 1])
    assert set(loud) == {round(0.9 * 32768)}


@pytest.mark.parametrize(
    ("sources", "levels", "message"),
    [
        ([np.ones(4), np.array([1, np.nan, 1, 1])], [1, 1], "source 2 of 2 holds samples that are NaN"),
        ([np.zeros(4), np.ones(4)], [0, 1], "source 1 of 2 has level 0: it must be above 0"),
    ],
)
def test_what_cannot_be_mixed_is_named(sources, levels, message):
    with pytest.raises(ValueError, match=message):
        mixtures.mix(sources, [0, 0], levels)


def test_gains_of_a_pair_are_opposite_and_an_odd_source_has_none():
    assert mixtures.gain_pattern(2).tolist() == [[1], [-1]]
    assert mixtures.gain_pattern(3).tolist() == [[1, 0], [-1, 0], [0, 0]]


# Levels.


def test_the_active_level_is_that_of_the_signal_without_its_pauses():
    speech = 0.1 * np.random.default_rng(0).standard_normal(16000)
    paused = np.concatenate([speech, np.zeros(32000), speech, np.zeros(16000)])
    level, whole = active_level(paused, 8000), np.mean(paused**2)
    assert 10 * np.log10(level / 0.01) == pytest.approx(0, abs=0.6)  # 0.2 s of hangover after each
    assert 10 * np.log10(whole / 0.01) < -3.5


def test_activity_lasts_for_a_fifth_of_a_second_after_a_sound():
    burst, silence = 0.1 * np.random.default_rng(0).standard_normal(4000), np.zeros(8000)
    at_the_start = active_level(np.concatenate([burst, silence]), 8000)
    at_the_end = active_level(np.concatenate([silence, burst]), 8000)
    # Two stages of 30 ms fall from 0.8 to 0.13 (the threshold, re the burst) in 100 ms and rise to 0.16 in 25 ms.
    assert at_the_end / at_the_start == pytest.approx((0.5 + 0.1 + 0.2) / (0.5 - 0.025), rel=0.1)


def test_the_active_level_scales_and_silence_has_none():
    x = np.random.default_rng(0).standard_normal(8000) * np.linspace(0, 1, 8000) ** 3
    assert active_level(0.01 * x, 8000) == pytest.approx(1e-4 * active_level(x, 8000), rel=1e-9)
    assert active_level(np.zeros(8000), 8000) == 0


# Parts.


def test_speakers_are_divided_in_proportion_of_their_genders():
    table = split(
        corpus("m" * 12 + "f" * 4).utterances.assign(part=""), 8000, open_share=0.25, closed_share=0.5, seed=3
    )
    chosen = table[table["part"] == "open"].groupby("speaker")["gender"].first()
    assert sorted(chosen) == ["f", "m", "m", "m"]
    rest = table[~table["speaker"].isin(chosen.index)]
    assert rest.groupby("speaker")["part"].agg(set).map(len).eq(2).all()  # one utterance is trained on, one is not
    assert len(rest) == 24
    others = split(
        corpus("m" * 12 + "f" * 4).utterances.assign(part=""), 8000, open_share=0.25, closed_share=0.5, seed=4
    )
    assert set(others["speaker"][others["part"] == "open"]) != {*chosen.index}


def test_the_end_of_an_only_utterance_is_closed():
    table = split(corpus("mf", lengths=(80_000,)).utterances, 8000, open_share=0, closed_share=0.1, seed=0)
    train, closed = (table[table["part"] == part].set_index("speaker") for part in ("train", "closed"))
    assert (train["length"] == 56_000).all() and (closed["length"] == 24_000).all()  # 3 s
    assert (closed["start"] == train["start"] + train["length"]).all()
    short = split(corpus("mf", lengths=(30_001,)).utterances, 8000, open_share=0, closed_share=0.1, seed=0)
    assert sorted(short["length"]) == [15_000, 15_000, 15_001, 15_001]
    assert table["utterance"].is_unique


def test_what_a_corpus_calls_open_is_the_open_part():
    given = corpus("mmff").utterances.assign(part=["open", "", *[""] * 6])
    table = split(given, 8000, open_share=0.5, closed_share=0.1, seed=0)
    assert set(table["speaker"][table["part"] == "open"]) == {"s0"}


def test_pieces_are_divided_and_their_ends_are_closed():
    given = music(8, ("piano", "cello")).utterances.assign(part="")
    table = split(given, 8000, open_share=0.25, closed_share=0.25, seed=0)
    parts = table.groupby("piece")["part"].agg(lambda parts: tuple(sorted(parts)))
    assert parts.value_counts().to_dict() == {("closed", "closed", "train", "train"): 5, ("open", "open"): 3}
    assert set(table["length"][table["part"] == "closed"]) == {2000}


def test_one_speaker_makes_no_corpus():
    with pytest.raises(ValueError, match=r"1 speakers \(s0\): a mixture needs 2; add others"):
        split(corpus("m").utterances, 8000, open_share=0.2, closed_share=0.1, seed=0)


# Files.


def test_a_corpus_comes_back_from_its_files_and_they_are_the_same_bytes(tmp_path):
    given = corpus("mmf", "open")
    given.utterances.loc[0, "utterance"] = 'a "b", c'
    given.utterances["level"] = np.linspace(0.1, 0.2, 6)
    given.rejected = pd.DataFrame({"path": ["x.wav"], "reason": ["silent"], "detail": ["all samples are zero"]})
    given.tests = mixtures.tests(given, two=3, three=1, sets=("open",))
    given.save(tmp_path / "a")
    found = Corpus.load(tmp_path / "a")
    assert isinstance(found.samples, np.memmap) and np.array_equal(found.samples, given.samples)
    for name in ("utterances", "rejected", "tests"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(given, name), check_dtype=False)
    assert found.rate == 8000
    found.save(tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_corpus_without_published_mixtures_has_none(tmp_path):
    corpus("mf").save(tmp_path)
    assert Corpus.load(tmp_path).tests is None


# Fixed mixtures.


def both() -> Corpus:
    """Speakers s0 to s5 closed, and again as s6 to s11 open."""
    given = corpus("mmmfff" * 2)
    given.utterances["part"] = ["closed"] * 12 + ["open"] * 12
    return given


def test_tests_take_turns_among_the_pairs_of_genders():
    table = mixtures.tests(both(), two=30, three=8, seconds=0.5)
    counts = table.groupby(["set", "count", "genders"]).size().to_dict()
    pairs, trios = {"ff": 10, "fm": 10, "mm": 10}, {"fff": 2, "ffm": 2, "fmm": 2, "mmm": 2}
    for name in ("closed", "open"):
        assert {g: n for (s, c, g), n in counts.items() if (s, c) == (name, 2)} == pairs
        assert {g: n for (s, c, g), n in counts.items() if (s, c) == (name, 3)} == trios


def test_tests_mix_different_speakers_of_their_set():
    given = both()
    table = mixtures.tests(given, two=30, three=20, seconds=0.5)
    assert table["mixture"].is_unique
    part, gender = (given.utterances.set_index("utterance")[name] for name in ("part", "gender"))
    for row in table.itertuples():
        assert len({name.split("-")[0] for name in row.utterances}) == row.count
        assert {part[name] for name in row.utterances} == {row.set}
        assert "".join(sorted(gender[name] for name in row.utterances)) == row.genders
        assert row.samples == 4000
    gains = np.stack(table["gains_db"][table["count"] == 2])
    assert (gains[:, 0] == -gains[:, 1]).all() and gains[:, 0].min() >= 0 and 2 < gains[:, 0].max() <= 2.5
    louder = [name for names in table["utterances"][table["genders"] == "fm"] for name in names[:1]]
    assert {gender[name] for name in louder} == {"m", "f"}  # the louder one is not always a man


def test_tests_are_a_function_of_the_seed():
    one, two, three = (mixtures.tests(both(), two=10, three=5, seconds=0.5, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, two)
    assert one["starts"].tolist() != three["starts"].tolist()


def test_another_number_of_trios_changes_no_pair():
    few, many = (mixtures.tests(both(), two=5, three=three) for three in (0, 9))
    pd.testing.assert_frame_equal(few, many[many["count"] == 2].reset_index(drop=True))


@pytest.mark.parametrize("length", ["min", "max"])
def test_a_rendered_mixture_holds_its_sources(length):
    given = both()
    for row in mixtures.tests(given, two=6, three=3, length=length).itertuples():
        mixture, sources = mixtures.render(given, row)
        assert mixture.dtype == sources.dtype == np.float32
        assert sources.shape == (row.count, row.samples) and mixture.shape == (row.samples,)
        assert np.abs(mixture - sources.sum(axis=0)).max() <= row.count / 32768
        assert [f"s{number}" for number in heard(sources[:, :4000])] == [name.split("-")[0] for name in row.utterances]
        power = 10 * np.log10((sources[:, :4000].astype(float) ** 2).mean(axis=1))
        np.testing.assert_allclose(power - power[-1], np.array(row.gains_db) - row.gains_db[-1], atol=0.05)
        again, _ = mixtures.render(given, row)
        assert np.array_equal(mixture, again)
    lengths = {row.samples for row in mixtures.tests(given, two=30, three=0, length=length).itertuples()}
    assert lengths == {8000, 16000}


def test_a_cut_starts_where_the_row_says():
    given = music(1, ("piano", "cello"), "open")
    row = mixtures.tests(given, two=1, three=0, sets=("open",), seconds=0.25).iloc[0]
    _, sources = mixtures.render(given, row)
    weights = [10 ** (gain / 20) for gain in row.gains_db]
    first = np.abs(sources[:, :1000] / np.array(weights)[:, None])
    assert np.polyfit(np.arange(1000), first[0], 1)[0] > 0
    begin = first[0] / np.diff(first[0]).mean()
    assert begin[0] == pytest.approx(row.starts[0] + 1, rel=0.01)


def test_music_is_one_piece_at_one_time():
    given = music(3, ("piano", "violin", "cello"), "closed")
    table = mixtures.tests(given, two=12, three=4, seconds=0.25, sets=("closed",))
    for row in table.itertuples():
        pieces, instruments = zip(*(name.split("/") for name in row.utterances), strict=True)
        assert len({*pieces}) == 1 and len({*instruments}) == row.count and len({*row.starts}) == 1
    pairs = [tuple(sorted(name.split("/")[1] for name in names)) for names in table["utterances"] if len(names) == 2]
    assert {pair: pairs.count(pair) for pair in pairs} == {
        ("cello", "piano"): 4, ("cello", "violin"): 4, ("piano", "violin"): 4,
    }  # fmt: skip
    assert set(table["genders"]) == {""}


def test_one_gender_alone_is_mixed_with_itself_and_an_unknown_one_is_said():
    assert set(mixtures.tests(corpus("mmm", "open"), two=4, three=1, sets=("open",))["genders"]) == {"mm", "mmm"}
    assert set(mixtures.tests(corpus("uum", "open"), two=9, three=0, sets=("open",))["genders"]) == {""}


@pytest.mark.parametrize(("given", "what", "have"), [
    (corpus("mm", "open"), "3 speakers", 2), (music(4, ("piano", "cello"), "open"), "3 instruments of one piece", 2),
])  # fmt: skip
def test_a_set_of_too_few_speakers_is_named(given, what, have):
    with pytest.raises(ValueError, match=rf"sources need {what}, and the open set has {have}: .* raise open_share"):
        mixtures.tests(given, two=1, three=1, sets=("open",))


def test_an_empty_set_is_named():
    with pytest.raises(ValueError, match="the closed set has 0"):
        mixtures.tests(corpus("mm", "open"), two=1, three=0)


def half_silent(number: int, n: int) -> np.ndarray:
    x = np.full(n, 6000, np.int16)
    x[: n // 2] = 0
    return x


def test_a_cut_that_is_silent_in_a_source_is_drawn_again():
    given = corpus("mmff", "open", sounds=half_silent)
    table = mixtures.tests(given, two=40, three=0, seconds=0.25, sets=("open",))
    for row in table.itertuples():
        _, sources = mixtures.render(given, row)
        assert ((sources**2).mean(axis=1) > 1e-5).all()


def test_silence_alone_is_named():
    silent = corpus("mm", "open", sounds=lambda number, n: np.zeros(n, np.int16))
    with pytest.raises(ValueError, match=r"50 draws of a mixture of 2 sources .* nearly silent .* remove silent"):
        mixtures.tests(silent, two=1, three=0, sets=("open",))


def test_an_utterance_that_is_gone_is_named():
    given = both()
    row = mixtures.tests(given, two=1, three=0).iloc[0]
    gone = replace(given, utterances=given.utterances[~given.utterances["utterance"].isin(row["utterances"])])
    with pytest.raises(ValueError, match="the corpus holds no utterance 's"):
        mixtures.render(gone, row)


# Training mixtures.


def test_training_mixtures_are_the_generators():
    mixer = Mixer(corpus("mmff"))
    source = generator()
    first, state = mixer.draw(4, 2000, source), source.get_state()
    second = mixer.draw(4, 2000, source)
    again = mixer.draw(4, 2000, generator())
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], second[0])
    assert torch.equal(second[0], Mixer(corpus("mmff")).draw(4, 2000, generator().set_state(state))[0])


def test_training_mixtures_are_sums_within_full_scale():
    mixture, sources = Mixer(corpus("mmff"), 3).draw(16, 2000, generator())
    assert mixture.dtype == sources.dtype == torch.float32
    assert mixture.shape == (16, 2000) and sources.shape == (16, 3, 2000)
    torch.testing.assert_close(mixture, sources.sum(dim=1), atol=1e-6, rtol=0)
    loudest = torch.maximum(mixture.abs().amax(dim=1), sources.abs().amax(dim=(1, 2)))
    torch.testing.assert_close(loudest, torch.full((16,), 0.9))


def test_a_quiet_cut_stays_quiet():
    given = corpus("mm", sounds=lambda number, n: np.round(np.linspace(100, 8000, n)).astype(np.int16))
    given.utterances["level"] = 3e-6  # so that every cut would exceed full scale
    mixture, sources = Mixer(given).draw(200, 200, generator())
    assert float(mixture.abs().max()) <= 0.9 + 1e-6
    assert float(sources.abs().amax(dim=(1, 2)).min()) < 0.3


def test_a_training_mixture_is_what_the_law_makes_of_its_cuts():
    given = corpus("mmff")
    _, sources = Mixer(given).draw(1, 2000, generator())
    power = sources[0].square().mean(dim=1)
    gain = float(5 * torch.log10(power[0] / power[1]))
    again, scaled = mixtures.mix(sources[0].numpy() / power.sqrt()[:, None].numpy(), [gain, -gain], [1, 1])
    np.testing.assert_allclose(scaled / 32768, sources[0], atol=2 / 32768)
    assert np.abs(again).max() <= round(0.9 * 32768)


def test_only_the_training_part_is_drawn():
    given = both()
    given.utterances.loc[given.utterances["speaker"].isin(["s1", "s4", "s7"]), "part"] = "train"
    _, sources = Mixer(given).draw(64, 4000, generator())
    assert {*heard(sources.numpy()).ravel()} == {1, 4, 7}


def test_speakers_differ_and_are_drawn_alike_whatever_they_have():
    given = corpus("mmmmm", lengths=(4000, 4000, 4000))
    kept = given.utterances["speaker"].ne("s0") | given.utterances["utterance"].eq("s0-0")  # s0 has one of three
    _, sources = Mixer(replace(given, utterances=given.utterances[kept]), 3).draw(1000, 1000, generator())
    found = heard(sources.numpy())
    assert all(len({*row}) == 3 for row in found)
    assert np.bincount(found.ravel()) == pytest.approx(600, rel=0.1)


def test_utterances_are_drawn_by_their_length():
    rows = corpus("mm", lengths=(30_000, 10_000))
    places = Mixer(rows)._utterances(4000, generator()).flatten()
    assert torch.bincount(places).div(4000).tolist() == pytest.approx([0.75, 0.25, 0.75, 0.25], abs=0.03)


@pytest.mark.parametrize("sources", [2, 3])
def test_balanced_pairs_come_equally_often(sources):
    given = corpus("mmmmmmmmmfff")
    _, drawn = Mixer(given, sources, "balanced").draw(1200, 1000, generator())
    men = (heard(drawn.numpy()) < 9).sum(axis=1)
    share = np.bincount(men, minlength=sources + 1) / 1200
    expected = {2: [1 / 3] * 3, 3: [1 / 4] * 4}[sources]
    assert share == pytest.approx(expected, abs=0.05)
    mixed = heard(drawn.numpy())[men == 1]
    assert ((mixed < 9).argmax(axis=1) == 0).mean() == pytest.approx(1 / sources, abs=0.1)  # he is any of them


def test_female_pairs_are_women():
    _, sources = Mixer(corpus("mfmfufm"), pairs="female").draw(100, 1000, generator())
    assert {*heard(sources.numpy()).ravel()} == {1, 3, 5}


@pytest.mark.parametrize(("genders", "pairs", "sources", "message"), [
    ("m", "all", 2, "2 sources need 2 speakers, and here are men: 1, women: 0"),
    ("mmf", "all", 4, "4 sources need 4 speakers"),
    ("mmmf", "female", 2, "need 2 women, .* women: 1, .*; add speakers, or choose mixtures.pairs = all"),
    ("mmmf", "balanced", 2, "pairs = balanced: .* need 2 men and as many women, .* or choose mixtures.pairs = all"),
    ("uuuu", "balanced", 2, "men: 0, women: 0, of unknown gender: 4"),
    ("mmff", "male", 2, "pairs = 'male': choose one of all, balanced, female"),
    ("mmff", "all", 1, "sources = 1: a mixture needs 2"),
])  # fmt: skip
def test_too_few_speakers_to_train_on_are_named(genders, pairs, sources, message):
    with pytest.raises(ValueError, match=message):
        Mixer(corpus(genders), sources, pairs)


def test_relative_levels_are_uniform_between_0_and_5_db():
    _, sources = Mixer(corpus("mmff")).draw(500, 4000, generator())
    power = 10 * torch.log10(sources.square().mean(dim=2))
    apart = power[:, 0] - power[:, 1]
    assert float(apart.min()) > -0.1 and float(apart.max()) < 5.1
    assert float(apart.mean()) == pytest.approx(2.5, abs=0.25)


def test_the_level_of_an_utterance_is_levelled():
    given = corpus("mm")
    loud = given.utterances["speaker"] == "s0"
    given.samples = given.samples.copy()
    given.samples[: int(given.utterances["length"][loud].sum())] //= 8
    given.utterances.loc[loud, "level"] /= 64
    _, sources = Mixer(given).draw(100, 4000, generator())
    power = 10 * torch.log10(sources.square().mean(dim=2))
    assert float((power[:, 0] - power[:, 1]).abs().max()) < 5.1


def test_a_short_utterance_is_padded_at_a_random_offset():
    given = corpus("mm", lengths=(400,), sounds=lambda number, n: np.full(n, 6000, np.int16))
    _, sources = Mixer(given).draw(200, 1000, generator())
    filled = (sources != 0).sum(dim=2)
    assert (filled == 400).all()
    first = (sources != 0).to(torch.uint8).argmax(dim=2)
    assert int(first.min()) < 20 and int(first.max()) > 580
    assert (first[:, 0] != first[:, 1]).any()


def test_a_cut_never_reaches_into_the_next_utterance():
    given = corpus("mmmm", lengths=(3000,))
    _, sources = Mixer(given).draw(200, 2999, generator())
    spectra = np.abs(np.fft.rfft(sources.numpy() * np.hanning(2999)))
    assert (np.sort(spectra, axis=-1)[..., -20] / spectra.max(axis=-1) < 0.02).all()  # one tone


def test_a_cut_is_read_at_another_speed():
    given = corpus("mmmm", lengths=(3000,))
    _, sources = Mixer(given, speed=0.2).draw(400, 2400, generator())
    _, natural = Mixer(given).draw(400, 2400, generator())  # of the same speakers
    spectra, recorded = (np.abs(np.fft.rfft(x.numpy() * np.hanning(2400))) for x in (sources, natural))
    speeds = spectra.argmax(axis=-1) / recorded.argmax(axis=-1)
    assert 1 / 1.24 < speeds.min() < 1 / 1.16 and 1.16 < speeds.max() < 1.24  # bins are a sixtieth apart
    assert np.log(speeds).mean() == pytest.approx(0, abs=0.02)
    assert np.abs(speeds[:, 0] - speeds[:, 1]).mean() > 0.05  # each cut has its own
    assert (np.sort(spectra, axis=-1)[..., -20] / spectra.max(axis=-1) < 0.02).all()  # one tone still


def test_counting_is_learned_from_cuts_as_recorded():
    _, sources = Mixer(corpus("mmmm"), speed=0.2).of(3).draw(4, 1000, generator())
    assert torch.equal(sources, Mixer(corpus("mmmm"), 3).draw(4, 1000, generator())[1])


def test_nearly_silent_cuts_are_rare():
    mixer = Mixer(corpus("mm", sounds=half_silent))
    _, sources = mixer.draw(2000, 100, generator())
    silent = (sources.square().mean(dim=2) < 1e-6).float().mean()
    assert 0.02 < float(silent) < 0.12  # half of the samples are; four candidates are tried


def test_equal_sources_are_mixed_as_they_are():
    mixture, sources = Mixer(corpus("mm", sounds=lambda number, n: np.full(n, 900, np.int16))).draw(2, 100, generator())
    assert torch.isfinite(mixture).all() and torch.isfinite(sources).all()


def beginnings(sources: torch.Tensor) -> np.ndarray:
    """Return the value of the first sample of each ramp: 10,000 times its piece and its moment."""
    x = sources.abs().double().numpy()
    return np.round(x[..., 0] * (x.shape[-1] - 1) / (x[..., -1] - x[..., 0]))


def test_aligned_music_is_one_piece_at_one_time():
    mixer = Mixer(music(3, ("piano", "cello")), aligned=1.0)
    _, sources = mixer.draw(200, 1000, generator())
    first = beginnings(sources)
    np.testing.assert_allclose(first[:, 0], first[:, 1], atol=5)
    assert {*np.floor(first[:, 0] / 10_000)} == {0, 1, 2}
    assert ((sources[:, 0, 0] > 0) != (sources[:, 1, 0] > 0)).all()  # two instruments


def test_aligned_music_has_one_speed():
    _, sources = Mixer(music(3, ("piano", "cello")), aligned=1.0, speed=0.2).draw(200, 800, generator())
    first = beginnings(sources)
    np.testing.assert_allclose(first[:, 0], first[:, 1], atol=20)


def test_aligned_music_stays_so_where_one_instrument_pauses():
    given = music(1, ("piano", "cello"))
    given.samples[:4000] = 0  # the first half of the piano
    _, sources = Mixer(given, aligned=1.0).draw(200, 1000, generator())
    heard_all = sources.abs().amin(dim=2).gt(0).all(dim=1)
    first = beginnings(sources[heard_all])
    np.testing.assert_allclose(first[:, 0], first[:, 1], atol=5)
    pauses = sources[:, 0].abs().amax(dim=1).eq(0) | sources[:, 1].abs().amax(dim=1).eq(0)
    assert 0 < int(pauses.sum()) < 40  # 43 % of the moments are pauses; four candidates are tried


def test_music_that_is_not_aligned_is_of_any_piece_and_time():
    mixer = Mixer(music(3, ("piano", "cello")), aligned=0.0)
    _, sources = mixer.draw(200, 1000, generator())
    first = beginnings(sources)
    assert np.mean(np.floor(first[:, 0] / 10_000) == np.floor(first[:, 1] / 10_000)) < 0.5
    assert ((sources[:, 0, 0] > 0) != (sources[:, 1, 0] > 0)).all()


def test_a_share_of_the_music_is_aligned():
    _, sources = Mixer(music(3, ("piano", "cello")), aligned=0.5).draw(400, 1000, generator())
    first = beginnings(sources)
    assert np.mean(np.abs(first[:, 0] - first[:, 1]) < 5) == pytest.approx(0.5, abs=0.08)


def test_a_piece_without_an_instrument_is_never_aligned():
    given = music(2, ("piano", "cello"))
    given.utterances = given.utterances[given.utterances["utterance"] != "p0/cello"]
    _, sources = Mixer(given, aligned=1.0).draw(50, 1000, generator())
    assert {*np.floor(beginnings(sources).ravel() / 10_000)} == {1}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_draws_the_same_mixtures():
    there = Mixer(corpus("mmff"), device="cuda").draw(4, 2000, generator())[0]
    torch.testing.assert_close(there.cpu(), Mixer(corpus("mmff")).draw(4, 2000, generator())[0], atol=1e-6, rtol=0)


def test_another_part_can_be_drawn():
    mixer = Mixer(both(), part="closed")
    assert mixer.rate == 8000
    assert {*heard(mixer.draw(64, 1000, generator())[1].numpy()).ravel()} == {0, 1, 2, 3, 4, 5}


def test_all_of_a_draw_is_on_the_device():
    given = corpus("mmmfff", lengths=(500,))
    expected = Mixer(given, 3, "balanced").draw(2, 100, generator())
    with device() as there:
        found = Mixer(given, 3, "balanced", there).draw(2, 100, generator())
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.device.type == there and torch.equal(ours.inner, theirs)
