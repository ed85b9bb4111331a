"""The contract of every deep method, on the same few sounds; a new file in ``audioclust/methods`` must keep it too.

``TEST_DEVICE=cuda pytest tests/methods/test_contract.py`` tries it on a GPU.
"""

import copy
import os
import warnings

import numpy as np
import pytest
import torch
from deep_fixture import FRONT_END, killed_until_it_ends, sounds
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from audioclust import registry
from audioclust.parameters import types, values
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Embedded

DEVICE = os.environ.get("TEST_DEVICE", "cpu")
NAMES = registry.names("methods")
LOGMEL = [name for name in NAMES if registry.get("methods", name).input == "logmel"]
AUGMENT = Augment(width=16, length="fit", weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))
# Settings that train in a second and recover the sounds; of a method without an entry, those of SHRUNK that it has.
SHRUNK = {"epochs": 8, "runs": 8, "batch": 20, "heads": 3, "neighbours": 8, "lr": 0.003, "d": 16, "channels": 8}
SPICE = {"heads": 3, "epochs": 6, "pool": 60, "batch": 20, "lr": 0.02, "views": 3}
JOINT = {"confidence": 0.6, "balance": 0.3, "agreement": 0.8, "joint_batch": 6, "mu": 3}
SCAN = {"neighbours": 8, "epochs": 12, "batch": 20, "lr": 0.003, "views": 3, "norm": "eval"}
SELFLABEL = {"threshold": 0.4, "selflabel_epochs": 3, "selflabel_batch": 30, "selflabel_lr": 0.001}
EMBEDDED = "embedded"  # of clips that a frozen encoder has embedded
NETWORK = {"d": 16, "channels": 8, "projection": 16, "batch": 20}
CC = NETWORK | {"epochs": 20, "lr": 0.003}
DEC = {"hidden": [32, 16], "d": 4, "layer_epochs": 5, "whole_epochs": 20, "epochs": 10, "batch": 20, "lr": 0.01}
IDFD = NETWORK | {"epochs": 20, "n_init": 3, "alpha": 1.0}
PCL = NETWORK | {"epochs": 20, "momentum": 0.9, "n_init": 3}
DEEPCLUSTER = {"epochs": 3, "batch": 20, "hidden": 32, "pca": 4}
SMALL = {
    "spice": {
        "self": SPICE | {"stage": "self", "refresh": 2},
        "joint": SPICE | JOINT | {"joint_epochs": 10, "mu": 1},
        "joint, encoder": SPICE | JOINT | {"joint_epochs": 4, "joint_start": "encoder", "joint_lr": 0.01},
        EMBEDDED: SPICE | {"stage": "self"},
    },
    "scan": {
        "heads": SCAN | {"stage": "cluster", "update": "heads", "heads": 3, "lr": 0.1, "refresh": 2},
        "all": SCAN | {"stage": "cluster", "heads": 3},
        "selflabel": SCAN | SELFLABEL | {"norm": "train", "heads": 4, "epochs": 12},
        EMBEDDED: SCAN | {"stage": "cluster", "heads": 3, "lr": 0.1},
    },
    "temi": {
        "temi": {"heads": 3, "neighbours": 10, "batch": 20, "epochs": 12, "warmup_epochs": 2, "lr": 0.01,
                 "min_lr": 0.005, "momentum": 0.9, "hidden": 64, "bottleneck": 32, "scale": "standardise",
                 "noise": 0.1},
    },
    "cc": {
        "both": CC,
        "instance": CC | {"heads": "instance"},
    },
    "dec": {
        "dec": DEC,
        "kmeans": DEC | {"backprop": False},
    },
    "idec": {"idec": DEC | {"lr": 0.001}},
    "idfd": {variant: IDFD | {"variant": variant} for variant in ("id", "idfo", "idfd")},
    "pcl": {"pcl": PCL},
    "cmsc_dcca": {
        "cmsc_dcca": {"d": 4, "channels": 4, "hidden": [16], "pretrain_epochs": 20, "batch": 20, "epochs": 10},
    },
    "deepcluster": {
        "pretext": DEEPCLUSTER | {"start": "pretext"},
        "scratch": DEEPCLUSTER | {"d": 32, "channels": 8, "reassign": 2},
    },
}  # fmt: skip


def settings(name):
    """Return the settings of a method by their names."""
    had = types(registry.get("methods", name))
    return SMALL.get(name, {"shrunk": {key: value for key, value in SHRUNK.items() if key in had}})


CASES = [pytest.param(name, case, id=f"{name}-{case}") for name in NAMES for case in settings(name)]
cases = pytest.mark.parametrize(("name", "case"), CASES)
names = pytest.mark.parametrize("name", NAMES)
on_logmels = pytest.mark.parametrize("name", LOGMEL)


@pytest.fixture(scope="module")
def start():
    """An encoder that tells the sounds apart."""
    with one_thread():
        return SimCLR(d=16, channels=8, epochs=20, batch=20, lr=0.003, augment=AUGMENT, device=DEVICE).fit(sounds()[0])


@pytest.fixture(scope="module")
def viewed(start, tmp_path_factory):
    """The same encoder, embedding a clip by the mean of three views that differ much."""
    folder = tmp_path_factory.mktemp("encoder")
    start.save(folder)
    encoder = SimCLR.load(folder, DEVICE)
    weak = ("crop", "stretch", "mixup", "gain", "noise", "time_mask")
    return encoder.set_params(views=3, augment=Augment(**values(AUGMENT) | {"weak": weak, "length": "crop"}))


def make(name, case=None, k=3, **parameters):
    kind = registry.get("methods", name)
    case = next(iter(settings(name))) if case is None else case
    more = {"augment": AUGMENT} if kind.input == "logmel" else {}
    model = kind(k, **settings(name)[case] | more | {"device": DEVICE} | parameters)
    if case == EMBEDDED:
        model.input = EMBEDDED
    return model


def short(name, case=None, **parameters):
    """Return a model of fewer epochs, for what does not depend on how it ends."""
    case = next(iter(settings(name))) if case is None else case
    few = {key: min(value, 4) for key, value in settings(name)[case].items() if key.endswith("epochs")}
    return make(name, case, **few | parameters)


def given(model, x, start):
    """Return what the method takes of the clips ``x``."""
    if model.input == "views":
        return [x, start.transform(x)]
    if model.input == EMBEDDED:
        noise = np.random.default_rng(0).normal(0, 0.3, (3, *x.shape)).astype(np.float32)
        views = np.stack([start.transform(x + each) for each in noise])
        return Embedded(start.transform(x), weak=views[:1], strong=views[1:])
    return x if model.input == "logmel" else start.transform(x)


def fit(model, x, start, y=None, **more):
    return model.fit(given(model, x, start), y, encoder=start, embedding=start.transform(x), **more)


def found(model):
    """Return all that was learnt about the training clips."""
    if hasattr(model, "proba_"):
        return model.proba_
    if hasattr(model, "codes_"):
        return np.column_stack([model.labels_, model.codes_.cpu()])
    return np.column_stack([model.labels_, model.centres_.cpu()[model.labels_]])


@cases
def test_separable_sounds_are_recovered(name, case, start):
    x, kinds = sounds()
    model = fit(make(name, case), x, start)
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    assert model.labels_.shape == (60,) and model.labels_.dtype == np.int32
    predicted = model.predict(given(model, x, start))
    np.testing.assert_array_equal(predicted, model.labels_)
    assert predicted.dtype == np.int32
    new, truth = sounds(seed=1)
    assert adjusted_rand_score(truth, model.predict(given(model, new, start))) > 0.9
    if hasattr(model, "proba_"):
        assert model.proba_.dtype == np.float32
        np.testing.assert_allclose(model.proba_.sum(1), 1, atol=1e-5)
        np.testing.assert_array_equal(model.proba_.argmax(1), model.labels_)


@names
def test_same_seed_same_labels_and_nothing_of_the_callers_is_changed(name, start):
    x, _ = sounds()
    embedding, weights = start.transform(x), {n: v.clone() for n, v in start.backbone_.state_dict().items()}
    before = x.copy(), embedding.copy()
    models = [short(name, random_state=seed) for seed in (0, 0, 1)]
    arguments = models[0].get_params()
    for model in models:
        torch.rand(3)
        state = torch.get_rng_state()
        model.fit(given(model, x, start), encoder=start, embedding=embedding)
        assert torch.equal(torch.get_rng_state(), state)
    one, two, other = (found(model) for model in models)
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(embedding, before[1])
    assert not start.backbone_.training
    assert all(torch.equal(value, weights[n]) for n, value in start.backbone_.state_dict().items())
    assert models[0].get_params() == arguments


@names
def test_labels_given_to_fit_are_ignored(name, start):
    x, kinds = sounds()
    np.testing.assert_array_equal(found(fit(short(name), x, start, kinds)), found(fit(short(name), x, start)))


@cases
def test_a_killed_run_ends_byte_identical(name, case, start, tmp_path, monkeypatch):
    x, _ = sounds()
    whole = Run()
    expected = fit(short(name, case), x, start, run=whole)
    model, run, ended = killed_until_it_ends(
        lambda run: fit(short(name, case), x, start, run=run), tmp_path, monkeypatch
    )
    assert ended > len(run.curves) > 0
    np.testing.assert_array_equal(found(model), found(expected))
    assert run.curves == whole.curves


@cases
def test_a_loaded_model_predicts_and_saves_the_same(name, case, start, tmp_path):
    x, _ = sounds()
    model = fit(short(name, case, k=np.int64(3)), x, start)
    model.save(tmp_path / "one")
    state = torch.get_rng_state()
    loaded = type(model).load(tmp_path / "one", DEVICE)
    assert torch.equal(torch.get_rng_state(), state)
    new = given(model, sounds(seed=2)[0], start)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    loaded.save(tmp_path / "two")
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / f).iterdir()} for f in ("one", "two"))
    assert one == two and set(one) == {"config.json", "model.safetensors"}


@on_logmels
def test_what_is_predicted_does_not_depend_on_the_clips_beside_it(name, viewed):
    x, new = sounds()[0], sounds(40, seed=3)[0]
    viewed.augment_ = viewed.augment
    model = fit(short(name, augment=viewed.augment), x, viewed)
    assert getattr(model, "encoder_views_", 3) == 3 or name == "deepcluster"
    expected, embedding = model.predict(new), viewed.transform(new)
    order = np.random.default_rng(0).permutation(len(new))
    for rows in (order, slice(0, 20), slice(20, 40), *([i] for i in range(8)), [*range(40), 0]):
        np.testing.assert_allclose(viewed.transform(new[rows]), embedding[rows], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(model.predict(new[rows]), expected[rows])


@names
def test_more_clusters_than_clips_is_an_error(name, start):
    with pytest.raises(ValueError, match="n_samples=4 should be >= k=8"):
        fit(make(name, k=8), sounds(4)[0], start)


@names
def test_as_many_clusters_as_clips(name, start):
    labels = fit(make(name, k=4), sounds(4, k=4)[0], start).labels_
    assert labels.shape == (4,) and set(labels) <= set(range(4))


@names
def test_clips_that_are_not_finite_are_an_error(name, start):
    x, _ = sounds()
    whole = given(make(name), x, start)
    for place in range(2 if isinstance(whole, list) else 1):
        bad = copy.deepcopy(whole)
        view = bad[place] if isinstance(whole, list) else bad
        view[(7, 2, 3)[: view.ndim]] = np.nan
        with pytest.raises(ValueError, match=r"clip 7 is not finite|row 7 of the points is not finite"):
            make(name).fit(bad, encoder=start, embedding=start.transform(x))


@names
def test_equal_clips_end_in_one_cluster(name, start):
    x = np.full((12, 16, 24), -5, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # none of them may be sure of its cluster
        assert len(np.unique(fit(make(name), x, start).labels_)) == 1


WRONG = [
    ("k", "three", "integer"), ("k", 0, "greater than or equal to"), ("epochs", 0, "greater than or equal to 1"),
    ("epochs", 1.5, "integer"), ("runs", 0, "greater than or equal to 1"), ("lr", -1.0, "greater than 0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameter", "value", "rule"),
    [(name, *wrong) for name in NAMES for wrong in WRONG if wrong[0] in types(registry.get("methods", name))],
)
def test_wrong_parameters_are_refused_before_anything_else(name, parameter, value, rule):
    kind = registry.get("methods", name)
    with pytest.raises(ValueError, match=rf"^{kind.__name__}\.{parameter} = {value!r}: .*{rule}"):
        make(name).set_params(**{parameter: value}).fit(None)


@names
def test_what_is_not_fitted_says_so(name, tmp_path):
    model = make(name)
    for use in (lambda: model.predict(sounds()[0]), lambda: model.save(tmp_path)):
        with pytest.raises(NotFittedError, match=type(model).__name__):
            use()


@names
def test_parameters_can_be_read_set_and_copied(name):
    passes = "epochs" if "epochs" in types(registry.get("methods", name)) else "runs"
    model = make(name, k=4, random_state=3, **{passes: 7})
    assert model.get_params()["k"] == 4 and model.get_params()[passes] == 7
    again = clone(model.set_params(k=5))
    assert again is not model and again.k == 5 and getattr(again, passes) == 7 and again.random_state == 3
    assert again.get_params() == model.get_params()


@on_logmels
def test_frames_without_signal_are_ignored(name, start):
    x, _ = sounds()
    padded = [np.concatenate([x, np.full((60, 16, 8), value, np.float32)], axis=2) for value in (-16, 100)]
    models = [short(name).fit(p, frames=np.full(60, 24), encoder=start) for p in padded]
    np.testing.assert_array_equal(*(model.labels_ for model in models))
    np.testing.assert_array_equal(models[0].predict(padded[1], frames=np.full(60, 24)), models[0].labels_)


@on_logmels
def test_other_bands_are_an_error(name, start):
    x, _ = sounds()
    model = fit(short(name), x, start)
    with pytest.raises(ValueError, match="views of 8 bands: this network was trained on 16"):
        model.predict(x[:, :8])


@on_logmels
def test_another_front_end_is_an_error(name, start, tmp_path):
    x, _ = sounds()
    model = short(name).fit(Clips(x, front_end=FRONT_END), encoder=start, embedding=start.transform(x))
    model.save(tmp_path)
    assert model.front_end_ == FRONT_END
    for each in (model, type(model).load(tmp_path, DEVICE)):
        assert each.front_end_ == FRONT_END
        with pytest.raises(ValueError, match="mel_scale = 'htk', not 'slaney'"):
            each.predict(Clips(x, front_end=FRONT_END | {"mel_scale": "htk"}))
        with pytest.raises(ValueError, match=r"mel_scale = unknown, not 'slaney'.*front_end=model\.front_end_"):
            each.predict(x)
        for same in (each.predict(x, front_end=each.front_end_), each.predict(Clips(x, front_end=FRONT_END))):
            np.testing.assert_array_equal(same, model.labels_)
    assert fit(short(name), x, start).front_end_ is None
