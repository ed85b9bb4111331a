"""SCAN: its losses beside the official code's, and what is peculiar to it as a whole.

``golden/scan.npz`` holds what the official code (wvangansbeke/Unsupervised-Classification: ``SCANLoss``,
``scan_evaluate``, ``ConfidenceBasedCE``) returned for small random inputs.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from deep_fixture import close, golden, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods import scan
from audioclust.methods.scan import SCAN
from audioclust.networks.heads import Linears
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.embedded import Trained
from audioclust.views.maker import Maker

AUGMENT = Augment(width=16, length="fit", weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))


# The losses, beside the official code


def test_the_loss_and_its_gradient_are_the_official_ones():
    g = golden("scan.npz", "loss")
    # A second head changes nothing of the first.
    anchors, neighbours = (torch.stack([g[side], -g[side]]).requires_grad_() for side in ("anchors", "neighbors"))
    total, consistency, entropy = scan.scan_loss(anchors, neighbours, 5.0)
    total.sum().backward()
    close(total[0].detach(), g["total"])
    close(consistency[0].detach(), g["consistency"])
    close(entropy[0].detach(), g["entropy"])
    close(anchors.grad[0], g["grad_anchors"])
    close(neighbours.grad[0], g["grad_neighbors"])


def test_the_criterion_is_the_official_one():
    g = golden("scan.npz", "loss")
    values = scan.criterion(g["val_probs_heads"].log(), g["val_neighbor_idx"])
    close(values, g["val_total"])
    close(scan.mean_entropy(g["val_probs_heads"].log()), g["val_entropy"])
    assert int(values.argmin()) == int(g["val_lowest_loss_head"])


@pytest.mark.parametrize(("balance", "name"), [(True, "balanced"), (False, "plain")])
def test_the_selflabel_loss_is_the_official_one(balance, name):
    g = golden("scan.npz", "selflabel")
    strong = g["logits_strong"].clone().requires_grad_()
    loss, sizes = scan.selflabel_loss(g["logits_weak"], strong, 0.99, balance)
    loss.backward()
    close(loss.detach(), g[f"loss_{name}"])
    close(strong.grad, g[f"grad_{name}"])
    assert torch.equal(sizes.long(), torch.bincount(g["logits_weak"].argmax(1)[g["mask"]], minlength=5))


# The losses, at their limits


def test_the_best_assignment_has_the_stated_criterion():
    """Sure, equal among neighbours, equally large clusters: -log k; all clips in one cluster: 0."""
    perfect, collapsed = torch.eye(3).repeat(4, 1) * 1e3, torch.eye(3)[[0] * 12] * 1e3
    neighbours = (torch.arange(12)[:, None] + torch.tensor([0, 3, 6])) % 12
    values = scan.criterion(torch.stack([perfect, collapsed]), neighbours)
    torch.testing.assert_close(values, torch.tensor([-np.log(3), 0.0], dtype=torch.float32), rtol=0, atol=1e-5)


def test_a_pair_that_could_not_disagree_more_has_a_finite_loss_and_gradient():
    anchors, neighbours = (torch.tensor([[[s * 500.0, 0.0, -s * 500.0]]], requires_grad=True) for s in (1, -1))
    total, consistency, _ = scan.scan_loss(anchors, neighbours)
    total.sum().backward()
    assert float(consistency.detach()) == pytest.approx(1000 - np.log(3))  # three clusters, e^-1000 each
    assert torch.isfinite(anchors.grad).all() and anchors.grad.abs().sum() > 0


def test_labels_that_are_not_sure_give_no_loss():
    strong = torch.randn(6, 3, requires_grad=True)
    loss, sizes = scan.selflabel_loss(torch.zeros(6, 3), strong, 0.99)
    loss.backward()
    assert float(loss.detach()) == 0 and not sizes.any() and not strong.grad.any()


def test_the_surest_clips_of_a_cluster_stand_in_for_sure_ones():
    """Cluster 1 has no sure clip: the surer two of its four are used, and nothing of cluster 0 changes."""
    weak = torch.tensor([[9.0, 0], [8, 0], [1, 0], [0, 1], [0, 3], [0, 2], [0, 0.5]])
    strong = torch.randn(7, 2, requires_grad=True)
    loss, sizes = scan.selflabel_loss(weak, strong, 0.99, unsure=torch.tensor([True, True]))
    loss.backward()
    assert sizes.tolist() == [2, 0]  # those that are sure
    assert (strong.grad.abs().sum(1) > 0).tolist() == [True, True, False, False, True, True, False]
    losses = torch.nn.functional.cross_entropy(strong, weak.argmax(1), reduction="none")
    torch.testing.assert_close(loss, (losses[:2].mean() + losses[4:6].mean()) / 2)


def test_where_a_cluster_has_a_sure_clip_its_other_clips_are_not_used():
    g = golden("scan.npz", "selflabel")
    _, sizes = scan.selflabel_loss(g["logits_weak"], g["logits_strong"], 0.99)
    loss, _ = scan.selflabel_loss(g["logits_weak"], g["logits_strong"], 0.99, unsure=sizes > 0)
    close(loss, g["loss_balanced"])


def test_a_clip_is_the_first_of_its_neighbours():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    assert scan.mine(x, 1).tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert scan.mine(x, 0).tolist() == [[0], [1], [2], [3]]


# The whole


@pytest.fixture(scope="module")
def start():
    """An encoder in whose embedding all neighbours are of the same kind."""
    with one_thread():
        return SimCLR(d=16, channels=8, epochs=20, batch=20, lr=0.003, augment=AUGMENT).fit(sounds()[0])


def make(k=3, **parameters):
    """Return a SCAN that is small enough to train in a second."""
    small = {"neighbours": 8, "epochs": 12, "batch": 20, "lr": 0.003, "views": 3, "threshold": 0.8, "norm": "eval",
             "selflabel_epochs": 5, "selflabel_batch": 30, "selflabel_lr": 0.001}  # fmt: skip
    return SCAN(k, **{**small, **parameters}, augment=AUGMENT)


@pytest.mark.parametrize("update", ["all", "heads"])
def test_the_best_head_of_the_best_epoch_is_kept(update, start, monkeypatch):
    """Of six epochs the third has the smallest criterion: the clusters are those of a training that ended there."""
    x, _ = sounds()

    def clusters(count, best):
        values = iter([3.0, 2.0, 1.0, 2.0, 3.0, 4.0])
        monkeypatch.setattr(scan, "criterion", lambda *_: torch.tensor([5.0, next(values)]).roll(best))
        return make(stage="cluster", update=update, heads=2, epochs=count).fit(x, encoder=start).proba_

    np.testing.assert_array_equal(clusters(6, 0), clusters(3, 0))
    assert (clusters(3, 0) != clusters(3, 1)).any()


def test_the_curves_need_no_labels(start):
    x, run = sounds()[0], Run()
    make().fit(x, encoder=start, run=run)
    cluster, selflabel = ([row for row in run.curves if row["phase"] == phase] for phase in ("cluster", "selflabel"))
    shared = {"phase", "epoch", "loss", "criterion", "entropy", "confidence", "changed", "sure"}
    assert len(cluster) == 12 and len(selflabel) == 5
    assert cluster[-1].keys() == shared | {"consistency"} and selflabel[-1].keys() == shared | {"taught"}
    assert cluster[-1]["criterion"] < cluster[0]["criterion"] and cluster[0]["changed"] == 1
    assert all(0 <= row["entropy"] <= 1 + 1e-6 and 0 <= row["sure"] <= 1 for row in run.curves)
    assert selflabel[-1]["confidence"] > cluster[-1]["confidence"] and selflabel[-1]["taught"] == 1


def test_a_cluster_that_becomes_empty_is_filled_again(start, monkeypatch):
    """In epoch 4 no clip is left in one of the clusters: the entropy brings them back."""
    x, kinds = sounds()
    made, passes, heads = scan.batches, [], []

    def emptied(*arguments):
        passes.append(None)
        if len(passes) == 5:
            with torch.no_grad():
                heads[0].weight[:, 1], heads[0].bias[:, 1] = 0, -4
        return made(*arguments)

    monkeypatch.setattr(scan, "Linears", lambda *sizes: heads.append(Linears(*sizes)) or heads[0])
    monkeypatch.setattr(scan, "batches", emptied)
    run = Run()
    model = make(stage="cluster", update="heads", epochs=40, lr=0.1).fit(x, encoder=start, run=run)
    assert run.curves[4]["entropy"] < 0.8 and run.curves[-1]["entropy"] > 0.95
    assert adjusted_rand_score(kinds, model.labels_) > 0.9


def test_few_clips_are_gone_through_until_there_are_enough_steps(start):
    x, run = sounds()[0], Run()
    model = make(stage="cluster", update="heads", epochs=2, steps=30, batch=20).fit(x, encoder=start, run=run)
    assert len(run.curves) == model.epochs_ == -(-30 // (len(x) // 20)) > 2


def test_as_many_clusters_as_clips(start):
    x, _ = sounds(4, k=4)
    model = make(4, stage="cluster", update="heads", lr=0.05, epochs=80).fit(x, encoder=start)
    assert model.neighbours_ == 0 and sorted(model.labels_) == [0, 1, 2, 3]


@pytest.mark.parametrize(("parameter", "value"), [("stage", "clusters"), ("k", 1), ("update", "head"), ("batch", 1)])
def test_wrong_parameters_are_refused(parameter, value):
    with pytest.raises(ValueError, match=rf"SCAN\.{parameter} = {value!r}: "):
        make().set_params(**{parameter: value}).fit(None)


def test_more_clusters_than_k_are_found_and_scored_by_their_most_frequent_class(start, tmp_path):
    x, kinds = sounds()
    model = make(stage="cluster", update="heads", clusters=6, epochs=60, lr=0.05).fit(x, encoder=start)
    assert model.proba_.shape == (60, 6) and len(set(model.labels_)) > 3
    assert all(len(set(kinds[model.labels_ == cluster])) == 1 for cluster in set(model.labels_))
    np.testing.assert_array_equal(model.more_labels_["majority"], model.labels_)
    model.save(tmp_path)
    np.testing.assert_array_equal(SCAN.load(tmp_path).predict(x), model.labels_)
    assert make(stage="cluster", update="heads").fit(x, encoder=start).more_labels_ == {}


def test_fewer_clusters_than_k_are_refused(start):
    with pytest.raises(ValueError, match=r"clusters=2 should be >= k=3, or null"):
        make(clusters=2).fit(sounds()[0], encoder=start)


def test_selflabelling_ends_when_no_more_clips_become_sure(start):
    x, kinds = sounds()
    run = Run()
    model = make(selflabel_epochs=200, selflabel_patience=3, threshold=0.4).fit(x, encoder=start, run=run)
    taken = [row for row in run.curves if row["phase"] == "selflabel"]
    assert 4 <= len(taken) < 200
    assert adjusted_rand_score(kinds, model.labels_) > 0.9
    assert adjusted_rand_score(kinds, model.more_labels_["clustering"]) > 0.9


def test_clusters_are_those_of_the_encoders_embedding(start, tmp_path):
    x, _ = sounds()
    start = copy.deepcopy(start)
    start.views = 4
    model = make(stage="cluster", update="heads").set_params(augment=None).fit(x, encoder=start)
    with torch.no_grad():
        proba = model.network_[1](torch.from_numpy(start.transform(x))).softmax(1)
    np.testing.assert_allclose(model.proba_, proba.numpy(), atol=1e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(SCAN.load(tmp_path).predict(x), model.labels_)


@pytest.mark.parametrize("norm", ["train", "eval"])
def test_if_no_clip_is_sure_the_clusters_are_those_before(norm, start):
    x, run = sounds()[0], Run()
    short = {"epochs": 2, "threshold": 0.999, "norm": norm, "lr": 1e-5}
    with pytest.warns(UserWarning, match=r"no clip was surer than scan\.threshold = 0\.999: lower it"):
        model = make(**short).fit(x, encoder=start, run=run)
    clustered = make(**short, stage="cluster").fit(x, encoder=start)
    np.testing.assert_array_equal(model.proba_, clustered.proba_)
    assert {row["phase"] for row in run.curves} == {"cluster"}


def test_each_pair_has_a_view_of_its_own(start):
    """As in the official code, also where clips of a batch share a neighbour."""
    views = Trained(copy.deepcopy(start.backbone_), Maker(AUGMENT, Clips.of(sounds()[0])))
    one, two, other = views.strong(torch.tensor([3, 3, 4])).detach()
    assert (one - two).abs().max() > 1e-3 and (one - other).abs().max() > 1e-3


def judged(monkeypatch, values):
    """Let the criterion fall in step 2, and be ``values`` before step 3 and after each of its epochs."""
    left = iter([-0.01 * epoch for epoch in range(12)] + values)
    monkeypatch.setattr(scan, "criterion", lambda *_: torch.tensor([next(left)]))


def test_selflabelling_that_ends_worse_than_it_began_keeps_its_best_epoch(start, monkeypatch):
    x, _ = sounds()
    judged(monkeypatch, [-1.0, -1.2])
    expected = make(selflabel_epochs=1).fit(x, encoder=start).proba_
    judged(monkeypatch, [-1.0, -1.2, -0.9, -1.1, -0.5])
    with pytest.warns(
        UserWarning, match=r"began with a criterion of -1\.000 and ended with -0\.500.*epoch is kept, with -1\.2"
    ):
        model = make(selflabel_epochs=4).fit(x, encoder=start)
    np.testing.assert_array_equal(model.proba_, expected)
    judged(monkeypatch, [-1.0, -0.9, -0.8])
    with pytest.warns(UserWarning, match="its best epoch is kept, with -1"):
        model = make(selflabel_epochs=2).fit(x, encoder=start)
    judged(monkeypatch, [])
    np.testing.assert_array_equal(model.proba_, make(stage="cluster").fit(x, encoder=start).proba_)


def test_selflabelling_that_ends_better_than_it_began_keeps_its_last_epoch(start, monkeypatch):
    x, found = sounds()[0], []
    for values in ([-1.0, -1.3, -0.5, -1.2], [-1.0, -1.0, -1.0, -1.0]):
        judged(monkeypatch, values)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found.append(make(selflabel_epochs=3).fit(x, encoder=start).proba_)
    np.testing.assert_array_equal(*found)


def test_selflabelling_that_empties_a_cluster_keeps_the_network_before(start, monkeypatch):
    x, _ = sounds()
    sizes = iter([[20, 20, 20], [20, 20, 20], [30, 30, 0], [30, 30, 0]])
    monkeypatch.setattr(scan, "_clips_per_cluster", lambda logits: torch.tensor(next(sizes)))
    with pytest.warns(UserWarning, match=r"ended with inf \(inf: a cluster became empty\)"):
        model = make(selflabel_epochs=3).fit(x, encoder=start)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.proba_, make(selflabel_epochs=1).fit(x, encoder=start).proba_)


def test_a_cluster_without_a_sure_clip_in_an_epoch_is_taught_by_its_surest_in_the_next(start, monkeypatch):
    x, run, given, loss = sounds()[0], Run(), [], scan.selflabel_loss

    def without(weak, strong, threshold, balance, unsure):
        given.append(unsure.tolist())
        value, sizes = loss(weak, strong, threshold, balance, unsure)
        return value, sizes * torch.tensor([1, 0, 1])  # none of cluster 1 is sure

    monkeypatch.setattr(scan, "selflabel_loss", without)
    make(selflabel_epochs=3, selflabel_batch=60).fit(x, encoder=start, run=run)
    assert given == [[False] * 3, [False, True, False], [False, True, False]]
    assert [round(row["taught"], 3) for row in run.curves if row["phase"] == "selflabel"] == [0.667] * 3


def test_a_step_without_labels_changes_nothing(start, monkeypatch):
    x, _ = sounds()
    monkeypatch.setattr(
        scan, "selflabel_loss", lambda weak, strong, *_: (0 * strong.sum(), torch.ones(3, dtype=torch.int64))
    )
    model = make().fit(x, encoder=start)
    np.testing.assert_array_equal(model.proba_, make(stage="cluster").fit(x, encoder=start).proba_)
