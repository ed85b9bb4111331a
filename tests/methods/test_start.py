"""Methods initialised from an encoder: its views, bands and front end, and one trained first where none is given."""

import copy
import importlib
from functools import partial

import numpy as np
import pytest
from deep_fixture import FRONT_END, sounds

from audioclust.methods.deepcluster import DeepCluster
from audioclust.methods.scan import SCAN
from audioclust.methods.spice import SPICE
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips

AUGMENT = Augment(16, "fit", strong=("crop", "tilt"))
METHODS = {
    "spice": partial(SPICE, 3, stage="self", heads=2, epochs=2, batch=20, views=2),
    "scan": partial(SCAN, 3, stage="cluster", update="heads", heads=2, epochs=2, batch=20, views=2),
    "deepcluster": partial(DeepCluster, 3, start="pretext", epochs=1, batch=20, hidden=16, n_init=2),
}
methods = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
on_embeddings = pytest.mark.parametrize("name", ["spice", "scan"])


@pytest.fixture(scope="module")
def start():
    """An encoder of clips with a known front end."""
    with one_thread():
        clips = Clips(sounds()[0], front_end=FRONT_END)
        return SimCLR(d=16, channels=8, projection=8, epochs=2, batch=20, augment=AUGMENT, views=2).fit(clips)


@methods
def test_the_description_of_the_input_is_the_encoders(make, start):
    x = np.concatenate([sounds()[0], sounds(seed=1)[0] + 3])
    model = make().fit(Clips(x, front_end=FRONT_END), encoder=start)
    assert (model.mean_, model.std_, model.front_end_) == (start.mean_, start.std_, start.front_end_)
    assert model.augment_ is start.augment_ and model.encoder_views_ == 2
    other = Augment(12, "fit")
    assert make(augment=other).fit(Clips(x, front_end=FRONT_END), encoder=start).augment_ is other


@methods
def test_clips_of_another_front_end_are_an_error(make, start):
    x, _ = sounds()
    with pytest.raises(ValueError, match=r"f_max = 8000\.0, not 7800\.0; mel_scale = 'htk', not 'slaney'"):
        make().fit(Clips(x, front_end=FRONT_END | {"f_max": 8000.0, "mel_scale": "htk"}), encoder=start)
    with pytest.raises(ValueError, match=r"mel_scale = unknown, not 'slaney'.*front_end=model\.front_end_"):
        make().fit(x, encoder=start)


@methods
def test_an_encoder_of_unknown_front_end_takes_any_clips(make, start):
    unknown = copy.copy(start)
    unknown.front_end_ = None
    x, _ = sounds()
    assert make().fit(x, encoder=unknown).front_end_ is None
    assert make().fit(Clips(x, front_end=FRONT_END), encoder=unknown).front_end_ == FRONT_END


@methods
def test_an_encoder_of_other_bands_is_an_error(make, start):
    clips = Clips(sounds()[0][:, :8], front_end=FRONT_END)
    with pytest.raises(ValueError, match="views of 8 bands: this network was trained on 16"):
        make().fit(clips, encoder=start)


@on_embeddings
def test_an_embedding_that_is_not_the_encoders_is_an_error(name, start):
    clips = Clips(sounds()[0], front_end=FRONT_END)
    embedding = start.transform(clips)
    embedding[9] = np.inf
    with pytest.raises(ValueError, match="row 9 of the points is not finite"):
        METHODS[name]().fit(clips, encoder=start, embedding=embedding)
    with pytest.raises(ValueError, match=r"shape \(50, 16\): of these clips the encoder gives one of shape \(60, 16\)"):
        METHODS[name]().fit(clips, encoder=start, embedding=embedding[10:])


@on_embeddings
def test_an_embedding_that_is_given_is_not_computed(name, start, monkeypatch):
    clips = Clips(sounds()[0], front_end=FRONT_END)
    expected, embedding = METHODS[name]().fit(clips, encoder=start), start.transform(clips)
    monkeypatch.setattr(SimCLR, "transform", None)
    model = METHODS[name]().fit(clips, encoder=start, embedding=embedding)
    np.testing.assert_array_equal(model.proba_, expected.proba_)


@pytest.mark.parametrize(("name", "encoder"), [("spice.spice", "MoCo"), ("scan", "SimCLR")], ids=["spice", "scan"])
def test_without_an_encoder_one_is_trained_first(name, encoder, monkeypatch):
    module, make = importlib.import_module(f"audioclust.methods.{name}"), METHODS[name.partition(".")[0]]
    small = partial(getattr(module, encoder), d=16, channels=8, projection=8, batch=16, epochs=2)
    monkeypatch.setattr(module, encoder, small)
    (x, _), run = sounds(), Run()
    model = make(augment=AUGMENT).fit(x, run=run)
    assert {row["phase"] for row in run.curves} == {"train", model.stage}
    expected = make(augment=AUGMENT).fit(x, encoder=small(augment=AUGMENT).fit(x))
    np.testing.assert_array_equal(model.proba_, expected.proba_)
    monkeypatch.setattr(module, encoder, None)  # nothing is trained for too few clips
    with pytest.raises(ValueError, match="n_samples=2 should be >= k=3"):
        make().fit(x[:2])
