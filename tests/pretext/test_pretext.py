"""The contract of every encoder that is trained here, on the same few sounds."""

import numpy as np
import pytest
import torch
from deep_fixture import FRONT_END, killed_until_it_ends
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn
from torch.nn import functional as F

from audioclust import registry
from audioclust.parameters import types
from audioclust.pretext._autoencoder import Autoencoder
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed

NAMES = registry.names("pretext")
AUTOENCODERS = [name for name in NAMES if issubclass(registry.get("pretext", name), Autoencoder)]
AUGMENT = Augment(16, "crop", strong=["crop", "gain"], gain=2.0)
SMALL = {"d": 16, "channels": 8, "projection": 8, "hidden": 32, "batch": 16, "queue": 32, "momentum": 0.9, "lr": 0.01,
         "weight_decay": 0.0, "epochs": 3, "ops": ["crop", "gain"]}  # fmt: skip
FRAMES = np.tile([24, 20, 9, 5], 12)  # two of four clips are shorter than a view


@pytest.fixture(autouse=True)
def one():
    """Networks this small are slower on several threads."""
    with one_thread():
        yield


def sounds(n=48, k=3, padding=-16.0):
    """Return log-mels (n, 16, 24) of ``k`` kinds and their kinds; how loud a clip is says nothing."""
    rng = np.random.default_rng(1)
    kinds = np.arange(n) % k
    own = rng.normal(0, 3, (k, 16, 1))[kinds] + rng.normal(0, 1, (n, 16, 1))
    x = rng.normal(-8, 0.3, (n, 16, 24)) + own + rng.uniform(-5, 5, (n, 1, 1))
    return np.where(np.arange(24) < np.resize(FRAMES, n)[:, None, None], x, padding).astype(np.float16), kinds


def make(name, **parameters):
    """Return an encoder that trains in a second, from those of the parameters that it has."""
    kind = registry.get("pretext", name)
    shrunk = {key: value for key, value in SMALL.items() if key in types(kind)}
    return kind(**shrunk | {"augment": AUGMENT} | parameters)


def fitted(name, x=None, frames=FRAMES, run=None, **parameters):
    return make(name, **parameters).fit(sounds()[0] if x is None else x, frames=frames, run=run)


def neighbours_of_its_kind(z, kinds):
    """Return the share of each clip's three nearest by cosine that are of its kind."""
    z = F.normalize(torch.from_numpy(z - z.mean(0)), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-2).topk(3).indices.numpy()
    return np.mean(kinds[nearest] == kinds[:, None])


@pytest.fixture(scope="module", params=NAMES)
def trained(request):
    """Name, encoder after 24 epochs, and its curves."""
    with one_thread():
        run = Run()
        return request.param, fitted(request.param, run=run, epochs=24), run.curves


def test_the_loss_falls_and_the_embedding_learns_what_is_the_same(trained):
    name, encoder, curves = trained
    losses = [row["loss"] for row in curves]
    # A new queue of noise is told apart easily: the first epochs of MoCo are no measure.
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[3:6])
    if name in AUTOENCODERS:
        return  # their embedding holds all of a view, what is the same in two of them or not
    x, kinds = sounds()
    untrained = fitted(name, lr=1e-12).transform(x, frames=FRAMES)
    share = neighbours_of_its_kind(encoder.transform(x, frames=FRAMES), kinds)
    assert share > 0.85 and share > neighbours_of_its_kind(untrained, kinds) + 0.1


def test_curves_show_a_healthy_embedding(trained):
    curves = trained[2]
    assert [row["epoch"] for row in curves] == list(range(24))
    assert curves[-1].keys() == {"phase", "epoch", "loss", "alignment", "uniformity", "spread", "rank"}
    assert all(np.isfinite([v for v in row.values() if isinstance(v, float)]).all() for row in curves)
    assert curves[-1]["spread"] > 0.3 and curves[-1]["rank"] > 1.5 and curves[-1]["uniformity"] < -0.3


def test_transform(trained, tmp_path):
    _, encoder, _ = trained
    x, _ = sounds()
    z = encoder.transform(x, frames=FRAMES)
    assert z.shape == (48, 16) and z.dtype == np.float32 and np.isfinite(z).all()
    assert not encoder.backbone_.training
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(encoder.transform(np.load(tmp_path / "x.npy", mmap_mode="r"), frames=FRAMES), z)
    # New clips are standardised as those it was trained on, whatever they are.
    np.testing.assert_allclose(encoder.transform(x[5:9], frames=FRAMES[5:9]), z[5:9], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(encoder.transform(Clips(x, FRAMES, mean=0.0, std=9.0)), z)
    with pytest.raises(ValueError, match="views of 24 bands: this network was trained on 16"):
        encoder.transform(np.zeros((2, 24, 16)))


def test_save_and_load(trained, tmp_path):
    _, encoder, _ = trained
    x, _ = sounds()
    encoder.save(tmp_path / "one")
    before = torch.get_rng_state()
    again = type(encoder).load(tmp_path / "one")
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(again.transform(x, frames=FRAMES), encoder.transform(x, frames=FRAMES))
    assert again.augment_ == AUGMENT and tuple(again.ops) == tuple(encoder.ops) and again.front_end_ is None
    again.save(tmp_path / "two")
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / f).iterdir()} for f in ("one", "two"))
    assert one == two and set(one) == {"config.json", "encoder.safetensors"}
    with pytest.raises(FileNotFoundError, match=r"no such file; `dvc repro pretext` trains encoders"):
        type(encoder).load(tmp_path / "three")


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_can_be_the_mean_of_views(name, tmp_path):
    x, _ = sounds()
    encoder = fitted(name, epochs=1)
    plain, encoder.views = encoder.transform(x, frames=FRAMES), 4
    several = encoder.transform(x, frames=FRAMES)
    assert np.array_equal(several, encoder.transform(x, frames=FRAMES))  # the same views again
    encoder.save(tmp_path)
    loaded = registry.get("pretext", name).load(tmp_path)
    assert loaded.views == 4 and np.array_equal(loaded.transform(x, frames=FRAMES), several)
    assert not np.array_equal(several, plain)
    # Views differ in what an encoder should not see, and the more there are the less their mean depends on which.
    encoder.augment_ = Augment(24, "fit", weak=["gain"], gain=2.0)
    of = {}
    for encoder.views in (1, 32, 64):
        of[encoder.views] = encoder.transform(x, frames=FRAMES)
    assert np.linalg.norm(of[64] - of[32]) < np.linalg.norm(of[64] - of[1]) / 2


def test_clips_that_do_not_fit_a_gpu_are_embedded_in_smaller_blocks():
    class Small(nn.Module):
        def forward(self, x):
            if len(x) > 10:
                raise torch.OutOfMemoryError
            return x.mean((1, 2, 3))[:, None]

    clips = Clips(sounds()[0])
    whole = embed(Small(), clips, lambda x, frames: x[:10, None], torch.arange(10))
    torch.testing.assert_close(embed(Small(), clips, lambda x, frames: x[:, None])[:10], whole)

    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        embed(Full(), clips, AUGMENT.original_view)


def test_a_training_that_diverges_says_what_to_lower():
    with pytest.raises(RuntimeError, match="lower the learning rate"):
        fitted("simclr", lr=1e30, epochs=20)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_embedding_and_nothing_of_the_callers_is_touched(name):
    x, _ = sounds()
    copy, before = x.copy(), torch.get_rng_state()
    model = make(name)
    arguments = dict(vars(model))
    one, two = (
        model.fit(x, frames=FRAMES).transform(x, frames=FRAMES),
        fitted(name, Clips(x, FRAMES), None).transform(x, frames=FRAMES),
    )
    np.testing.assert_array_equal(one, two)
    assert (one != fitted(name, random_state=1).transform(x, frames=FRAMES)).any()
    np.testing.assert_array_equal(x, copy)
    assert torch.equal(torch.get_rng_state(), before)
    assert {key: getattr(model, key) for key in arguments} == arguments  # the constructor's arguments stand


@pytest.mark.parametrize("name", NAMES)
def test_what_clips_are_padded_with_does_not_matter(name):
    one, two = (fitted(name, sounds(padding=p)[0], epochs=2).transform(sounds()[0], frames=FRAMES) for p in (-16, 100))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_ends_byte_identical(name, tmp_path, monkeypatch):
    x, _ = sounds()
    whole = Run()
    expected = fitted(name, run=whole).transform(x, frames=FRAMES)
    encoder, run, ended = killed_until_it_ends(lambda run: fitted(name, run=run), tmp_path, monkeypatch)
    assert ended > len(run.curves) > 0
    np.testing.assert_array_equal(encoder.transform(x, frames=FRAMES), expected)
    assert run.curves == whole.curves


@pytest.mark.parametrize("n", [2, 3, 9, 17])
@pytest.mark.parametrize("name", NAMES)
def test_fewer_clips_than_a_batch_and_a_rest(name, n):
    x, _ = sounds(n)
    run = Run()
    z = fitted(name, x, FRAMES[:n], run=run, epochs=2).transform(x, frames=FRAMES[:n])
    assert z.shape == (n, 16) and np.isfinite(z).all()
    assert all(np.isfinite(row["rank"]) for row in run.curves)
    fitted(name, x, FRAMES[:n], backbone="grid", epochs=1)  # has batch statistics over clips alone


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused(name):
    x, _ = sounds()
    with pytest.raises(ValueError, match=r"n_samples=1 should be >= 2"):
        fitted(name, x[:1], None)
    x[7, 3, 2] = np.nan
    with pytest.raises(ValueError, match="clip 7 is not finite"):
        fitted(name, x)
    with pytest.raises(ValueError, match=r"log-mels of 15 bands \(logmel\.n_mels\)"):
        fitted(name, sounds()[0][:, :15])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("parameter", "value", "rule"), [
    ("epochs", 0, "greater than or equal to 1"), ("backbone", "resnet", "did you mean 'resnet18'"),
    ("ops", ["crop", "gian"], "'crop', 'stretch'"), ("d", "many", "integer"), ("lr", 0.0, "greater than 0"),
])  # fmt: skip
def test_wrong_parameters_are_refused_before_anything_else(name, parameter, value, rule):
    kind = registry.get("pretext", name).__name__
    with pytest.raises(ValueError, match=rf"^{kind}\.{parameter} = .*{rule}"):
        make(name, **{parameter: value}).fit(None)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_fitted_says_so(name, tmp_path):
    encoder = make(name)
    for use in (lambda: encoder.transform(sounds()[0]), lambda: encoder.save(tmp_path)):
        with pytest.raises(NotFittedError, match=type(encoder).__name__):
            use()


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_ignored_and_parameters_are_copied(name):
    x, kinds = sounds()
    encoder = make(name, epochs=1, random_state=4)
    again = clone(encoder)
    assert again.get_params() == encoder.get_params() and again.random_state == 4
    one, two = encoder.fit(x, frames=FRAMES), again.fit(x, kinds, frames=FRAMES)
    np.testing.assert_array_equal(one.transform(x), two.transform(x))


@pytest.mark.parametrize("name", NAMES)
def test_another_front_end_is_an_error(name, tmp_path):
    x, _ = sounds()
    encoder = make(name, epochs=1).fit(Clips(x, front_end=FRONT_END))
    expected = encoder.transform(Clips(x, front_end=FRONT_END))
    encoder.save(tmp_path)
    for each in (encoder, type(encoder).load(tmp_path)):
        assert each.front_end_ == FRONT_END
        with pytest.raises(ValueError, match="hop = 320, not 160; mel_scale = 'htk', not 'slaney'"):
            each.transform(Clips(x, front_end=FRONT_END | {"mel_scale": "htk", "hop": 320}))
        with pytest.raises(ValueError, match="fps = 100, not unknown"):
            each.transform(x, front_end=FRONT_END | {"fps": 100})
        with pytest.raises(ValueError, match=r"sample_rate = unknown, not 16000.*front_end=model\.front_end_"):
            each.transform(x)
        np.testing.assert_array_equal(each.transform(x, front_end=each.front_end_), expected)
    assert fitted(name, epochs=1).front_end_ is None


@pytest.mark.parametrize("name", NAMES)
def test_collapse_is_seen_in_the_curves(name, monkeypatch):
    """Clips that are all alike have nothing to tell them apart but dropout."""
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)
    x, run = np.repeat(sounds()[0][:1], 48, axis=0), Run()
    fitted(name, x, None, run=run, ops=[], epochs=1)
    row = run.curves[-1]
    assert row["spread"] < 1e-3 and row["rank"] < 1.2 and row["uniformity"] > -1e-3


@pytest.mark.parametrize("name", NAMES)
def test_other_backbones_and_the_default_views(name):
    x, _ = sounds(8)
    for backbone, d in (("audiontt2022", 48), ("resnet18", 512), ("grid", 16)):
        encoder = registry.get("pretext", name)(backbone=backbone, d=d, channels=4, epochs=1).fit(x, frames=FRAMES[:8])
        assert encoder.augment is None and encoder.transform(x, frames=FRAMES[:8]).shape == (8, d)
