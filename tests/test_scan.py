"""SCAN: its losses beside the official code's, and the whole on sounds that are easy to tell apart.

``golden/scan.npz`` holds what the official code (wvangansbeke/Unsupervised-Classification: ``SCANLoss``,
``scan_evaluate``, ``ConfidenceBasedCE``) returned for small random inputs.
"""

import copy
import warnings

import numpy as np
import pytest
import torch
from deep_fixture import close, golden, killed_until_it_ends, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods import scan
from audioclust.methods.scan import SCAN
from audioclust.nn.augment import Augment
from audioclust.nn.heads import Linears
from audioclust.nn.training import Run
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread

AUGMENT = Augment(width=16, length="fit", weak=["crop", "gain"], strong=["crop", "tilt", "time_mask"])


@pytest.fixture(autouse=True)
def single():
    """Small tensors; and two threads that share cores with others are slow."""
    with one_thread():
        yield


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


SETTINGS = {
    "all": {"stage": "cluster"},
    "all, heads": {"stage": "cluster", "heads": 3},
    "heads": {"stage": "cluster", "update": "heads", "heads": 3, "lr": 0.1, "refresh": 5},
    "selflabel": {"norm": "train", "heads": 4, "epochs": 30},
    "heads, selflabel": {"update": "heads", "lr": 0.1, "balance": False},
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


SHORT = {"epochs": 6, "threshold": 0.4}  # for what does not have to end well


@pytest.mark.parametrize("parameters", SETTINGS.values(), ids=SETTINGS)
def test_a_killed_run_ends_as_one_that_was_not(parameters, start, tmp_path, monkeypatch):
    """Killed in every third epoch, it is gone on with until it ends, bit for bit as without."""
    x, _ = sounds()
    whole = Run()
    expected = make(**parameters | SHORT).fit(x, encoder=start, run=whole)
    model, run, ended = killed_until_it_ends(
        lambda run: make(**parameters | SHORT).fit(x, encoder=start, run=run), scan, tmp_path, monkeypatch
    )
    assert ended > len(run.curves) > 0
    np.testing.assert_array_equal(model.proba_, expected.proba_)
    assert run.curves == whole.curves
    assert run.curves[-1]["phase"] == model.stage


def test_same_seed_same_labels_and_the_callers_things_are_left_alone(start):
    x, _ = sounds()
    state, copy = torch.get_rng_state(), x.copy()
    before = {name: value.clone() for name, value in start.backbone_.state_dict().items()}
    one, two, other = (make(norm="train", **SHORT, random_state=seed).fit(x, encoder=start) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(x, copy)
    assert not start.backbone_.training
    assert all(torch.equal(value, before[name]) for name, value in start.backbone_.state_dict().items())
    np.testing.assert_array_equal(one.proba_, two.proba_)
    assert (one.proba_ != other.proba_).any()


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


def test_a_cluster_that_empties_is_filled_again(start, monkeypatch):
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


def test_as_many_clusters_as_clips(start):
    x, _ = sounds(4, k=4)
    model = make(4, stage="cluster", update="heads", lr=0.05, epochs=80).fit(x, encoder=start)
    assert model.neighbours_ == 0 and sorted(model.labels_) == [0, 1, 2, 3]


def test_equal_clips_end_in_one_cluster(start):
    x = np.full((12, 16, 24), -5, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # none of them may be sure of its cluster
        assert len(np.unique(make(norm="train").fit(x, encoder=start).labels_)) == 1


def test_more_clusters_than_clips_is_an_error(start):
    with pytest.raises(ValueError, match="n_samples=4 should be >= k=8"):
        make(8).fit(sounds(4)[0], encoder=start)


def test_clips_that_are_not_finite_are_an_error(start):
    x, _ = sounds()
    embedding = start.transform(x)
    x[7, 2, 3] = np.nan
    with pytest.raises(ValueError, match="clip 7 is not finite"):
        make().fit(x, encoder=start)
    embedding[9] = np.inf
    with pytest.raises(ValueError, match="row 9 of the points is not finite"):
        make().fit(sounds()[0], encoder=start, embedding=embedding)
    with pytest.raises(ValueError, match=r"shape \(50, 16\): of these clips the encoder gives one of shape \(60, 16\)"):
        make().fit(sounds()[0], encoder=start, embedding=embedding[10:])


def test_log_mels_of_other_bands_are_an_error(start):
    x = sounds()[0]
    model = make(stage="cluster", update="heads", epochs=1).fit(x, encoder=start)
    for use in (model.predict, lambda x: make().fit(x, encoder=start)):
        with pytest.raises(ValueError, match="views of 8 bands: this network was trained on 16"):
            use(x[:, :8])


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
def test_where_no_clip_is_sure_the_clusters_are_those_before(norm, start):
    x, run = sounds()[0], Run()
    short = {"epochs": 2, "threshold": 0.999, "norm": norm, "lr": 1e-5}
    with pytest.warns(UserWarning, match=r"no clip was surer than scan\.threshold = 0\.999: lower it"):
        model = make(**short).fit(x, encoder=start, run=run)
    clustered = make(**short, stage="cluster").fit(x, encoder=start)
    np.testing.assert_array_equal(model.proba_, clustered.proba_)
    assert {row["phase"] for row in run.curves} == {"cluster"}


@pytest.mark.parametrize("parameters", [{}, {"stage": "cluster", "update": "heads"}], ids=str)
def test_what_is_loaded_predicts_as_what_was_saved(parameters, start, tmp_path):
    x, _ = sounds()
    model = make(**parameters, **SHORT).fit(x, encoder=start)
    model.save(tmp_path / "scan")
    state = torch.get_rng_state()
    loaded = SCAN.load(tmp_path / "scan")
    assert torch.equal(torch.get_rng_state(), state)
    new, _ = sounds(seed=2)
    np.testing.assert_array_equal(loaded.predict(new), model.predict(new))
    for name, value in model.network_.state_dict().items():
        assert torch.equal(value, loaded.network_.state_dict()[name])
    loaded.save(tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "scan" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
