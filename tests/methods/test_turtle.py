"""TURTLE beside the official code, and what is peculiar to it as a whole.

``golden/turtle.npz`` holds what mlbio-epfl/turtle computed in float64 for small random embeddings: ``cold_`` one space,
batches, a cold start; ``warm2_`` two spaces, batches; ``run_`` two spaces, 150 iterations on all clips; ``score_``.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from deep_fixture import close, killed_until_it_ends
from sklearn.metrics import adjusted_rand_score

from audioclust.methods import turtle
from audioclust.methods.turtle import TURTLE, Bilevel, Scale, generalisation_score, turtle_loss
from audioclust.points.ridge import kappa, loo_predictions
from audioclust.training.loop import Run

GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "turtle.npz"))
CASES = pytest.mark.parametrize("case", ["cold", "warm2", "run"])


def golden(name):
    return torch.from_numpy(GOLDEN[name])


def blobs(sizes=(30, 30, 30), d=12, seed=0, spread=2.0):
    """Return points (n, d) around a centre for each of the sizes, and which."""
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    centres = spread * np.random.default_rng(99).normal(size=(len(sizes), d))
    noise = np.random.default_rng(seed).normal(size=(len(kinds), d))
    return (centres[kinds] + noise).astype(np.float32), kinds


def official(case, dtype=torch.float64):
    """Return a training that starts where the official code did, and what it was told."""
    meta = json.loads(str(GOLDEN[f"{case}_meta"]))
    x = [golden(f"{case}_Z{s}").to(dtype) for s in range(meta["spaces"])]
    model = TURTLE(meta["k"], runs=1, gamma=meta["gamma"], warm=meta["warm_start"], inner_steps=meta["M"],
                   lr=meta["outer_lr"], inner_lr=meta["inner_lr"])  # fmt: skip
    bilevel = Bilevel(x, model)
    with torch.no_grad():
        for s, encoder in enumerate(bilevel.task):
            encoder.v[:, 0] = golden(f"{case}_task_v{s}_init")
            encoder.g[:, 0] = golden(f"{case}_task_g{s}_init")
            encoder.bias[:, 0] = golden(f"{case}_task_b{s}_init")
    return bilevel, meta


def begin(bilevel, case, t):
    """Give the classifiers the weights that the official code drew for iteration ``t``."""
    with torch.no_grad():
        for s, classifier in enumerate(bilevel.inner):
            classifier.weight[:, 0] = golden(f"{case}_inner_w{s}_init")[t]
            classifier.bias[:, 0] = golden(f"{case}_inner_b{s}_init")[t]


@CASES
def test_losses_steps_and_labels_are_the_official_ones(case):
    bilevel, meta = official(case)
    begin(bilevel, case, 0)
    for t in range(meta["T"]):
        for classifier in bilevel.inner:
            classifier.reset = lambda t=t: begin(bilevel, case, t)
        loss, learnt = bilevel.step(golden(f"{case}_idx")[t].long() if f"{case}_idx" in GOLDEN else None)
        close(learnt[:, 0], golden(f"{case}_inner_loss")[t])
        close(loss[0], golden(f"{case}_outer_loss")[t])
        if t in meta["detail"]:
            for s in range(meta["spaces"]):
                last = f"t{t}_step{meta['M'] - 1}"
                close(bilevel.inner[s].weight[:, 0].detach(), golden(f"{case}_inner_w{s}_{last}"))
                close(bilevel.inner[s].bias[:, 0].detach(), golden(f"{case}_inner_b{s}_{last}"))
                for short, name in (("v", "v"), ("g", "g"), ("b", "bias")):
                    parameter = getattr(bilevel.task[s], name)
                    close(parameter.grad[:, 0], golden(f"{case}_task_{short}{s}_grad_t{t}"))
                    close(parameter.detach()[:, 0], golden(f"{case}_task_{short}{s}_after_t{t}"))
    with torch.no_grad():
        p = sum(e(z).softmax(0) for e, z in zip(bilevel.task, bilevel.x, strict=True))[:, 0].T / meta["spaces"]
    for s, encoder in enumerate(bilevel.task):
        close(encoder.weight[:, 0].detach(), golden(f"{case}_task_w{s}_final"))
        close(encoder.bias[:, 0].detach(), golden(f"{case}_task_b{s}_final"))
    close(p, golden(f"{case}_proba_final"))
    np.testing.assert_array_equal(p.argmax(1), GOLDEN[f"{case}_labels_final"])


@pytest.mark.parametrize("case", ["cold", "warm2"])
def test_the_classifiers_first_gradients_and_step_are_the_official_ones(case):
    bilevel, _ = official(case)
    begin(bilevel, case, 0)
    z = [x[golden(f"{case}_idx")[0].long()] for x in bilevel.x]
    with torch.no_grad():
        target = sum(e(each).softmax(0) for e, each in zip(bilevel.task, z, strict=True)) / len(z)
    bilevel._learn(z, target)
    for s, classifier in enumerate(bilevel.inner):
        close(classifier.weight.grad[:, 0], golden(f"{case}_inner_gw{s}_t0_step0"))
        close(classifier.bias.grad[:, 0], golden(f"{case}_inner_gb{s}_t0_step0"))
        close(classifier.weight[:, 0].detach(), golden(f"{case}_inner_w{s}_t0_step0"))
        close(classifier.bias[:, 0].detach(), golden(f"{case}_inner_b{s}_t0_step0"))


@CASES
def test_the_score_of_a_result_is_the_official_one(case):
    spaces = [GOLDEN[name] for name in sorted(GOLDEN) if name.startswith(f"{case}_Z")]
    score = generalisation_score(spaces, GOLDEN[f"{case}_labels_final"])
    assert score == pytest.approx(float(GOLDEN[f"{case}_generalisation_score"]), abs=1e-9)


def test_the_score_of_given_labels_is_the_official_one():
    z, y = [GOLDEN["score_Z"]], GOLDEN["score_y"]
    assert generalisation_score(z, y) == pytest.approx(float(GOLDEN["score_accuracy"]), abs=1e-9)
    other = generalisation_score(z, y, folds=5, c=0.1)
    assert other == pytest.approx(float(GOLDEN["score_accuracy_kfold5_C01"]), abs=1e-9)
    assert generalisation_score(z, np.zeros_like(y)) == 1


@pytest.mark.parametrize("case", ["cold", "warm2"])
def test_losses_and_gradients_in_float32_are_the_official_ones(case):
    bilevel, _ = official(case, torch.float32)
    begin(bilevel, case, 0)
    for classifier in bilevel.inner:
        classifier.reset = lambda: None
    loss, learnt = bilevel.step(golden(f"{case}_idx")[0].long())
    nearly = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(loss[0].double(), golden(f"{case}_outer_loss")[0], **nearly)
    torch.testing.assert_close(learnt[:, 0].double(), golden(f"{case}_inner_loss")[0], **nearly)
    for s, encoder in enumerate(bilevel.task):
        torch.testing.assert_close(encoder.v.grad[:, 0].double(), golden(f"{case}_task_v{s}_grad_t0"), **nearly)


@pytest.mark.parametrize("warm", [True, False])
def test_a_run_does_not_depend_on_those_beside_it(warm):
    x = [torch.randn(30, d, dtype=torch.float64) for d in (5, 3)]
    together = Bilevel(x, TURTLE(4, runs=3, gamma=[10.0, 0.3], warm=warm))
    alone = Bilevel(x, TURTLE(4, runs=1, gamma=0.3, warm=warm))
    with torch.no_grad():  # run 1 of the second gamma
        for mine, theirs in ((alone.task, together.task), (alone.inner, together.inner)):
            for name, parameter in mine.named_parameters():
                parameter.copy_(theirs.get_parameter(name)[:, 4:5])
    if not warm:  # each draws its own: they go on from what they have
        for classifier in (*alone.inner, *together.inner):
            classifier.reset = lambda: None
    for _ in range(5):
        one, several = alone.step(), together.step()
        close(one[0][0], several[0][4])
        close(one[1][:, 0], several[1][:, 4])


def test_gammas_begin_with_the_same_weights_and_a_cold_start_draws_new_ones():
    bilevel = Bilevel([torch.randn(30, 5)], TURTLE(4, runs=3, gamma=[10.0, 0.3], warm=False, inner_steps=1))
    for weight in (bilevel.task[0].v, bilevel.task[0].bias, bilevel.inner[0].weight):
        assert torch.equal(weight[:, :3], weight[:, 3:]) and not torch.equal(weight[:, 0], weight[:, 1])
    before = bilevel.inner[0].weight.clone()
    bilevel.step()
    assert (bilevel.inner[0].weight - before).abs().max() > 0.1  # one step of Adam moves none by more than 0.01
    assert bilevel.inner_adam.state[bilevel.inner[0].weight]["step"] == 1


def test_an_empty_cluster_leaves_the_gradient_finite():
    scores = torch.tensor([[0.0, 0.0], [-500.0, -500.0]]).unsqueeze(1).requires_grad_()
    loss = turtle_loss([scores.softmax(0)], [torch.zeros(2, 1, 2).log_softmax(0)], torch.tensor([0.0]))
    loss.sum().backward()
    assert torch.isfinite(scores.grad).all()


# The method


@pytest.mark.parametrize("start", ["random", "kmeans", "ward"])
@pytest.mark.parametrize("scale", ["centre", "standardise"])
def test_separate_points_are_recovered_and_runs_agree(start, scale):
    x, kinds = blobs()
    run = Run()
    model = TURTLE(3, runs=4, start=start, scale=scale, epochs=60).fit(x, run=run)
    assert adjusted_rand_score(kinds, model.labels_) > 0.95
    assert model.kappas_.shape == (1, 4) and model.kappas_.max() > 0.95 and model.agreement_ > 0.9
    losses = [row["loss"] for row in run.curves if row["phase"] == "train"]
    assert len(losses) == 60 and losses[-1] < losses[0]
    new, truth = blobs(seed=1)
    assert adjusted_rand_score(truth, model.predict(new)) > 0.95


def test_a_start_is_what_the_task_encoders_label_first():
    x, kinds = blobs(spread=1.0)
    model = TURTLE(3, runs=2, start="kmeans", epochs=1, lr=0.05).fit(x)
    random = TURTLE(3, runs=2, epochs=1, lr=0.05).fit(x)
    assert adjusted_rand_score(kinds, model.labels_) > 0.6 > 2 * adjusted_rand_score(kinds, random.labels_)


def test_ward_clusters_some_clips_and_the_layer_labels_all(monkeypatch):
    monkeypatch.setattr(turtle, "WARD", 40)
    x, kinds = blobs()
    model = TURTLE(3, runs=2, start="ward", epochs=1, lr=0.05).fit(x)
    assert adjusted_rand_score(kinds, model.labels_) > 0.9


@pytest.mark.parametrize("start", ["random", "kmeans", "ward"])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 1), (2, 2), (12, 1)])
def test_few_clips_and_one_cluster(n, k, start):
    model = TURTLE(k, runs=2, start=start, epochs=3).fit(blobs((n,))[0])
    assert model.labels_.shape == (n,) and set(model.labels_) <= set(range(k))
    assert model.proba_.shape == (n, k) and np.isfinite(model.proba_).all()


def test_the_run_that_is_found_again_best_gives_the_labels():
    x, _ = blobs((40, 40, 40), spread=0.5)
    model = TURTLE(3, runs=6, epochs=10).fit(x)
    assert np.ptp(model.kappas_) > 0.01 and model.agreement_ < 0.99
    scaled = Scale(12, "centre").fit(torch.from_numpy(x))(torch.from_numpy(x)).numpy()
    assert kappa(model.labels_, loo_predictions(scaled, model.labels_)) == pytest.approx(model.kappas_.max(), abs=1e-9)
    assert np.isnan(TURTLE(3, runs=1, epochs=2).fit(x).agreement_)


def test_gamma_decides_how_equal_clusters_are_and_a_list_gives_a_row_each():
    x, kinds = blobs((90, 20, 10), spread=3.0)
    both = TURTLE(3, gamma=[10.0, 0.3], start="ward").fit(x)
    single = TURTLE(3, gamma=10.0, start="ward").fit(x)
    assert list(both.more_labels_) == ["gamma-0.3"] and single.more_labels_ == {} and both.kappas_.shape == (2, 8)
    np.testing.assert_array_equal(both.labels_, single.labels_)
    np.testing.assert_allclose(both.proba_, single.proba_, atol=1e-3)
    assert np.bincount(both.labels_, minlength=3).max() < 60  # of 90, 20 and 10
    other = both.more_labels_["gamma-0.3"]
    assert other.dtype == np.int32 and adjusted_rand_score(kinds, other) > 0.95
    with pytest.raises(ValueError, match=r"TURTLE.gamma = \[1.0, 1.0\]: name each value once"):
        TURTLE(3, gamma=[1.0, 1.0]).fit(x)
    for wrong in (-1.0, [], [10.0, -1.0]):
        with pytest.raises(ValueError, match=r"TURTLE.gamma = "):
            TURTLE(3, gamma=wrong).fit(x)


def test_several_embeddings_of_the_same_clips(tmp_path):
    x, kinds = blobs()
    other = blobs(d=5, seed=1)[0]
    model = TURTLE(3, runs=3, epochs=60).fit([x, other])
    assert adjusted_rand_score(kinds, model.labels_) > 0.95
    model.save(tmp_path)
    loaded = TURTLE.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict([x[:7], other[:7]]), model.labels_[:7])
    assert loaded.n_features_in_ == model.n_features_in_ == 17
    np.testing.assert_array_equal(TURTLE(3, epochs=5).fit([x]).proba_, TURTLE(3, epochs=5).fit(x).proba_)
    with pytest.raises(ValueError, match="embeddings of 90, 4 clips: all must be of the same clips"):
        TURTLE(3).fit([x, other[:4]])
    with pytest.raises(ValueError, match=r"embeddings of \[12\] dimensions: this model was fitted to \[12, 5\]"):
        loaded.predict(x)


def test_what_is_predicted_does_not_depend_on_the_clips_beside_it():
    x, new = blobs(spread=0.5)[0], blobs(spread=0.5, seed=1)[0]
    for scale in ("centre", "standardise", "none"):
        model = TURTLE(3, runs=2, epochs=10, scale=scale).fit(x)
        expected = model.predict(new)
        for rows in (slice(None, None, -1), slice(0, 20), *([i] for i in range(8))):
            np.testing.assert_array_equal(model.predict(new[rows]), expected[rows])


def test_scales_are_of_the_length_that_the_learning_rate_is_meant_for():
    x = torch.from_numpy(blobs()[0]) + 7
    centred = Scale(12, "centre").fit(x)(x)
    torch.testing.assert_close(centred.mean(0), torch.zeros(12), atol=1e-5, rtol=0)
    assert float(centred.square().sum(1).mean()) == pytest.approx(32, rel=1e-4)
    torch.testing.assert_close(Scale(12, "centre").fit(3 * x)(3 * x), centred, atol=1e-4, rtol=0)
    standard = Scale(12, "standardise").fit(x)(x)
    torch.testing.assert_close(standard.square().sum(1), torch.full((90,), 32.0))
    assert torch.equal(Scale(12, "none").fit(x)(x), x)
    equal = Scale(12, "centre").fit(x[:1].repeat(9, 1))(x[:1])
    assert float(equal.abs().max()) < 1e-5


@pytest.mark.parametrize(
    "more", [{"start": "kmeans"}, {"start": "ward", "batch": 40}, {"warm": False, "batch": 40, "gamma": [10.0, 0.3]}]
)
def test_a_killed_run_ends_byte_identical(more, tmp_path, monkeypatch):
    monkeypatch.setattr(turtle, "START_STEPS", 5)
    x, _ = blobs()
    expected = TURTLE(3, runs=2, epochs=6, **more).fit(x)
    model, _, _ = killed_until_it_ends(
        lambda run: TURTLE(3, runs=2, epochs=6, **more).fit(x, run=run), tmp_path, monkeypatch
    )
    np.testing.assert_array_equal(model.proba_, expected.proba_)
    np.testing.assert_array_equal(model.kappas_, expected.kappas_)
