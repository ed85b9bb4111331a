"""Examples: which mixtures they are, that the sounds add up, and that equal models give equal bytes."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from separation_fixture import drawn, tones, trained

from audioclust.runs.examples import _write, chosen, example
from audioclust.runs.separate import Separate
from audioclust.separation.mixer import PEAK
from audioclust.separation.mixtures import render
from audioclust.separation.stft import active

SETTINGS = Separate(restarts=3)


def table(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["mixture", "set", "count", "genders"])


def test_the_first_open_mixture_of_two_genders_of_each_number():
    found = chosen(table(
        ("a", "closed", 2, "fm"), ("b", "open", 2, "ff"), ("c", "open", 2, "fm"), ("d", "open", 2, "fm"),
        ("e", "closed", 3, "fff"), ("f", "closed", 3, "ffm"),
    ))  # fmt: skip
    assert found["mixture"].tolist() == ["c", "f"] and found.columns.tolist() == ["mixture", "set", "count", "genders"]


def test_without_genders_or_open_mixtures_the_first():
    assert chosen(table(("a", "closed", 2, ""), ("b", "closed", 2, "")))["mixture"].tolist() == ["a"]
    assert chosen(table()).empty


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of an example of two sources, written twice, and one of three."""
    folder = tmp_path_factory.mktemp("examples")
    two, three = chosen(drawn()).sort_values("count").itertuples()
    for name, rows in (("one", [two, three]), ("other", [two])):
        (folder / name / "pictures").mkdir(parents=True)
        for row in rows:
            example(f"x-{row.count}", SETTINGS, tones(), row, trained(), folder / name, folder / name / "pictures")
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_models_give_equal_bytes(written):
    one, other = contents(written / "one"), contents(written / "other")
    assert {name: content for name, content in one.items() if "x-2" in name} == other
    sounds = [f"x-{n}/{kind}-{i}.wav" for n in (2, 3) for kind in ("source", "estimate") for i in range(1, n + 1)]
    pictures = [f"pictures/x-{n}{end}.png" for n in (2, 3) for end in ("", "_affinities")]
    assert set(one) == {*sounds, *pictures, "x-2/mixture.wav", "x-3/mixture.wav"}


@pytest.mark.parametrize("count", [2, 3])
def test_the_sounds_add_up_and_are_those_of_the_mixture(written, count):
    folder = written / f"one/x-{count}"
    sound = {path.stem: soundfile.read(path)[0] for path in folder.iterdir()}
    assert all(soundfile.info(path).subtype == "PCM_16" for path in folder.iterdir())
    row = next(row for row in chosen(drawn()).itertuples() if row.count == count)
    mixture, sources = render(tones(), row)
    assert max(np.abs(x).max() for x in sound.values()) == pytest.approx(PEAK, abs=1e-4)
    scale = sound["mixture"] @ mixture / (mixture @ mixture)
    for i, source in enumerate(sources, 1):
        assert np.abs(sound[f"source-{i}"] - scale * source).max() < 1e-4, "all at one gain"
    totals = {kind: sum(sound[f"{kind}-{i}"] for i in range(1, count + 1)) for kind in ("source", "estimate")}
    assert np.abs(totals["source"] - sound["mixture"]).max() < 2e-4
    spectrum = trained().stft_.spectrum(torch.from_numpy(scale * mixture).float())
    faint = trained().stft_.signal(torch.where(active(spectrum), 0, spectrum), len(mixture))  # is in all estimates
    assert np.abs(totals["estimate"] - sound["mixture"] - (count - 1) * faint.numpy()).max() < 2e-4


@pytest.mark.parametrize("count", [2, 3])
def test_an_estimate_has_the_number_of_its_source(written, count):
    folder = written / f"one/x-{count}"
    read = {kind: np.stack([soundfile.read(folder / f"{kind}-{i}.wav")[0] for i in range(1, count + 1)])
            for kind in ("source", "estimate")}  # fmt: skip
    likeness = np.abs(np.corrcoef(read["source"], read["estimate"])[:count, count:])
    assert likeness.argmax(axis=1).tolist() == [*range(count)]


def test_loud_estimates_are_not_cut(tmp_path):
    wave = torch.tensor([0.5, -0.5])
    _write(tmp_path, 8000, wave, wave[None], 4 * wave[None])
    assert np.abs(soundfile.read(tmp_path / "estimate-1.wav")[0]).max() == pytest.approx(PEAK, abs=1e-4)
    _write(tmp_path / "silent", 8000, 0 * wave, 0 * wave[None], 0 * wave[None])
    assert not soundfile.read(tmp_path / "silent/mixture.wav")[0].any()
