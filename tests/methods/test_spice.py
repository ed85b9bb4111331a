"""SPICE: its parts beside the official code's, and what is peculiar to it as a whole.

``golden/spice.npz`` holds what the official functions (niuchuangnn/SPICE) returned for small random inputs.
"""

import copy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deep_fixture import golden, sounds
from sklearn.metrics import adjusted_rand_score
from torch import nn

from audioclust.methods.spice import SPICE, fixmatch, reliable, spice
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.maker import Maker

AUGMENT = Augment(width=16, weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))


# The parts, beside the official code


@pytest.mark.parametrize(("case", "ratio"), [("estep", 1.0), ("estep_ratio", 0.8)])
def test_e_step_is_the_official_one(case, ratio):
    g = golden("spice.npz", case)
    selected, labels = spice.e_step(g["features"], g["probs"], ratio)
    assert torch.equal(selected, g["selected_idx"])
    assert torch.equal(labels.expand_as(selected), g["pseudo_labels"])
    m, k = g["probs"].shape[1:]
    means = spice.prototypes(g["features"], g["probs"], int(0.5 * (m // k) * ratio))
    torch.testing.assert_close(means, g["prototypes"], rtol=0, atol=1e-9)


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


def test_fixmatch_losses_are_the_official_ones():
    g = golden("spice.npz", "fixmatch")
    strong = g["logits_ulb_strong"].requires_grad_()
    hard, sure = fixmatch.consistency(g["logits_ulb_weak"], strong, 0.95)
    hard.backward()
    supervised = F.cross_entropy(g["logits_lb"], g["y_lb"])
    torch.testing.assert_close(hard, g["unsup_loss_hard"], rtol=0, atol=1e-9)
    torch.testing.assert_close(supervised + hard, g["total_hard"], rtol=0, atol=1e-9)
    torch.testing.assert_close(strong.grad, g["grad_strong_hard"], rtol=0, atol=1e-9)
    assert float(sure) == pytest.approx(float(g["mask_mean"]))


def test_the_factor_of_the_learning_rate_is_fixmatchs():
    """``get_cosine_schedule_with_warmup`` of SPICE's fixmatch/train_utils.py, without a warm-up."""
    expected = np.load(Path(__file__).parents[1] / "golden" / "schedules.npz")["fixmatch_case0"]
    values = [fixmatch.fixmatch_cosine(step, 40) for step in range(40)]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


# The parts, at their limits


def test_an_empty_cluster_gets_its_share():
    """A head that gives cluster 2 to no clip still has m / k pseudo-labels for it."""
    features = F.normalize(torch.randn(60, 8), dim=1)
    probs = torch.randn(2, 60, 3).mul(5).softmax(2)
    probs[1, :, 2] = 0
    selected, labels = spice.e_step(features, probs)
    assert selected.shape == (2, 60) and torch.bincount(labels).tolist() == [20, 20, 20]


def test_one_clip_per_cluster():
    features = F.normalize(torch.randn(5, 8), dim=1)
    selected, labels = spice.e_step(features, torch.eye(5)[None])
    assert selected.tolist() == [[0, 1, 2, 3, 4]] and labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("ratio", "chosen"), [(1.0, 20), (0.5, 10), (0.01, 1)])
def test_the_ratio_is_the_share_of_clips_with_a_pseudo_label(ratio, chosen):
    probs = torch.randn(2, 60, 3).softmax(2)
    selected, labels = spice.e_step(F.normalize(torch.randn(60, 8), dim=1), probs, ratio)
    assert selected.shape == (2, 3 * chosen) and torch.bincount(labels).tolist() == [chosen] * 3


def test_a_quantile_keeps_labels_where_a_cluster_is_empty():
    labels = torch.tensor([0] * 10 + [1] * 6 + [3] * 4)
    assert len(reliable.balanced(labels, 4)) == 0
    assert torch.bincount(labels[reliable.balanced(labels, 4, 0.5)], minlength=4).tolist() == [5, 5, 0, 4]


def test_the_least_number_of_labels_is_not_cut():
    labels = torch.tensor([0] * 10 + [1] * 6 + [2] * 2)
    assert torch.bincount(labels[reliable.balanced(labels, 3, least=4)]).tolist() == [4, 4, 2]
    assert torch.bincount(labels[reliable.balanced(labels, 3, least=1)]).tolist() == [2, 2, 2]


def test_a_cluster_with_few_reliable_labels_is_filled_up_with_its_next_best_clips():
    """Of cluster 0 more neighbours agree on clips 0 to 2 than on clip 3; clip 1 is surer than clips 0 and 2."""
    features = torch.tensor([[1.0, 0], [1, 0.1], [1, 0.2], [0.2, 1], [0, 1], [0.1, 1], [0.15, 1]])
    probs = torch.tensor([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.95, 0.05], [0, 1], [0, 1], [0.4, 0.6]])
    found = torch.tensor([False, False, False, False, True, True, False])
    for least, expected in [(0, [4, 5]), (1, [1, 4, 5]), (2, [1, 2, 4, 5]), (3, [0, 1, 2, 4, 5, 6]), (9, range(7))]:
        filled = reliable.filled(found, features, probs, 3, least)
        assert filled.nonzero()[:, 0].tolist() == list(expected)


def test_filling_up_leaves_clusters_with_enough_labels_as_the_official_code_has_them():
    g = golden("spice.npz", "reliable")
    found = reliable.reliable(g["features"], g["probs"], 20, 0.9, 0.99)
    assert torch.equal(reliable.filled(found, g["features"], g["probs"], 20, 44), found)
    assert reliable.filled(found, g["features"], g["probs"], 20, 46).sum() == found.sum() + 3  # 44 and 45 are too few


def test_the_share_of_labels_that_a_network_repeats():
    probs = torch.eye(4)[[0, 0, 1, 1, 2]]
    labelled = {"rows": torch.tensor([4, 2, 1, 0]), "labels": torch.tensor([2, 0, 0, 0])}
    torch.testing.assert_close(spice.repeated(probs, labelled), torch.tensor([2 / 3, 1, 1, 1], dtype=torch.float64))


def test_the_moving_average_has_the_statistics_of_the_network():
    """Its own would be those of its random initialisation, as it is never in training mode."""
    torch.manual_seed(0)
    clips = Clips(sounds(20)[0])
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    network = nn.Sequential(*layers)
    average = copy.deepcopy(network).requires_grad_(False)
    before = average[1].running_mean.clone()
    labelled = {"rows": torch.arange(6), "labels": torch.arange(6) % 3}
    settings = {"count": 1, "batch": 4, "mu": 2, "lr": 0.03, "cutoff": 0.5, "momentum": 0.999}
    for _ in fixmatch.fixmatch(network, average, labelled, Maker(AUGMENT, clips), **settings):
        pass
    for mine, its in zip(average[1].buffers(), network[1].buffers(), strict=True):
        assert torch.equal(mine, its)
    assert not torch.equal(average[1].running_mean, before)
    assert not torch.equal(average[0].weight, network[0].weight)  # averaged, not copied


# The whole


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


def test_the_curves_need_no_labels(start):
    x, run = sounds()[0], Run()
    make(joint_start="encoder").fit(x, encoder=start, run=run)
    self_, joint = ([row for row in run.curves if row["phase"] == phase] for phase in ("self", "joint"))
    assert len(self_) == len(joint) == 6
    assert self_[-1].keys() == {"phase", "epoch", "loss", "head_loss", "confidence", "entropy", "changed"}
    assert joint[-1].keys() >= {"loss", "supervised", "sure", "reliable", "kept", "confidence", "entropy", "changed"}
    assert self_[-1]["head_loss"] < self_[0]["head_loss"] and self_[0]["changed"] == 1
    assert all(0 <= row["entropy"] <= 1 + 1e-6 for row in run.curves)


@pytest.mark.parametrize("scale", ["none", "standardise"])
def test_the_clusters_of_stage_2_are_those_of_the_encoders_embedding(scale, start, tmp_path):
    x, _ = sounds()
    start = copy.deepcopy(start)
    start.views = 4
    model = make(stage="self", scale=scale).fit(x, encoder=start)
    embedding = torch.from_numpy(start.transform(x))
    if scale == "standardise":
        embedding = (embedding - embedding.mean(0)) / embedding.std(0, correction=0)
    with torch.no_grad():
        proba = model.network_.head(embedding)[0].softmax(1)
    np.testing.assert_allclose(model.proba_, proba.numpy(), atol=1e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(SPICE.load(tmp_path).predict(x), model.labels_)


def test_the_start_of_stage_3_is_a_new_network_or_that_of_stage_2(start, monkeypatch):
    x, given, train = sounds()[0], [], spice.fixmatch

    def recorded(network, *arguments, **settings):
        given.append(copy.deepcopy(network.state_dict()))
        return train(network, *arguments, **settings)

    monkeypatch.setattr(spice, "fixmatch", recorded)
    before = make(stage="self").fit(x, encoder=start).network_.state_dict()
    for joint_start, same in (("encoder", True), ("fresh", False)):
        make(joint_start=joint_start, joint_epochs=1).fit(x, encoder=start)
        assert all(torch.equal(given[-1][name], before[name]) for name in before) == same


def test_a_network_of_stage_3_that_loses_a_cluster_is_not_kept(start):
    """A new network that is hardly trained repeats few of the labels."""
    x, run, still = sounds()[0], Run(), {"joint_epochs": 1, "joint_lr": 1e-12}
    with pytest.warns(UserWarning, match=r"a cluster is lost, and the clusters are those of stage 2"):
        model = make(joint_start="fresh", **still).fit(x, encoder=start, run=run)
    np.testing.assert_array_equal(model.proba_, make(stage="self").fit(x, encoder=start).proba_)
    assert run.curves[-1]["kept"] < 0.5
    kept = make(joint_start="encoder", **still).fit(x, encoder=start).proba_
    np.testing.assert_allclose(kept, model.proba_, atol=0.2)


def test_a_pool_smaller_than_the_clusters_is_an_error():
    with pytest.raises(ValueError, match="pool=2 should be >= k=3"):
        make(pool=2).fit(None)


@pytest.mark.parametrize(("wrong", "message"), [
    ({"stage": "sefl"}, r"SPICE\.stage = 'sefl': .*'self' or 'joint'"), ({"k": 1}, r"SPICE\.k = 1: .*2"),
    ({"ratio": 0.0}, r"SPICE\.ratio = 0\.0"), ({"confidence": 1.0}, r"SPICE\.confidence = 1\.0"),
])  # fmt: skip
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**{"k": 3, **wrong}).fit(None)


def test_if_no_label_is_reliable_the_error_names_what_to_lower(start):
    with pytest.raises(ValueError, match=r"Lower spice\.confidence"):
        make(confidence=0.999, epochs=1, lr=1e-6).fit(sounds()[0], encoder=start)


def test_a_cluster_without_reliable_labels_is_filled_up_with_a_warning(monkeypatch, start):
    """The official code ends here: cut to the smallest cluster, no label is left."""
    x, kinds = sounds()
    found = spice.reliable
    monkeypatch.setattr(spice, "reliable", lambda x, probs, *rest: found(x, probs, *rest) & (probs.argmax(1) != 1))
    given, train = [], spice.fixmatch

    def recorded(network, average, labelled, *arguments, **settings):
        given.append(torch.bincount(labelled["labels"], minlength=3).tolist())
        return train(network, average, labelled, *arguments, **settings)

    monkeypatch.setattr(spice, "fixmatch", recorded)
    with pytest.warns(UserWarning, match=r"reliable labels of .* clips: those with fewer than 5 are filled up"):
        model = make(balance=0.0, joint_start="encoder", joint_lr=0.01).fit(x, encoder=start)
    assert given == [[5, 5, 5]]
    assert adjusted_rand_score(kinds, model.labels_) > 0.9


def test_a_cluster_without_clips_leaves_the_others_their_labels():
    features = torch.eye(4).repeat_interleave(10, 0) + 0.01 * torch.randn(40, 4)
    model = make(4, balance=0.0)
    with pytest.warns(UserWarning, match="without a reliable label end empty"):
        labelled = model._reliable(features, torch.eye(4)[[0, 1, 2, 2]].repeat_interleave(10, 0))
    assert torch.bincount(labelled["labels"], minlength=4).tolist() == [10, 10, 10, 0]
    assert torch.equal(labelled["labels"], torch.tensor([0, 1, 2, 2])[labelled["rows"] // 10])


def test_enough_reliable_labels_are_cut_to_the_smallest_cluster_without_a_warning():
    features = torch.eye(3).repeat_interleave(20, 0) + 0.01 * torch.randn(60, 3)
    probs = torch.eye(3).repeat_interleave(20, 0)
    probs[:12, :2] = torch.tensor([0.55, 0.45])  # of cluster 0 eight are sure: more than a quarter of n / k
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labelled = make(balance=0.0)._reliable(features, probs)
    assert torch.bincount(labelled["labels"]).tolist() == [8, 8, 8] and labelled["rows"].min() >= 12
