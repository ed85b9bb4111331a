"""SPICE: its pieces beside the official code's, and the whole on sounds that are easy to tell apart.

``golden/spice.npz`` holds what the official functions (niuchuangnn/SPICE) returned for small random inputs.
"""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deep_fixture import golden, killed_until_it_ends, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods import spice
from audioclust.methods.spice import SPICE
from audioclust.nn import fixmatch, reliable
from audioclust.nn.augment import Augment
from audioclust.nn.training import Run
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread


@pytest.fixture(autouse=True)
def single():
    """Small tensors; and two threads that share cores with others are slow."""
    with one_thread():
        yield


# The pieces, beside the official code


@pytest.mark.parametrize(("case", "ratio"), [("estep", 1.0), ("estep_ratio", 0.8)])
def test_e_step_is_the_official_one(case, ratio):
    g = golden("spice.npz", case)
    selected, labels = spice.e_step(g["features"], g["probs"], ratio)
    assert torch.equal(selected, g["selected_idx"])
    assert torch.equal(labels.expand_as(selected), g["pseudo_labels"])
    m, k = g["probs"].shape[1:]
    means = spice.prototypes(g["features"], g["probs"], int(0.5 * (m // k) * ratio))
    torch.testing.assert_close(means, g["prototypes"], rtol=0, atol=1e-9)


def test_exclusive_e_step_is_the_official_one():
    g = golden("spice.npz", "estep_v2_exclusive")
    selected, labels = spice.e_step(g["features"], g["probs"][None], exclusive=True)
    assert torch.equal(selected[0], g["selected_idx"])
    assert torch.equal(labels, g["pseudo_labels"])
    assert len(selected[0].unique()) == len(labels)


def test_double_softmax_cross_entropy_is_the_official_one():
    g = golden("spice.npz", "double_softmax_ce")
    hidden = F.relu(g["x"] @ g["lin1_w"].mT + g["lin1_b"][:, None])
    logits = hidden @ g["lin2_w"].mT + g["lin2_b"][:, None]
    torch.testing.assert_close(logits, g["logits"], rtol=0, atol=1e-9)
    torch.testing.assert_close(logits.softmax(2), g["probs"], rtol=0, atol=1e-9)
    losses = spice.double_softmax_ce(logits, g["targets"])
    torch.testing.assert_close(losses, g["head_losses"], rtol=0, atol=1e-9)
    torch.testing.assert_close(losses.mean(), g["mean_loss"], rtol=0, atol=1e-9)


def test_double_softmax_cross_entropy_has_the_stated_bounds():
    logits = torch.tensor([[[1e4, 0.0, 0.0, 0.0]]])
    right, wrong = (float(spice.double_softmax_ce(logits, torch.tensor([y]))) for y in (0, 1))
    assert right == pytest.approx(np.log(np.e + 3) - 1) and wrong == pytest.approx(np.log(np.e + 3))


def test_reliable_labels_are_the_official_ones():
    g = golden("spice.npz", "reliable")
    rows = reliable.reliable(g["features"], g["probs"], 20, 0.9, 0.99).nonzero()[:, 0]
    labels = g["probs"][rows].argmax(1)
    assert torch.equal(rows, g["reliable_idx_before_balancing"])
    assert torch.equal(labels, g["reliable_labels_before_balancing"])
    kept = reliable.balanced(labels, 5)
    assert torch.equal(rows[kept], g["balanced_idx_noshuffle"])
    assert torch.equal(labels[kept], g["balanced_labels_noshuffle"])


def test_balancing_cuts_after_a_shuffle_as_the_official_code_does():
    g = golden("spice.npz", "reliable")
    rows, labels = g["reliable_idx_before_balancing"], g["reliable_labels_before_balancing"]
    rng = np.random.RandomState(1401)
    shuffled = []
    for c in range(5):
        order = np.arange(int((labels == c).sum()))
        rng.shuffle(order)
        shuffled.append((labels == c).nonzero()[:, 0][order])
    order = torch.cat(shuffled)
    kept = reliable.balanced(labels[order], 5)
    assert torch.equal(rows[order][kept], g["balanced_idx_npseed"])
    assert torch.equal(labels[order][kept], g["balanced_labels_npseed"])


@pytest.mark.parametrize(
    ("case", "arguments"), [("case0", (10, 20, 40, 50, 0.5, 0.95)), ("case1", (5, -1, -1, 30, 0.4, 0.9))]
)
def test_the_ratio_schedule_is_the_official_one(case, arguments):
    expected = golden("spice.npz", "ratio_schedule")[case]
    ours = [spice.ratio_schedule(i, *arguments) for i in range(len(expected))]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_fixmatch_losses_are_the_official_ones():
    g = golden("spice.npz", "fixmatch")
    strong = g["logits_ulb_strong"].requires_grad_()
    hard, sure = fixmatch.consistency(g["logits_ulb_weak"], strong, 0.95)
    soft, _ = fixmatch.consistency(g["logits_ulb_weak"], strong, 0.95, temperature=0.5)
    hard.backward()
    supervised = F.cross_entropy(g["logits_lb"], g["y_lb"])
    torch.testing.assert_close(hard, g["unsup_loss_hard"], rtol=0, atol=1e-9)
    torch.testing.assert_close(soft, g["unsup_loss_soft"], rtol=0, atol=1e-9)
    torch.testing.assert_close(supervised + hard, g["total_hard"], rtol=0, atol=1e-9)
    torch.testing.assert_close(strong.grad, g["grad_strong_hard"], rtol=0, atol=1e-9)
    assert float(sure) == pytest.approx(float(g["mask_mean"]))


# The pieces, at their limits


def test_an_empty_cluster_gets_its_share():
    """A head that gives cluster 2 to no clip still has m / k pseudo-labels for it."""
    features = F.normalize(torch.randn(60, 8), dim=1)
    probs = torch.randn(2, 60, 3).mul(5).softmax(2)
    probs[1, :, 2] = 0
    selected, labels = spice.e_step(features, probs)
    assert selected.shape == (2, 60) and torch.bincount(labels).tolist() == [20, 20, 20]


def test_one_clip_a_cluster_and_equal_clips():
    features = F.normalize(torch.randn(5, 8), dim=1)
    selected, labels = spice.e_step(features, torch.eye(5)[None])
    assert selected.tolist() == [[0, 1, 2, 3, 4]] and labels.tolist() == [0, 1, 2, 3, 4]
    selected, _ = spice.e_step(torch.ones(9, 4) / 2, torch.full((1, 9, 3), 1 / 3), exclusive=True)
    assert sorted(selected[0].tolist()) == list(range(9))


def test_a_quantile_keeps_labels_where_a_cluster_is_empty():
    labels = torch.tensor([0] * 10 + [1] * 6 + [3] * 4)
    assert len(reliable.balanced(labels, 4)) == 0
    assert torch.bincount(labels[reliable.balanced(labels, 4, 0.5)], minlength=4).tolist() == [5, 5, 0, 4]


# The whole


AUGMENT = Augment(width=16, weak=["crop", "gain"], strong=["crop", "tilt", "time_mask"])


@pytest.fixture(scope="module")
def start():
    """Stage 1."""
    with one_thread():
        return SimCLR(d=16, channels=8, epochs=20, batch=20, lr=0.003, augment=AUGMENT).fit(sounds()[0])


def make(k=3, **parameters):
    """Return a SPICE that is small enough to train in a second."""
    small = {"heads": 3, "epochs": 6, "pool": 60, "batch": 20, "lr": 0.02, "views": 3, "joint_epochs": 6,
             "joint_batch": 6, "mu": 3, "confidence": 0.6, "balance": 0.3, "agreement": 0.8}  # fmt: skip
    return SPICE(k, **{**small, **parameters}, augment=AUGMENT)


SETTINGS = {
    "frozen": {"stage": "self", "refresh": 2},
    "fine-tuned": {"stage": "self", "finetune": True, "passes": 2},
    "batch norm in train mode": {"stage": "self", "finetune": True, "passes": 2, "norm": "train"},
    "exclusive, ratio": {"stage": "self", "exclusive": True, "ratio": (0.5, 1.0)},
    "joint, fresh": {"joint_start": "fresh", "joint_epochs": 20},
    "joint, updated": {"joint_start": "encoder", "reliable": "updated", "joint_lr": 0.01},
    "joint, adam": {"scale": "standardise", "joint_start": "encoder", "joint_optimiser": "adam", "joint_lr": 0.001},
}


@pytest.mark.parametrize("parameters", SETTINGS.values(), ids=SETTINGS)
def test_separable_sounds_are_recovered(parameters, start):
    x, kinds = sounds()
    model = make(**parameters).fit(x, encoder=start)
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    assert model.labels_.dtype == np.int32 and model.proba_.dtype == np.float32
    np.testing.assert_allclose(model.proba_.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.proba_.argmax(1), model.labels_)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    new, truth = sounds(seed=1)
    assert adjusted_rand_score(truth, model.predict(new)) > 0.9


@pytest.mark.parametrize("parameters", SETTINGS.values(), ids=SETTINGS)
def test_a_killed_run_ends_as_one_that_was_not(parameters, tmp_path, monkeypatch, start):
    """Killed in every second epoch, it is gone on with until it ends, bit for bit as without."""
    x, _ = sounds()
    whole = Run()
    expected = make(**parameters).fit(x, encoder=start, run=whole)
    model, run, ended = killed_until_it_ends(
        lambda run: make(**parameters).fit(x, encoder=start, run=run), spice, tmp_path, monkeypatch
    )
    assert ended > len(run.curves) > 0
    np.testing.assert_array_equal(model.proba_, expected.proba_)
    assert run.curves == whole.curves


def test_same_seed_same_labels_and_the_callers_state_is_left_alone(start):
    x, _ = sounds()
    before, copy = torch.get_rng_state(), x.copy()
    one, two, other = (make(random_state=seed).fit(x, encoder=start) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(x, copy)
    np.testing.assert_array_equal(one.proba_, two.proba_)
    assert (one.proba_ != other.proba_).any()


def test_the_encoder_that_is_handed_in_stays_as_it_is(start):
    x, _ = sounds()
    before = {name: value.clone() for name, value in start.backbone_.state_dict().items()}
    make(finetune=True, norm="train", passes=1, epochs=1, stage="self").fit(x, encoder=start)
    assert not start.backbone_.training
    assert all(torch.equal(value, before[name]) for name, value in start.backbone_.state_dict().items())


def test_the_curves_need_no_labels(start):
    x, run = sounds()[0], Run()
    make(joint_start="encoder").fit(x, encoder=start, run=run)
    self_, joint = ([row for row in run.curves if row["phase"] == phase] for phase in ("self", "joint"))
    assert len(self_) == len(joint) == 6
    assert self_[-1].keys() == {"phase", "epoch", "loss", "head_loss", "confidence", "entropy", "changed"}
    assert joint[-1].keys() >= {"loss", "supervised", "sure", "reliable", "confidence", "entropy", "changed"}
    assert self_[-1]["head_loss"] < self_[0]["head_loss"] and self_[0]["changed"] == 1
    assert all(0 <= row["entropy"] <= 1 + 1e-6 for row in run.curves)


def test_as_many_clusters_as_clips(start):
    x, _ = sounds(5, k=5)
    model = make(5, stage="self", exclusive=True, epochs=20).fit(x, encoder=start)
    assert sorted(model.labels_) == [0, 1, 2, 3, 4]


def test_equal_clips_end_in_one_cluster(start):
    x = np.full((12, 16, 24), -5, np.float32)
    assert len(np.unique(make(stage="self").fit(x, encoder=start).labels_)) == 1


def test_more_clusters_than_clips_is_an_error(start):
    x, _ = sounds(4)
    with pytest.raises(ValueError, match="n_samples=4 should be >= k=8"):
        make(k=8).fit(x, encoder=start)
    with pytest.raises(ValueError, match="pool=2 should be >= k=3"):
        make(pool=2).fit(x, encoder=start)


def test_clips_that_are_not_finite_are_an_error(start):
    x, _ = sounds()
    embedding = start.transform(x)
    x[7, 2, 3] = np.nan
    with pytest.raises(ValueError, match="clip 7 is not finite"):
        make().fit(x, encoder=start)
    embedding[9] = np.inf
    with pytest.raises(ValueError, match="row 9 of the points is not finite"):
        make().fit(sounds()[0], encoder=start, embedding=embedding)


@pytest.mark.parametrize("stage", ["self", "joint"])
def test_views_are_the_encoders_and_clusters_those_of_its_embedding(stage, start, tmp_path):
    x, _ = sounds()
    start = copy.deepcopy(start)
    start.views = 4
    model, given = make(stage=stage).set_params(augment=None), make(stage=stage)
    assert given.augment.parameters() == start.augment_.parameters()
    for each in (model, given):
        each.fit(x, encoder=start)
    np.testing.assert_array_equal(model.proba_, given.proba_)
    if stage == "self":
        with torch.no_grad():
            proba = model.network_.head(torch.from_numpy(start.transform(x)))[0].softmax(1)
        np.testing.assert_allclose(model.proba_, proba.numpy(), atol=1e-6)
    model.save(tmp_path)
    np.testing.assert_array_equal(SPICE.load(tmp_path).predict(x), model.labels_)


def test_where_no_label_is_reliable_the_error_names_what_to_lower(start):
    with pytest.raises(ValueError, match=r"Lower spice\.confidence"):
        make(confidence=0.999, epochs=1, lr=1e-6).fit(sounds()[0], encoder=start)


def test_a_cluster_without_reliable_labels_is_told(monkeypatch, start):
    x, _ = sounds()
    found = spice.reliable
    monkeypatch.setattr(spice, "reliable", lambda x, probs, *rest: found(x, probs, *rest) & (probs.argmax(1) != 1))
    with pytest.warns(UserWarning, match="without a reliable label"):
        model = make(balance=1.0, joint_start="fresh").fit(x, encoder=start)
    assert model.proba_.shape == (60, 3)


@pytest.mark.parametrize("parameters", [{"stage": "self"}, {"stage": "self", "finetune": True}, {}], ids=str)
def test_what_is_loaded_predicts_as_what_was_saved(parameters, tmp_path, start):
    x, _ = sounds()
    model = make(passes=2, **parameters).fit(x, encoder=start)
    model.save(tmp_path / "spice")
    loaded = SPICE.load(tmp_path / "spice")
    new, _ = sounds(seed=2)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    for name, value in model.network_.state_dict().items():
        assert torch.equal(value, loaded.network_.state_dict()[name])
    loaded.save(tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "spice" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
