"""Corpora: what each makes of its layout, and of recordings that cannot be used."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from tqdm import tqdm

from audioclust import registry
from audioclust.parameters import required, types
from audioclust.separation import mixtures
from audioclust.separation.corpora.instruments import Instruments
from audioclust.separation.corpora.librimix import LibriMix
from audioclust.separation.corpora.speakers import Speakers
from audioclust.separation.corpora.stems import Stems
from audioclust.separation.corpora.voices import Voices
from audioclust.separation.corpora.wsj0 import WSJ0
from audioclust.separation.corpus import COLUMNS, PARTS
from audioclust.separation.levels import active_level

NAMES = registry.names("separation.corpora")
SMALL = Voices(men=3, women=2, utterances=2, seconds=1.0, open_share=0.0, closed_share=0.5)


def noise(name: str, seconds: float = 1.0, rate: int = 8000) -> np.ndarray:
    """Noise (n,), seeded by a name."""
    return np.random.default_rng(list(name.encode())).uniform(-0.5, 0.5, round(seconds * rate))


def write(path: Path, x: np.ndarray | None = None, rate: int = 8000, subtype: str = "PCM_16") -> np.ndarray:
    """Write a recording, by default a second of noise; return its samples, full scale at 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(path.name, rate=rate) if x is None else x, rate, subtype)
    return soundfile.read(path)[0]


def sound(corpus, name: str) -> np.ndarray:
    """Return the samples of the utterance of a name, full scale at 1."""
    return corpus.signal(corpus.utterances.set_index("utterance").loc[name])


@pytest.fixture(scope="module", autouse=True)
def no_monitor():
    """Keep this process at one thread, so that workers are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tqdm, "monitor_interval", 0)
        yield


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_is_a_dataclass_that_needs_no_parameters(name):
    kind = registry.get("separation.corpora", name)
    assert dataclasses.is_dataclass(kind) and required(kind) == []
    assert types(kind)["seed" if name != "wsj0" else "lists"]
    assert kind.__doc__ and callable(kind.read)


# Embedded.


@pytest.fixture(scope="module")
def voices():
    return SMALL.read(Path("nowhere"), 8000, 1)


@pytest.fixture(scope="module")
def trio():
    return Instruments(pieces=4, seconds=4.0).read(Path("nowhere"), 8000, 1)


def test_rows_follow_each_other_and_cover_the_samples(voices, trio):
    for corpus in (voices, trio):
        rows = corpus.utterances.sort_values("start")
        assert list(rows.columns) == COLUMNS
        assert (rows["start"].to_numpy()[1:] == (rows["start"] + rows["length"]).to_numpy()[:-1]).all()
        assert int(rows["length"].sum()) == len(corpus.samples) and rows["start"].iloc[0] == 0
        assert corpus.samples.dtype == np.int16 and rows["utterance"].is_unique
        assert set(rows["part"]) <= {*PARTS}


def test_voices_are_men_and_women(voices):
    speakers = voices.utterances.groupby("speaker")["gender"].first()
    assert speakers.to_dict() == {"f00": "f", "f01": "f", "m00": "m", "m01": "m", "m02": "m"}
    assert voices.utterances["length"].between(6000, 12000).all()
    assert voices.utterances.groupby("speaker")["part"].agg("+".join).isin(["closed+train", "train+closed"]).all()


@pytest.mark.parametrize("kind", [SMALL, Instruments(pieces=2, seconds=2.0, open_share=0.0)])
def test_embedded_corpora_are_the_same_bytes_whatever_the_workers(kind):
    one, two = kind.read(Path("nowhere"), 8000, 1), kind.read(Path("nowhere"), 8000, 2)
    assert np.array_equal(one.samples, two.samples) and one.utterances.equals(two.utterances)
    other = dataclasses.replace(kind, seed=1).read(Path("nowhere"), 8000, 1)
    assert not np.array_equal(one.samples[:2000], other.samples[:2000])


def test_more_voices_do_not_change_those_there_are(voices):
    more = dataclasses.replace(SMALL, men=4).read(Path("nowhere"), 8000, 1)
    for name in voices.utterances["utterance"]:
        assert np.array_equal(sound(voices, name), sound(more, name))


def test_embedded_corpora_have_any_rate():
    corpus = dataclasses.replace(SMALL, men=1, women=1).read(Path("nowhere"), 16000, 1)
    assert corpus.rate == 16000 and corpus.utterances["length"].between(12000, 24000).all()


def test_a_trio_has_whole_pieces_and_their_ends(trio):
    rows = trio.utterances
    assert set(rows["speaker"]) == {"piano", "violin", "cello"} and set(rows["gender"]) == {""}
    assert rows.groupby(["piece", "part"])["length"].agg(lambda lengths: lengths.nunique()).eq(1).all()
    train = rows[rows["part"] == "train"]["length"].iloc[0]
    assert train == 24_000 and (rows["length"][rows["part"] == "closed"] == 8_000).all()


def test_levels_are_active_levels(voices):
    for row in voices.utterances.itertuples():
        assert row.level == pytest.approx(active_level(voices.signal(row), 8000), rel=1e-5)


@pytest.mark.parametrize(("kind", "message"), [
    (Voices(men=1, women=0), "1 speakers"), (Voices(utterances=0), "Voices.utterances = 0"),
    (Instruments(pieces=1), "Instruments.pieces = 1"), (Voices(open_share=1.0), "Voices.open_share = 1.0"),
])  # fmt: skip
def test_parameters_are_checked(kind, message):
    with pytest.raises(ValueError, match=message):
        kind.read(Path("nowhere"), 8000, 1)


# Speakers of a data set.


def test_a_folder_of_speakers(tmp_path):
    for name in ("anna/1.wav", "anna/2.wav", "bert/1.wav", "carl/deep/1.wav", "dora/1.wav"):
        write(tmp_path / name, noise(name))
    corpus = Speakers("folder", open_share=0.0).read(tmp_path, 8000, 1)
    rows = corpus.utterances.set_index("utterance")
    assert rows["speaker"].to_dict()["carl/deep/1.wav"] == "carl"
    assert sorted(rows["part"][rows["speaker"] == "anna"]) == ["closed", "train"]
    np.testing.assert_allclose(sound(corpus, "anna/2.wav"), noise("anna/2.wav"), atol=1.1 / 32768)


def test_rates_in_one_folder_may_differ(tmp_path):
    tone = {rate: 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate) for rate in (8000, 16000, 44100)}
    for place, (rate, x) in enumerate(tone.items()):
        write(tmp_path / f"s{place}/a.wav", x * 0.9**place, rate)
    corpus = Speakers("folder", open_share=0.0, closed_share=0.0).read(tmp_path, 8000, 1)
    for place in range(3):
        x = sound(corpus, f"s{place}/a.wav")
        assert len(x) == 8000
        np.testing.assert_allclose(x[200:-200], 0.9**place * tone[8000][200:-200], atol=2e-3)


def test_what_cannot_be_used_is_listed(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}/good.wav", noise(name))
    broken = noise("c")
    broken[100] = np.nan
    write(tmp_path / "a/nan.wav", broken, subtype="FLOAT")
    write(tmp_path / "a/silent.wav", np.zeros(8000))
    write(tmp_path / "a/short.wav", noise("short", 0.4))
    write(tmp_path / "b/copy.wav", noise("a"))
    (tmp_path / "b/text.wav").write_text("no recording")
    (tmp_path / "b/empty.wav").touch()
    corpus = Speakers("folder", open_share=0.0).read(tmp_path, 8000, 1)
    assert corpus.rejected.set_index("path")["reason"].to_dict() == {
        "a/nan.wav": "not finite", "a/short.wav": "too short", "a/silent.wav": "silent", "b/copy.wav": "copy",
        "b/text.wav": "unreadable", "b/empty.wav": "empty",
    }  # fmt: skip
    assert corpus.rejected.set_index("path")["detail"]["b/copy.wav"] == "the same samples as a/good.wav"
    assert corpus.rejected.set_index("path")["detail"]["a/short.wav"] == "0.400 s; at least 0.5 s"
    assert {*corpus.utterances["utterance"]} == {"a/good.wav", "b/good.wav", "a/good.wav@end", "b/good.wav@end"}


def test_samples_beyond_full_scale_are_scaled_not_cut(tmp_path):
    loud, cut, faint = 6 * noise("loud"), np.clip(4 * noise("cut"), -1, 0.99997), 1e-5 * noise("faint")
    for name, x in (("loud", loud), ("cut", cut), ("faint", faint)):
        write(tmp_path / f"{name}/a.wav", x, subtype="FLOAT")
    corpus = Speakers("folder", open_share=0.0, closed_share=0.0).read(tmp_path, 8000, 1)
    for name, x in (("loud", loud), ("faint", faint)):
        found = sound(corpus, f"{name}/a.wav")
        assert np.corrcoef(found, x)[0, 1] > 0.99999 and 0.2 < np.abs(found).max() < 1
    np.testing.assert_allclose(sound(corpus, "cut/a.wav"), cut, atol=1.1 / 32768)


def test_nothing_usable_names_the_first(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}/x.wav", np.zeros(8000))
    with pytest.raises(
        ValueError, match=r"none of 2 recordings .* the first is 'a/x.wav', silent: all samples are zero"
    ):
        Speakers("folder").read(tmp_path, 8000, 1)


def test_one_speaker_is_named(tmp_path):
    write(tmp_path / "1-2-0001.flac")
    write(tmp_path / "1-2-0002.flac")
    with pytest.raises(ValueError, match=r"1 speakers \(1\): a mixture needs 2"):
        Speakers().read(tmp_path, 8000, 1)


def librispeech(root: Path) -> None:
    """Three readers to train on, two to test; one has two utterances."""
    names = ["train-clean-100/1-10-0000", "train-clean-100/1-10-0001", "train-clean-100/2-10-0000"]
    for name in [*names, "train-clean-100/3/3-10-0000", "test-other/4/4-10-0000", "test-other/5/5-10-0000"]:
        write(root / f"{name}.flac", noise(name, 2.0, 16000), 16000)
    (root / "SPEAKERS.TXT").write_text("".join(f"{i} | {'MF'[i % 2]} | subset | 1 | N\n" for i in range(1, 6)))


def test_subsets_for_testing_are_the_open_part(tmp_path):
    librispeech(tmp_path)
    rows = Speakers().read(tmp_path, 8000, 2).utterances
    parts = rows.groupby("speaker")["part"].agg(lambda parts: "+".join(sorted(parts))).to_dict()
    assert parts == {"1": "closed+train", "2": "closed+train", "3": "closed+train", "4": "open", "5": "open"}
    assert rows.groupby("speaker")["gender"].first().to_dict() == {"1": "f", "2": "m", "3": "f", "4": "m", "5": "f"}
    single = rows[rows["speaker"] == "2"]
    assert sorted(single["length"]) == [8000, 8000]
    drawn = Speakers(open_folders="", open_share=0.4).read(tmp_path, 8000, 1).utterances
    assert drawn["speaker"][drawn["part"] == "open"].nunique() == 2


def test_the_data_set_may_bring_its_own_parameters(tmp_path):
    librispeech(tmp_path)
    source = registry.get("datasets", "librispeech")(subsets=["train-clean-100"])
    rows = Speakers(source=source, open_share=0.0).read(tmp_path, 8000, 1).utterances
    assert set(rows["speaker"]) == {"1", "2", "3"}


def test_short_recordings_of_a_speaker_are_strung_together(tmp_path):
    for speaker in ("theo", "lucas"):
        for take in range(7):
            write(tmp_path / f"recordings/3_{speaker}_{take}.wav", noise(f"{speaker}{take}", 0.3))
    corpus = Speakers("fsdd", join_seconds=0.9, open_share=0.0, closed_share=0.0).read(tmp_path, 8000, 1)
    assert corpus.utterances["length"].tolist() == [7200, 9600, 7200, 9600]  # 3 and 4 takes of each
    assert not len(corpus.rejected)
    named = sound(corpus, "recordings/3_theo_0.wav")
    together = np.concatenate([noise(f"theo{take}", 0.3) for take in range(3)])
    np.testing.assert_allclose(named, together, atol=1.1 / 32768)
    with pytest.raises(ValueError, match=r"too short: 0.300 s; at least 0.5 s"):
        Speakers("fsdd").read(tmp_path, 8000, 1)


def test_a_data_set_without_speakers_is_named(tmp_path):
    class Scenes:
        def recordings(self, root):
            return pd.DataFrame({"path": ["a"], "group": [""], "scene": ["cooking"]})

    with pytest.raises(ValueError, match=r"speakers.dataset = 'scenes': it labels no speaker, only scene; choose"):
        Speakers("scenes", source=Scenes()).read(tmp_path, 8000, 1)


def test_recordings_without_a_speaker_are_listed(tmp_path):
    for name in ("a/1.wav", "b/1.wav", "loose.wav"):
        write(tmp_path / name, noise(name))
    source = registry.get("datasets", "folder")(labels="subfolders")
    corpus = Speakers("folder", source=source, open_share=0.0).read(tmp_path, 8000, 1)
    assert corpus.rejected["path"].tolist() == ["loose.wav"] and corpus.rejected["reason"].tolist() == ["no speaker"]


# WSJ0.

LINES = {
    "2_spk_tr": "wsj0/si_tr_s/01t/01ta.wav 1.2 wsj0/si_tr_s/02b/02ba.wav -1.2\n",
    "2_spk_cv": "wsj0/si_tr_s/01t/01tb.wav 0.5 wsj0/si_tr_s/02b/02bb.wav -0.5\n",
    "2_spk_tt": "wsj0/si_et_05/440/440a.wav 2.1 wsj0/si_et_05/441/441a.wav -2.1\n\n",
    "3_spk_tt": "wsj0/si_et_05/440/440a.wav 2 wsj0/si_et_05/441/441a.wav -2 wsj0/si_et_05/442/442a.wav 0\n",
}


def wsj0(root: Path) -> dict[str, np.ndarray]:
    """The recordings that ``LINES`` names, one with a published level; genders of two speakers."""
    (root / "metadata/activlev").mkdir(parents=True)
    for name, text in LINES.items():
        (root / f"metadata/mix_{name}.txt").write_text(text)
    (root / "metadata/activlev/activlev_tt.txt").write_text("440a 0.004\n")
    (root / "spkrinfo.txt").write_text("; a comment\n440 M x\n441 F x\n01T M\n")
    paths = sorted({field for text in LINES.values() for field in text.split() if field.endswith(".wav")})
    return {path: write(root / path.removeprefix("wsj0/"), noise(path, 1 + i / 10)) for i, path in enumerate(paths)}


def test_wsj0_has_the_published_parts_levels_and_genders(tmp_path):
    wsj0(tmp_path)
    rows = WSJ0().read(tmp_path, 8000, 1).utterances.set_index("utterance")
    assert {name.split("/")[-1]: part for name, part in rows["part"].items()} == {
        "01ta.wav": "train", "02ba.wav": "train", "01tb.wav": "closed", "02bb.wav": "closed",
        "440a.wav": "open", "441a.wav": "open", "442a.wav": "open",
    }  # fmt: skip
    assert rows["level"]["wsj0/si_et_05/440/440a.wav"] == 0.004
    assert rows["level"]["wsj0/si_et_05/441/441a.wav"] == pytest.approx(1 / 12, rel=0.1)
    assert rows.groupby("speaker")["gender"].first().to_dict() == {
        "01t": "m",
        "02b": "",
        "440": "m",
        "441": "f",
        "442": "",
    }


def test_wsj0_mixtures_are_rendered_by_the_published_law(tmp_path):
    sources = wsj0(tmp_path)
    corpus = WSJ0().read(tmp_path, 8000, 1)
    table = corpus.tests
    assert table["mixture"].tolist() == ["01tb_0.5_02bb_-0.5", "440a_2.1_441a_-2.1", "440a_2_441a_-2_442a_0"]
    assert table["set"].tolist() == ["closed", "open", "open"] and table["genders"].tolist() == ["", "fm", ""]
    row = table.iloc[1]
    mixture, scaled = mixtures.render(corpus, row)
    levels = corpus.utterances.set_index("utterance")["level"][row["utterances"]]
    ours, _ = mixtures.mix([sources[name] for name in row["utterances"]], [2.1, -2.1], levels, "min")
    np.testing.assert_array_equal(mixture, ours.astype(np.float32) / 32768)
    assert scaled.shape == (2, min(len(sources[name]) for name in row["utterances"]))


def test_published_mixtures_are_taken_where_there_are_some(tmp_path):
    wsj0(tmp_path)
    corpus = WSJ0().read(tmp_path, 8000, 1)
    table = mixtures.tests(corpus, two=4, three=4, sets=("open",))
    assert table["mixture"].tolist() == ["440a_2.1_441a_-2.1", "440a_2_441a_-2_442a_0"]


def test_wsj0_names_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no mix_2_spk_tr.txt in .*; set wsj0.lists"):
        WSJ0().read(tmp_path, 8000, 1)
    wsj0(tmp_path)
    lost = tmp_path / "si_et_05/440/440a.wav"
    lost.unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 7 recordings .* wsj0/si_et_05/440/440a.wav; set data.root"):
        WSJ0().read(tmp_path, 8000, 1)
    lost.with_suffix(".wv1").touch()
    with pytest.raises(FileNotFoundError, match=r"convert the \*.wv1 files, not \*.wv2, with sph2pipe"):
        WSJ0().read(tmp_path, 8000, 1)


@pytest.mark.parametrize("line", ["a.wav 1.0 b.wav", "a.wav one b.wav -1"])
def test_wsj0_names_a_line_that_is_none(tmp_path, line):
    wsj0(tmp_path)
    (tmp_path / "metadata/mix_2_spk_cv.txt").write_text(line + "\n")
    with pytest.raises(ValueError, match=f"'{line}' is no line of wav1 gain1 wav2 gain2"):
        WSJ0().read(tmp_path, 8000, 1)


# LibriMix.


def librimix(root: Path) -> dict[str, np.ndarray]:
    """A training table, a test table with sexes, and the recordings that they name, with one gain above 1."""
    folder = root / "metadata/Libri2Mix"
    folder.mkdir(parents=True)
    header = "mixture_ID,source_1_path,source_1_gain,source_2_path,source_2_gain,noise_path,noise_gain\n"
    sets = {"train-clean-100": ("1/1/1-1-0000", "2/1/2-1-0000"), "test-clean": ("3/1/3-1-0000", "4/1/4-1-0000"),
            "dev-clean": ("9/1/9-1-0000", "8/1/8-1-0000")}  # fmt: skip
    found = {}
    for subset, (one, two) in sets.items():
        paths = [f"{subset}/{name}.flac" for name in (one, two)]
        (folder / f"libri2mix_{subset}.csv").write_text(f"{header}a_b,{paths[0]},0.7,{paths[1]},1.4,tt/n.wav,1\n")
        if subset != "dev-clean":
            found |= {path: write(root / path, noise(path, 1 + i)) for i, path in enumerate(paths)}
    info = "mixture_ID,speaker_1_ID,speaker_1_sex,speaker_2_ID,speaker_2_sex\na_b,3,F,4,M\n"
    (folder / "libri2mix_test-clean_info.csv").write_text(info)
    return found


def test_librimix_is_mixed_by_its_published_gains(tmp_path):
    sources = librimix(tmp_path)
    corpus = LibriMix().read(tmp_path, 8000, 1)
    parts = corpus.utterances.groupby("speaker")["part"].agg(lambda parts: "+".join(sorted(parts))).to_dict()
    assert parts == {"1": "closed+train", "2": "closed+train", "3": "open", "4": "open"}
    row = corpus.tests.iloc[0]
    assert (row["mixture"], row["set"], row["genders"], row["law"], row["samples"]) == (
        "a_b",
        "open",
        "fm",
        "librimix",
        8000,
    )
    mixture, scaled = mixtures.render(corpus, row)
    one, two = (sources[name][:8000] for name in row["utterances"])
    np.testing.assert_allclose(mixture, 0.7 * one + 1.4 * two, atol=1e-6)
    np.testing.assert_allclose(scaled, [0.7 * one, 1.4 * two], atol=1e-6)


def test_librimix_names_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no libri2mix_train-\*.csv below .*; set librimix.metadata"):
        LibriMix().read(tmp_path, 8000, 1)
    librimix(tmp_path)
    (tmp_path / "test-clean/3/1/3-1-0000.flac").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 4 recordings .* test-clean/3/1/3-1-0000.flac; set data.root"):
        LibriMix().read(tmp_path, 8000, 1)
    (tmp_path / "metadata/Libri2Mix/libri2mix_test-clean.csv").write_text("mixture_ID,path\n")
    with pytest.raises(ValueError, match="no column 'source_1_gain'"):
        LibriMix().read(tmp_path, 8000, 1)


# Stems.

WHOLE = Stems(open_share=0.0, closed_share=0.0)


def test_stems_of_any_piece(tmp_path):
    """As TRIOS has them: a mix beside the stems; a piece of one instrument; stems of other lengths and rates."""
    for piece in ("brahms", "mozart"):
        for name in ("mix", "piano", "violin", "clarinet"):
            write(tmp_path / piece / f"{name}.wav", noise(piece + name, 1.0 + (name == "piano")))
        write(tmp_path / piece / "cello.wav", noise(piece, 1.0, 16000), 16000)
    write(tmp_path / "solo/piano.wav", noise("solo"))
    corpus = WHOLE.read(tmp_path, 8000, 1)
    rows = corpus.utterances
    assert rows.groupby("piece")["speaker"].agg(list).to_dict() == {
        "brahms": ["cello", "piano", "violin"], "mozart": ["cello", "piano", "violin"],
    }  # fmt: skip
    assert set(rows["length"]) == {16000}  # the shorter ones are padded
    violin = sound(corpus, "mozart/violin")
    np.testing.assert_allclose(violin[:8000], noise("mozartviolin"), atol=1.1 / 32768)
    assert not violin[8000:].any()


def test_stems_of_one_instrument_are_summed(tmp_path):
    for name in ("violin1", "violin_2", "cello"):
        write(tmp_path / f"piece/{name}.wav", 0.5 * noise(name))
    corpus = WHOLE.read(tmp_path, 8000, 1)
    np.testing.assert_allclose(
        sound(corpus, "piece/violin"), 0.5 * (noise("violin1") + noise("violin_2")), atol=2.1 / 32768
    )


def test_stems_of_slakh(tmp_path):
    stems = {"S00": ("Acoustic Grand Piano", "Piano"), "S01": ("Cello", "Strings (continued)"),
             "S02": ("Drums", "Drums"), "S03": ("Bright Acoustic Piano", "Piano")}  # fmt: skip
    for track in ("train/Track00001", "train/Track00003", "test/Track00002"):
        content = {k: {"midi_program_name": p, "inst_class": c, "is_drum": False} for k, (p, c) in stems.items()}
        (tmp_path / track).mkdir(parents=True)
        (tmp_path / track / "metadata.yaml").write_text(json.dumps({"UUID": "x", "stems": content}))  # JSON is YAML
        for stem in stems:
            write(tmp_path / track / f"stems/{stem}.flac", 0.5 * noise(track + stem))
        write(tmp_path / track / "mix.flac", noise(track))
    corpus = Stems(closed_share=0.0).read(tmp_path, 8000, 1)
    parts = corpus.utterances.set_index("utterance")["part"].to_dict()
    expected = {"train/Track00001": "train", "train/Track00003": "train", "test/Track00002": "open"}
    assert parts == {f"{track}/{name}": part for track, part in expected.items() for name in ("cello", "piano")}
    both = 0.5 * (noise("test/Track00002S00") + noise("test/Track00002S03"))
    np.testing.assert_allclose(sound(corpus, "test/Track00002/piano"), both, atol=2.1 / 32768)
    (tmp_path / "train/Track00001/metadata.yaml").write_text("stems: [")
    with pytest.raises(ValueError, match=r"Track00001/metadata.yaml: no metadata.yaml of Slakh"):
        Stems().read(tmp_path, 8000, 1)


def test_stems_of_urmp(tmp_path):
    for name in ("AuSep_1_vn_01_Jupiter", "AuSep_2_vc_01_Jupiter", "AuMix_01_Jupiter_vn_vc", "AuSep_3_fl_01_Jupiter"):
        write(tmp_path / f"01_Jupiter_vn_vc/{name}.wav", noise(name))
    corpus = WHOLE.read(tmp_path, 8000, 1)
    assert corpus.utterances["utterance"].tolist() == ["01_Jupiter_vn_vc/cello", "01_Jupiter_vn_vc/violin"]
    flutes = Stems(["violin", "flute"], open_share=0.0, closed_share=0.0).read(tmp_path, 8000, 1)
    assert set(flutes.utterances["speaker"]) == {"violin", "flute"}


def test_pieces_that_lose_their_stems_are_listed(tmp_path):
    for piece in ("a", "b"):
        for name in ("piano", "cello"):
            write(tmp_path / piece / f"{name}.wav", noise(piece + name))
    (tmp_path / "a/cello.wav").write_text("no recording")
    write(tmp_path / "c/piano.wav", noise("c"))
    write(tmp_path / "c/cello.wav", np.zeros(8000))
    corpus = WHOLE.read(tmp_path, 8000, 1)
    assert set(corpus.utterances["piece"]) == {"b"}
    assert corpus.rejected[["path", "reason"]].values.tolist() == [
        ["a/cello.wav", "unreadable"], ["a", "too few"], ["c", "too few"],
    ]  # fmt: skip


def test_no_pieces_and_no_wanted_instruments_are_named(tmp_path):
    write(tmp_path / "a/flute.wav")
    with pytest.raises(FileNotFoundError, match=r"no piece below .* has two of piano, violin, cello; looked for"):
        Stems().read(tmp_path, 8000, 1)
    with pytest.raises(ValueError, match=r"Stems.instruments = \['piano'\]"):
        Stems(["piano"]).read(tmp_path, 8000, 1)
