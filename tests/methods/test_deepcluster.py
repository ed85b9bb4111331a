"""DeepCluster: its steps beside the official code's, and what is peculiar to it as a whole.

``golden/deepcluster.npz`` holds what facebookresearch/deepcluster returned for small random inputs:
``preprocess_features``, and counts over 400 seeds of ``UnifLabelSampler``.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.deepcluster import deepcluster
from audioclust.methods.deepcluster.deepcluster import DeepCluster, preprocess, top_layer, uniform_sample, whitening
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.training.loop import Epoch, Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import embed_views

GOLDEN = {
    name: torch.from_numpy(value)
    for name, value in np.load(Path(__file__).parents[1] / "golden" / "deepcluster.npz").items()
}
SMALL = {"epochs": 4, "reassign": 2, "batch": 20, "hidden": 32, "pca": 2, "d": 32, "channels": 8}
AUGMENT = Augment(24, "fit")


@pytest.fixture(autouse=True)
def single():
    """Small tensors; and two threads that share cores with others are slow."""
    torch.manual_seed(0)
    with one_thread():
        yield


def patterns(n=60, k=3, f=16, t=24, seed=0):
    """Return log-mels (n, f, t) of k bands, each swelling at a rate of its own from a random phase, and the bands."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    bands, times = np.arange(f)[:, None], np.arange(t)
    near = np.exp(-0.5 * ((bands - f * (truth[:, None, None] + 0.5) / k) / 1.5) ** 2)
    swell = 1 + 0.2 * np.sin(2 * np.pi * times / (6 + 3 * truth[:, None, None]) + rng.uniform(0, 6, (n, 1, 1)))
    return (-8 + 4 * near * swell + 0.3 * rng.standard_normal((n, f, t))).astype(np.float32), truth


def make(k=3, **parameters):
    return DeepCluster(k, **SMALL | parameters, augment=AUGMENT)


# Whitening


def test_preprocessing_is_the_official_one_up_to_signs():
    x, out = GOLDEN["preprocess_x"], GOLDEN["preprocess_out"].double()
    mine = preprocess(x, *whitening(x, 6)).double()
    torch.testing.assert_close(mine @ mine.T, out @ out.T, rtol=0, atol=1e-4)
    torch.testing.assert_close((mine * out).sum(0).abs(), out.square().sum(0), rtol=0, atol=1e-3)


def test_whitened_dimensions_are_uncorrelated_and_rows_have_length_1():
    x = torch.randn(400, 8) @ torch.randn(8, 8) + 5
    mean, projection = whitening(x, 5)
    torch.testing.assert_close(torch.cov(((x - mean) @ projection).T, correction=0), torch.eye(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(preprocess(x, mean, projection).norm(dim=1), torch.ones(400))


def test_axes_on_which_nothing_differs_stay_empty():
    x = torch.randn(50, 2) @ torch.randn(2, 6) + 100
    assert (preprocess(x, *whitening(x, 4)).norm(dim=1) > 0.999).all()
    assert (whitening(x, 4)[1].norm(dim=0) > 0).sum() == 2
    assert not preprocess(torch.full((9, 6), 0.1), *whitening(torch.full((9, 6), 0.1), 3)).any()


# Sampling


def test_the_sample_is_uniform_over_pseudo_labels_as_the_official_sampler_is():
    labels = GOLDEN["sampler_labels"]
    counts = torch.stack(
        [torch.bincount(labels[uniform_sample(labels, 300)], minlength=8) for _ in range(400)]
    ).double()
    error = 4 * GOLDEN["sampler_std_count_per_cluster"] / 400**0.5
    assert ((counts.mean(0) - GOLDEN["sampler_expected_count_per_cluster"]).abs() <= error).all()
    assert ((counts.mean(0) - GOLDEN["sampler_mean_count_per_cluster"]).abs() <= 1.5 * error).all()
    torch.testing.assert_close(counts.std(0), GOLDEN["sampler_std_count_per_cluster"], rtol=0.15, atol=0)
    assert (counts.amax(0) == GOLDEN["sampler_max_count"]).all()


def test_large_clusters_are_drawn_from_without_replacement_small_ones_with():
    labels = torch.tensor([0] * 3 + [2] * 60 + [5] * 37)
    drawn = torch.bincount(uniform_sample(labels, 100), minlength=100)
    assert drawn.sum() == 100
    assert drawn[3:].max() == 1 and drawn[:3].max() > 1
    assert drawn[:3].min() > 0  # 33 draws of 3


def test_a_sample_of_several_passes_and_of_one_cluster():
    labels = torch.tensor([0] * 10 + [1] * 90)
    counts = torch.bincount(labels[uniform_sample(labels, 400)])
    assert counts.sum() == 400 and (counts - 200).abs().max() <= 1
    assert len(uniform_sample(torch.zeros(7, dtype=torch.int64), 7)) == 7


def test_positions_are_those_of_the_clips():
    """The official loop reads them in a data set sorted by cluster; here the label of a drawn clip is its own."""
    labels = torch.randint(5, (200,))
    sample = uniform_sample(labels, 200)
    assert sample.min() >= 0 and sample.max() < 200
    assert torch.bincount(labels[sample]).float().std() < 3


def test_the_top_layer():
    top = top_layer(400, 50)
    assert not top.bias.any()
    assert top.weight.std().item() == pytest.approx(0.01, rel=0.05)


# The method


@pytest.mark.parametrize(("frontend", "views"), [("deepcluster", "weak"), ("deepcluster", "strong"), ("decar", "weak")])
def test_patterns_are_recovered(frontend, views):
    x, truth = patterns()
    before = x.copy()
    run = Run()
    model = make(frontend=frontend, views=views, backbone="audiontt").fit(x, run=run)
    assert model.labels_.dtype == np.int32 and adjusted_rand_score(model.labels_, truth) == 1
    assert model.labels_[0] == 0 and model.centres_.shape == (3, 2)
    assert [row["epoch"] for row in run.curves] == [0, 1, 2, 3]
    assert run.curves[0]["nmi"] == 0 and all(0.3 < row["nmi"] <= 1 for row in run.curves[1:])
    np.testing.assert_array_equal(x, before)


def test_the_network_learns_the_pseudo_labels():
    x, truth = patterns()
    run = Run()
    make(clusters=3, epochs=2, reassign=20, dropout=0.0, views="weak").fit(x, run=run)
    assert run.curves[0]["loss"] < 0.8 * np.log(3)
    assert adjusted_rand_score(make(clusters=3).fit(x).labels_, truth) == 1


@pytest.mark.parametrize(
    ("parameters", "n", "message"),
    [
        ({"clusters": 9}, 5, "n_samples=5 should be >= clusters=9"),
        ({"k": 1}, 1, "n_samples=1: at least 2 clips"),
        ({"start": "pretext"}, 5, "needs an encoder"),
    ],
)
def test_what_cannot_be_done_is_an_error(parameters, n, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(patterns(n)[0])


@pytest.mark.parametrize("n", [2, 3, 7])
def test_one_clip_per_cluster(n):
    assert make(n).fit(patterns(n)[0]).labels_.tolist() == list(range(n))


def test_a_cluster_that_is_empty_in_the_middle_of_training(monkeypatch):
    calls = []

    def without_one(x, k, **settings):
        found = deepcluster_kmeans(x, k, **settings)
        calls.append(k)
        return found._replace(labels=found.labels.where(found.labels != 1, 0)) if len(calls) == 2 else found

    deepcluster_kmeans = deepcluster.kmeans
    monkeypatch.setattr(deepcluster, "kmeans", without_one)
    x, truth = patterns()
    model = make().fit(x)
    assert calls == [6, 6, 6, 6]
    assert adjusted_rand_score(model.labels_, truth) == 1


@pytest.mark.parametrize(("k", "n", "expected"), [(3, 1000, 30), (10, 450, 45), (5, 20, 5)])
def test_the_number_of_pseudo_labels(k, n, expected):
    assert DeepCluster(k)._pseudo_labels(n) == expected
    assert DeepCluster(k, clusters=17)._pseudo_labels(n) == 17


@pytest.mark.parametrize(
    ("n", "d", "most", "expected"),
    [(10_000, 512, 256, 256), (10_000, 64, 256, 32), (450, 512, 256, 22), (5, 512, 256, 2), (10_000, 512, 18, 18)],
)
def test_the_number_of_whitened_dimensions(n, d, most, expected):
    assert DeepCluster(3)._whitening(torch.randn(n, d), most)[1].shape == (d, expected)


def test_the_body_keeps_its_momentum_and_the_top_layer_starts_anew(monkeypatch):
    optimisers, tops = [], []
    sgd, layer = torch.optim.SGD, deepcluster.top_layer
    monkeypatch.setattr(torch.optim, "SGD", lambda *a, **kw: optimisers.append(sgd(*a, **kw)) or optimisers[-1])
    monkeypatch.setattr(deepcluster, "top_layer", lambda *a: tops.append(layer(*a)) or tops[-1])
    make(epochs=3).fit(patterns()[0])
    body, *others = (optimiser.param_groups[0] for optimiser in optimisers)
    assert body["momentum"] == 0.9 and len(others) == 3 == len(tops)
    for group, top in zip(others, tops, strict=True):
        assert group["momentum"] == 0 and group["params"][0] is top.weight
        assert group["lr"] == body["lr"] == 0.05 and group["weight_decay"] == body["weight_decay"] == 1e-5


def test_a_new_top_layer_gets_twenty_steps_unless_passes_are_given(monkeypatch):
    steps, add = [], Epoch.add

    def counting(self, **metrics):
        steps.extend([self.number] * ("loss" in metrics))
        add(self, **metrics)

    monkeypatch.setattr(Epoch, "add", counting)
    x, _ = patterns()
    make(epochs=2, reassign=None).fit(x)
    assert [steps.count(epoch) for epoch in (0, 1)] == [21, 21]
    steps.clear()
    make(epochs=2, reassign=1).fit(x)
    assert [steps.count(epoch) for epoch in (0, 1)] == [3, 3]


# DECAR


def test_decar_is_one_word(tmp_path):
    """Its network, its input, and its sizes: 512 pseudo-labels, 128 dimensions, batches of 64."""
    x, _ = patterns()
    model = DeepCluster(3, frontend="decar", epochs=1, reassign=1, augment=AUGMENT).fit(x)
    assert model.architecture_[0] == "efficientnet_b0" and model.network_[0].d == 1280
    layers = [(type(m).__name__, getattr(m, "out_features", getattr(m, "p", None))) for m in model.network_[1:]]
    assert layers == [("Dropout", 0.5), ("Linear", 512), ("ReLU", None), ("Dropout", 0.5), ("Linear", 512)]
    assert model._pseudo_labels(20_000) == 512 and model._pseudo_labels(100) == 10
    assert model._defaults.batch == 64
    assert model._whitening(torch.randn(3000, 512), model._most)[1].shape == (512, 128)
    model.save(tmp_path)
    np.testing.assert_array_equal(DeepCluster.load(tmp_path).predict(x), model.labels_)


def test_a_size_that_is_given_stands_beside_decars():
    model = DeepCluster(3, frontend="decar", clusters=9, pca=4, batch=10, backbone="grid", d=16, channels=4, epochs=1)
    model.fit(patterns()[0])
    assert (model.architecture_[0], model.batch_, model._most, model._pseudo_labels(60)) == ("grid", 10, 4, 9)


def test_decar_does_not_hear_how_loud_a_clip_is():
    x, _ = patterns()
    louder = x + np.random.default_rng(1).uniform(-4, 4, (60, 1, 1)).astype(np.float32)
    seen = {}
    for frontend in ("deepcluster", "decar"):
        model = make(frontend=frontend, backbone="audiontt", epochs=1).fit(x)
        clips, same = (Clips.of(each, mean=model.mean_, std=model.std_) for each in (louder, x))
        seen[frontend] = (model._features(clips, 0) - model._features(same, 0)).abs().max().item()
    assert seen["decar"] < 1e-3 < seen["deepcluster"]


def test_decar_from_an_encoder_reads_what_the_encoder_reads():
    x, _ = patterns()
    encoder = SimCLR(d=16, channels=4, epochs=1, batch=20, augment=AUGMENT).fit(x)
    model = make(frontend="decar", start="pretext", epochs=1).fit(x, encoder=encoder)
    assert model.architecture_[0] == "audiontt"
    batch = Clips.of(x, mean=model.mean_, std=model.std_)[torch.arange(5)]
    assert torch.equal(model._original(*batch), model.augment_.original_view(*batch))


# The start


def test_from_scratch_no_encoder_is_needed_and_none_is_used():
    x, truth = patterns()
    model = make(start="scratch").fit(x, encoder=None, embedding=None)
    assert adjusted_rand_score(model.labels_, truth) == 1 and model.architecture_ == ["audiontt", 32, 16, 8]
    encoder = SimCLR(d=16, channels=4, epochs=1, batch=20, augment=Augment(16), views=3).fit(x)
    other = make(start="scratch").fit(x, encoder=encoder, embedding=encoder.transform(x))
    assert torch.equal(other.centres_, model.centres_)


def test_initialised_from_an_encoder_trained_without_labels():
    x, truth = patterns()
    encoder = SimCLR(backbone="audiontt", d=16, channels=4, epochs=1, batch=20, augment=AUGMENT).fit(x)
    still = {"lr": 1e-30, "weight_decay": 0.0}
    model = make(start="pretext", **still).fit(x, encoder=encoder)
    for mine, theirs in zip(model.network_[0].parameters(), encoder.backbone_.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert adjusted_rand_score(make(start="pretext").fit(x, encoder=encoder).labels_, truth) == 1


def test_the_result_is_found_in_few_dimensions_of_the_encoders_views(tmp_path):
    x, _ = patterns(200)
    encoder = SimCLR(d=16, channels=4, epochs=1, batch=20, augment=AUGMENT, views=4).fit(x)
    model = make(start="pretext", pca=16).fit(x, encoder=encoder)
    assert model.axes_.shape[1] == 2 * model.k
    features = embed_views(model.network_, Clips.of(x, mean=model.mean_, std=model.std_), model.augment_, 4)
    distances = torch.cdist(deepcluster.preprocess(features, model.mean_features_, model.axes_), model.centres_)
    np.testing.assert_array_equal(model.labels_, distances.argmin(1).numpy())
    assert not torch.equal(features, model._features(Clips.of(x, mean=model.mean_, std=model.std_), 0))
    model.save(tmp_path)
    np.testing.assert_array_equal(DeepCluster.load(tmp_path).predict(x), model.labels_)
