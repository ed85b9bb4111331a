"""A network that separates: it learns, is saved, resumes, starts from another, and sees a gain as nothing."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus_fixture import corpus
from deep_fixture import killed_until_it_ends
from separation_fixture import TINY, drawn, estimates, fit, fitted, tones, trained, untrained

from audioclust.separation.affinity import OBJECTIVES
from audioclust.separation.mixer import Mixer
from audioclust.separation.mixtures import render
from audioclust.separation.network import Embedder
from audioclust.separation.scores import score
from audioclust.separation.separator import OPTIMISERS, Separator, features
from audioclust.training import saving
from audioclust.training.loop import Epoch, Run

SHORT = {"epochs": 2, "steps": 3}


def spectrum(frames: int, seed: int = 0) -> torch.Tensor:
    x = torch.randn(64 * (frames - 1), generator=torch.Generator().manual_seed(seed))
    return trained().stft_.spectrum(x)


def weights(model: Separator) -> dict[str, torch.Tensor]:
    return model.network_.state_dict()


def same(one: Separator, other: Separator) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Learning


def gains(model: Separator) -> np.ndarray:
    """Return the SDR improvement of each of some mixtures."""
    found = []
    for row in drawn(two=3, three=1).itertuples():
        mixture, sources = map(torch.from_numpy, render(tones(), row))
        scores = score(estimates(model, mixture, len(sources)), sources, mixture)
        found.append(float(scores["sdr_improvement"].mean()))
    return np.array(found)


def test_a_small_network_learns_tones():
    run = Run()
    model = fitted(run)
    losses = [row["loss"] for row in run.curves]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 10
    assert not model.network_.training
    learned, before = gains(model), gains(untrained())
    assert learned.min() > 8 > before.min()
    assert learned.mean() > before.mean() + 10


def test_equal_seeds_give_equal_weights():
    one, other, third = (fitted(random_state=seed, **SHORT) for seed in (0, 0, 1))
    assert same(one, other) and not same(one, third)


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fitted(**SHORT)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_watched_loss_changes_nothing_and_has_the_same_mixtures_each_time():
    plain, valid = Run(), Run()
    one = fitted(plain, **SHORT)
    other = fitted(valid, valid=Mixer(tones(), part="closed"), **SHORT)
    assert same(one, other)
    assert [row["loss"] for row in plain.curves] == [row["loss"] for row in valid.curves]
    assert "valid" not in plain.curves[0]
    still = Run()
    fitted(still, valid=Mixer(tones(), part="closed"), epochs=2, steps=1, lr=1e-12)
    assert still.curves[0]["valid"] == pytest.approx(still.curves[1]["valid"], rel=1e-4)


class Watched(Mixer):
    """Notes what is drawn."""

    def __init__(self, *args):
        super().__init__(*args)
        self.drawn = []

    def draw(self, batch, samples, generator):
        self.drawn.append((batch, samples))
        return super().draw(batch, samples, generator)


def test_a_phase_of_longer_segments_has_smaller_batches():
    mixer, run = Watched(tones()), Run()
    model = fit(Separator(**TINY | {"frames": [20, 40, 400], "epochs": 1, "steps": 2, "batch": 8}), mixer, run=run)
    n20, n40, n400 = map(model.stft_.samples, (20, 40, 400))
    assert mixer.drawn[:7] == [(64, n20), (8, n20), (8, n20), (4, n40), (4, n40), (1, n400), (1, n400)]
    assert n20 == 19 * 64 + 256
    assert [row["phase"] for row in run.curves] == ["frames-20-0", "frames-40-1", "frames-400-2"]


def test_equal_phases_have_names_of_their_own_and_the_rate_falls_anew():
    run = Run()
    fitted(run, frames=[20, 20], **SHORT)
    assert [row["phase"] for row in run.curves] == ["frames-20-0"] * 2 + ["frames-20-1"] * 2


# Every way to train


@pytest.fixture(scope="module")
def awkward() -> Mixer:
    """Two speakers with the same sound, a silent one, and one of whom only the beginning is to be heard."""

    def sound(number, n):
        x = corpus("m", lengths=(n,)).samples.copy()
        return x * 0 if number == 2 else np.r_[x[: n // 8], np.zeros(n - n // 8, np.int16)] if number == 3 else x

    return Mixer(corpus("mmff", lengths=(2400,), sounds=sound), 3)


@pytest.mark.parametrize("kind", ["plain", "class", "active", "magnitude"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_equal_and_silent_sources_train_with_every_objective(awkward, objective, kind):
    run = Run()
    model = Separator(**TINY | SHORT | {"sources": 3, "objective": objective, "weights": kind})
    fit(model, awkward, valid=awkward, run=run)
    assert all(np.isfinite([row["loss"], row["gradient"], row["valid"]]).all() for row in run.curves)
    assert all(value.isfinite().all() for value in weights(model).values())


def test_nothing_but_silence_trains_to_nothing():
    silent = Mixer(corpus("mf", lengths=(2400,), sounds=lambda number, n: np.zeros(n, np.int16)))
    run = Run()
    model = fit(Separator(**TINY | SHORT), silent, run=run)
    assert [row["loss"] for row in run.curves] == [0, 0]
    assert all(value.isfinite().all() for value in weights(model).values())


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_every_optimiser_lowers_the_loss(optimiser):
    run = Run()
    fitted(run, optimiser=optimiser, epochs=2, steps=5)
    assert run.curves[-1]["loss"] < run.curves[0]["loss"]


def test_dropout_noise_and_variance_take_part():
    once = {"epochs": 1, "steps": 1}
    plain = fitted(**once)
    for changes in ({"dropout": 0.5}, {"noise": 0.6}, {"variance": 0.1}, {"layers": 2, "dropout": 0.5}):
        other = fitted(**once | changes)
        assert not same(plain, other), changes
        v = other.embed(spectrum(30))
        assert torch.equal(v, other.embed(spectrum(30))), "no dropout and no noise any more"


def test_a_loss_that_is_not_finite_stops_the_training(monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "affinity", lambda v, *_: v.sum((1, 2)) * torch.nan)
    with pytest.raises(RuntimeError, match=r"frames-20-0: the mean loss of epoch 0 is nan: lower the learning"):
        fitted(**SHORT)


# Resuming, saving, starting from another


def test_a_killed_fit_ends_as_one_that_was_not(tmp_path, monkeypatch):
    changes = {"frames": [20, 40], "epochs": 4, "steps": 2, "dropout": 0.2, "noise": 0.01}
    mixer = Mixer(tones(), part="closed")
    alone = Run()
    straight = fitted(alone, valid=mixer, **changes)
    straight.save(tmp_path / "straight")
    resumed, run, ended = killed_until_it_ends(
        lambda run: fitted(run, valid=mixer, **changes), tmp_path / "checkpoints", monkeypatch
    )
    resumed.save(tmp_path / "resumed")
    assert ended > 2 * 4, "it was killed"
    assert contents(tmp_path / "straight") == contents(tmp_path / "resumed")
    assert run.curves == alone.curves


def test_a_fit_that_is_killed_within_an_epoch_ends_the_same(tmp_path, monkeypatch):
    """At random steps, between drawing and the checkpoint."""
    straight = fitted(steps=4)
    add, rng, kills = Epoch.add, np.random.default_rng(0), []

    def killed(epoch, **metrics):
        if len(kills) < 4 and rng.random() < 0.2:
            kills.append(epoch.number)
            raise KeyboardInterrupt
        add(epoch, **metrics)

    monkeypatch.setattr(Epoch, "add", killed)
    for _ in range(10):
        try:
            resumed = fitted(Run(tmp_path, "key", every=0), steps=4)
            break
        except KeyboardInterrupt:
            pass
    assert len(set(kills)) > 1
    assert same(straight, resumed)


def test_saved_and_loaded_it_embeds_the_same(tmp_path):
    model = trained()
    model.save(tmp_path / "one")
    loaded = Separator.load(tmp_path / "one")
    assert torch.equal(loaded.embed(spectrum(50)), model.embed(spectrum(50)))
    assert (loaded.stft_, loaded.k, loaded.frames, loaded.lr) == (model.stft_, model.k, model.frames, model.lr)
    assert not loaded.network_.training
    loaded.save(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one").keys() == {"config.json", "model.safetensors"}


def test_loading_draws_no_random_number(tmp_path):
    trained().save(tmp_path)
    state = torch.get_rng_state()
    Separator.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_folder_without_a_separator_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: holds no separator; `dvc repro separator` trains them"):
        Separator.load(tmp_path / "nowhere")
    saving.save(tmp_path, Other(), {"x": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"holds a model of another kind, no separator \(.*'heads'"):
        Separator.load(tmp_path)


@dataclasses.dataclass
class Other:
    """Stands for a model of another kind."""

    heads: int = 3


def test_another_rate_is_kept(tmp_path):
    recorded = tones()
    recorded.rate = 16000
    model = fit(Separator(**TINY | SHORT), Mixer(recorded))
    model.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["more"] == {"rate": 16000}
    assert Separator.load(tmp_path).stft_ == model.stft_ and model.stft_.bins == 257


def test_it_starts_from_another_models_weights(tmp_path):
    trained().save(tmp_path)
    started = fitted(start=str(tmp_path), sources=3, random_state=7, epochs=1, steps=1, lr=1e-12)
    for name, value in weights(trained()).items():
        torch.testing.assert_close(weights(started)[name], value, rtol=0, atol=1e-9)
    before, after = Run(), Run()
    fitted(before, epochs=1, steps=5)
    fitted(after, start=str(tmp_path), epochs=1, steps=5)
    assert after.curves[0]["loss"] < before.curves[0]["loss"] / 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": 8}, r"separator\.start = .*a network of another shape \(blstm\.weight_ih_l0: \(96, 129\), not "),
        ({"k": 5}, r"another shape \(linear\.weight: \(516, 48\), not \(645, 48\)\): k, layers, hidden and window"),
        ({"layers": 2}, r"another shape \(blstm\.weight_ih_l1: None, not \(96, 48\)\)"),
        ({"window": 16.0}, r"separator\.start = .*: trained with Stft\(.*window=32.*, this one has Stft\(.*window=16"),
        ({"hop": 16.0}, r"trained with Stft\(.*hop=8.*, this one has Stft\(.*hop=16"),
    ],
)
def test_a_start_of_another_shape_is_refused(tmp_path, changes, message):
    trained().save(tmp_path)
    with pytest.raises(ValueError, match=message):
        fitted(start=str(tmp_path), **SHORT | changes)


def test_without_epochs_a_model_that_was_trained_elsewhere_is_taken_as_it_is(tmp_path):
    trained().save(tmp_path)
    taken = fitted(start=str(tmp_path), sources=3, random_state=7, epochs=0)
    for name, value in weights(trained()).items():
        torch.testing.assert_close(weights(taken)[name], value, rtol=0, atol=0)
    for name, value in trained().counter_.tensors().items():
        assert torch.equal(taken.counter_.tensors()[name], value)


def test_neither_epochs_nor_a_start_is_an_error():
    with pytest.raises(ValueError, match=r"epochs=0 takes a model as it is: name its folder as separator\.start"):
        fitted(epochs=0)


def test_a_start_with_more_layers_is_refused_too(tmp_path):
    fitted(layers=2, **SHORT).save(tmp_path)
    with pytest.raises(ValueError, match=r"another shape \(blstm\.\w+_l1\w*: \(.*\), not None\)"):
        fitted(start=str(tmp_path), **SHORT)
    with pytest.raises(FileNotFoundError, match="holds no separator"):
        fitted(start=str(tmp_path / "nowhere"))


# Embedding


@pytest.mark.parametrize("gain", [1e-6, 0.01, 300.0])
def test_a_gain_changes_nothing(gain):
    x = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    ours, theirs = (trained().embed(trained().stft_.spectrum(each)) for each in (x, gain * x))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_gain_in_training_changes_nothing_but_rounding():
    one = Mixer(tones())
    mixture, sources = one.draw(4, trained().stft_.samples(20), torch.Generator().manual_seed(0))
    with torch.no_grad():
        losses = [float(trained()._loss(gain * mixture, gain * sources)) for gain in (1, 1e-3)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_features_are_log_magnitudes_beside_the_level():
    x = spectrum(30)
    expected = torch.log(x.abs() / x.abs().square().mean().sqrt() + 1e-8)
    torch.testing.assert_close(features(x), expected)
    two = torch.stack([x, 5 * x])
    torch.testing.assert_close(features(two), torch.stack([expected, expected]))
    torch.testing.assert_close(features(x[:7], x.abs().square().mean().sqrt()), expected[:7])
    assert features(0 * x).isfinite().all()


@pytest.mark.parametrize(("frames", "starts"), [(300, [0, 100, 200]), (250, [0, 100, 150]), (101, [0, 1])])
def test_segments_are_embedded_one_by_one_and_strung_together(frames, starts):
    x = spectrum(frames)
    found, seen = trained().embed(x, segments=100), features(x)
    expected = torch.zeros_like(found)
    with torch.no_grad():
        for start in starts[::-1]:  # the last one gives what the one before does not
            expected[start : start + 100] = trained().network_(seen[None, start : start + 100])[0]
    assert found.shape == (frames, 129, 4)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (found - trained().embed(x)).abs().max() > 1e-3, "the whole is seen otherwise"


@pytest.mark.parametrize("frames", [1, 2, 99, 100])
def test_what_is_not_longer_than_a_segment_is_seen_whole(frames):
    x = spectrum(100)[:frames]
    assert torch.equal(trained().embed(x, segments=100), trained().embed(x))


def test_silence_has_embeddings_too():
    v = trained().embed(torch.zeros(20, 129, dtype=torch.complex64))
    torch.testing.assert_close(v.norm(dim=-1), torch.ones(20, 129))


def test_samples_that_are_not_finite_are_an_error():
    x = torch.ones(4000)
    for bad in (torch.nan, torch.inf):
        x[2000] = bad
        with pytest.raises(ValueError, match="spectrum is not finite: it has samples that are NaN or infinite"):
            trained().embed(trained().stft_.spectrum(x))


@pytest.mark.parametrize("shape", [(10, 65), (2, 10, 129), (129,)])
def test_a_spectrum_of_another_shape_is_an_error(shape):
    with pytest.raises(ValueError, match=r"a spectrum must be \(t, 129\), as stft_ makes it, not \("):
        trained().embed(torch.zeros(shape, dtype=torch.complex64))


# Parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 1}, r"Separator\.k = 1: greater than or equal to 2"),
        ({"sources": 1}, r"Separator\.sources = 1: greater than or equal to 2"),
        ({"frames": []}, r"Separator\.frames = \[\]: .*at least 1 item"),
        ({"frames": [20, 0]}, r"Separator\.frames = \[20, 0\]: .*greater than or equal to 1"),
        ({"activation": "relu"}, r"Separator\.activation = 'relu': 'tanh' or 'logistic'"),
        ({"objective": "affinty"}, r"Separator\.objective = 'affinty': .*did you mean 'affinity'"),
        ({"weights": "clas"}, r"Separator\.weights = 'clas': .*did you mean 'class'"),
        ({"optimiser": "adamw"}, r"Separator\.optimiser = 'adamw': .*did you mean 'adam'"),
        ({"dropout": 1.0}, r"Separator\.dropout = 1\.0: less than 1"),
        ({"lr": 0}, r"Separator\.lr = 0: greater than 0"),
        ({"noise": -1}, r"Separator\.noise = -1: greater than or equal to 0"),
        ({"variance": 0}, r"Separator\.variance = 0: greater than 0"),
        ({"hop": 40.0}, r"hop=40\.0 ms must be at most half of window=32\.0 ms"),
        ({"hop": 20.0}, r"hop=20\.0 ms must be at most half of window=32\.0 ms"),
    ],
)
def test_wrong_parameters_are_named_before_any_work(changes, message):
    model = Separator(**TINY | changes)
    with pytest.raises(ValueError, match=message):
        model.check()
    with pytest.raises(ValueError, match=message):
        model.fit(None)


def test_the_defaults_are_the_papers_network():
    model = Separator()
    model.check()
    network = Embedder(129, model.k, model.layers, model.hidden, model.dropout, model.activation)
    assert (network.linear.out_features, network.linear.in_features) == (129 * 40, 1200)
    assert (network.blstm.num_layers, network.blstm.bidirectional) == (2, True)


def test_a_window_too_short_for_the_rate_is_an_error():
    with pytest.raises(ValueError, match=r"window=0\.3 ms at 8000 Hz must hold at least 4 samples"):
        fitted(window=0.3, hop=0.125)
